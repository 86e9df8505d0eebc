#include "training/torch/winograd_convolution.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/winograd.h"

namespace imgrec::training {
namespace {

namespace winograd = kernels::winograd;
using kernels::winograd::kPlanes;
using kernels::winograd::Pictures;

constexpr auto kLayout = at::MemoryFormat::ChannelsLast;
// Tiles whose planes are made, multiplied and summed up before the next ones', while they are in
// the cache.
constexpr std::size_t kTilesAtOnce = 128;
constexpr std::int64_t kFewestChannels = 24;  // those with fewer take little time in any case

// 36 x 9: what makes a kernel's planes of its nine numbers.
torch::Tensor kernel_sums() {
  constexpr auto kSums = winograd::kernel_sums<3>();
  const torch::Tensor one_way = torch::empty({6, 3});
  for (std::size_t i = 0; i < 18; ++i) {
    one_way.data_ptr<float>()[i] = kSums[i / 3][i % 3];
  }
  return torch::kron(one_way, one_way);
}

// out x in x 3 x 3 -> 36 x in x out.
torch::Tensor planes_of(const torch::Tensor& kernels) {
  const auto out = kernels.size(0), in = kernels.size(1);
  return kernel_sums().mm(kernels.permute({2, 3, 1, 0}).reshape({9, in * out}));
}

torch::Tensor gradient_of_kernels(const torch::Tensor& planes, std::int64_t in, std::int64_t out) {
  return kernel_sums()
      .t()
      .mm(planes.reshape({static_cast<std::int64_t>(kPlanes), in * out}))
      .reshape({3, 3, in, out})
      .permute({3, 2, 0, 1})
      .contiguous(kLayout);
}

struct Matrix {
  const float* values;
  std::size_t columns;  // as it lies
  char transpose;       // 'T': it is taken transposed
};

// to = a * b + keep * to, to: rows x columns, `depth` products for each.
void multiply(std::size_t rows, std::size_t columns, std::size_t depth, const Matrix& a,
              const Matrix& b, float keep, float* to) {
  const auto number = [](std::size_t n) { return static_cast<dnnl_dim_t>(n); };
  const auto status = dnnl::sgemm(a.transpose, b.transpose, number(rows), number(columns),
                                  number(depth), 1, a.values, number(a.columns), b.values,
                                  number(b.columns), keep, to, number(columns));
  TORCH_CHECK(status == dnnl::status::success, "oneDNN refuses a product of matrices of ", rows,
              " x ", depth, " x ", columns);
}

// A convolution, with its pictures in pieces.
struct Shape {
  std::size_t pictures, height, width, in, out;

  Shape(const torch::Tensor& x, std::int64_t outputs)
      : pictures(static_cast<std::size_t>(x.size(0))),
        height(static_cast<std::size_t>(x.size(2))),
        width(static_cast<std::size_t>(x.size(3))),
        in(static_cast<std::size_t>(x.size(1))),
        out(static_cast<std::size_t>(outputs)) {}

  std::size_t each_piece() const {
    return std::max<std::size_t>(1, kTilesAtOnce / Pictures{1, height, width, 1}.tiles());
  }
  std::size_t most_tiles() const { return Pictures{each_piece(), height, width, 1}.tiles(); }

  // Calls run(thread, first picture, inputs, results) for all pieces, each thread with its own.
  template <class Run>
  void each(std::size_t threads, Run run) const {
    const std::size_t step = each_piece();
    at::parallel_for(0, static_cast<std::int64_t>(threads), 1, [&](auto begin, auto end) {
      for (auto thread = static_cast<std::size_t>(begin); thread < static_cast<std::size_t>(end);
           ++thread) {
        for (std::size_t at = thread * step; at < pictures; at += threads * step) {
          const std::size_t count = std::min(step, pictures - at);
          run(thread, at, Pictures{count, height, width, in}, Pictures{count, height, width, out});
        }
      }
    });
  }
};

std::size_t threads() { return static_cast<std::size_t>(at::get_num_threads()); }

// What one thread works in.
torch::Tensor room(std::size_t threads, std::size_t floats) {
  return torch::empty({static_cast<std::int64_t>(threads), static_cast<std::int64_t>(floats)});
}
float* of_thread(const torch::Tensor& room, std::size_t thread) {
  return room.data_ptr<float>() + thread * static_cast<std::size_t>(room.size(1));
}

torch::Tensor convolve(const torch::Tensor& x, const torch::Tensor& kernel_planes,
                       std::int64_t outputs) {
  torch::Tensor y =
      torch::empty({x.size(0), outputs, x.size(2), x.size(3)}, x.options().memory_format(kLayout));
  const Shape shape(x, outputs);
  const std::size_t in = shape.in, out = shape.out;
  const torch::Tensor inputs = room(threads(), kPlanes * shape.most_tiles() * in);
  const torch::Tensor results = room(threads(), kPlanes * shape.most_tiles() * out);
  const float* kernels = kernel_planes.data_ptr<float>();
  shape.each(threads(),
             [&](std::size_t thread, std::size_t first, const Pictures& from, const Pictures& to) {
               float* v = of_thread(inputs, thread);
               float* m = of_thread(results, thread);
               const std::size_t tiles = from.tiles();
               winograd::to_planes(from, x.data_ptr<float>() + first * from.values_each(), v);
               for (std::size_t p = 0; p < kPlanes; ++p) {
                 multiply(tiles, out, in, {v + p * tiles * in, in, 'N'},
                          {kernels + p * in * out, out, 'N'}, 0, m + p * tiles * out);
               }
               winograd::from_planes(to, m, y.data_ptr<float>() + first * to.values_each());
             });
  return y;
}

struct Gradients {
  torch::Tensor x, kernel_planes;
};

Gradients gradients_of(const torch::Tensor& x, const torch::Tensor& kernel_planes,
                       const torch::Tensor& y_gradient) {
  const Shape shape(x, y_gradient.size(1));
  const std::size_t in = shape.in, out = shape.out;
  const torch::Tensor x_gradient = torch::empty_like(x);
  const torch::Tensor inputs = room(threads(), kPlanes * shape.most_tiles() * in);
  const torch::Tensor results = room(threads(), kPlanes * shape.most_tiles() * out);
  const torch::Tensor kernel_gradients = room(threads(), kPlanes * in * out).zero_();
  const float* kernels = kernel_planes.data_ptr<float>();
  shape.each(threads(), [&](std::size_t thread, std::size_t first, const Pictures& from,
                            const Pictures& to) {
    float* v = of_thread(inputs, thread);
    float* m = of_thread(results, thread);
    float* u = of_thread(kernel_gradients, thread);
    const std::size_t tiles = from.tiles();
    winograd::gradient_to_planes(to, y_gradient.data_ptr<float>() + first * to.values_each(), m);
    winograd::to_planes(from, x.data_ptr<float>() + first * from.values_each(), v);
    for (std::size_t p = 0; p < kPlanes; ++p) {
      const Matrix of_results{m + p * tiles * out, out, 'N'};
      multiply(in, out, tiles, {v + p * tiles * in, in, 'T'}, of_results, 1, u + p * in * out);
      multiply(tiles, in, out, of_results, {kernels + p * in * out, out, 'T'}, 0,
               v + p * tiles * in);
    }
    winograd::gradient_from_planes(from, v,
                                   x_gradient.data_ptr<float>() + first * from.values_each());
  });
  return {x_gradient, kernel_gradients.sum(0)};
}

struct Convolution : torch::autograd::Function<Convolution> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& kernels) {
    const torch::Tensor inputs = x.contiguous(kLayout);
    const torch::Tensor planes = planes_of(kernels);
    context->save_for_backward({inputs, planes});
    return convolve(inputs, planes, kernels.size(0));
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               const torch::autograd::tensor_list& gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor y = gradients[0].contiguous(kLayout);
    Gradients result = gradients_of(saved[0], saved[1], y);
    return {result.x, gradient_of_kernels(result.kernel_planes, saved[0].size(1), y.size(1))};
  }
};

}  // namespace

bool winograd_fits(const torch::Tensor& x, const torch::Tensor& kernels) {
  const auto takes = [](std::int64_t channels) {
    return channels >= kFewestChannels &&
           channels % static_cast<std::int64_t>(winograd::kChannels) == 0;
  };
  const auto in_tiles = [](std::int64_t places) {
    return places > 0 && places % static_cast<std::int64_t>(winograd::kTile) == 0;
  };
  return x.device().is_cpu() && x.scalar_type() == torch::kFloat &&
         kernels.scalar_type() == torch::kFloat && !at::autocast::is_cpu_enabled() &&
         kernels.size(2) == 3 && kernels.size(3) == 3 && takes(kernels.size(0)) &&
         takes(kernels.size(1)) && in_tiles(x.size(2)) && in_tiles(x.size(3));
}

torch::Tensor winograd_convolution(const torch::Tensor& x, const torch::Tensor& kernels) {
  return Convolution::apply(x, kernels);
}

}  // namespace imgrec::training
