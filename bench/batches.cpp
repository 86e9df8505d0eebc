#include "bench/batches.h"

#include <chrono>
#include <stdexcept>
#include <utility>

#include "worker/graph/formats.h"
#include "worker/inference/compiled_network.h"

namespace imgrec::bench {

using worker::CompiledNetwork;

struct Batches::Impl {
  std::vector<unsigned> sizes;
  std::vector<std::unique_ptr<CompiledNetwork>> networks;
  std::size_t values = 0;  // of one picture
};

Batches::Batches(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Batches::~Batches() = default;

Result<std::unique_ptr<Batches>> Batches::compile(const worker::Graph& graph,
                                                  std::vector<unsigned> sizes) {
  auto impl = std::make_unique<Impl>();
  impl->values = static_cast<std::size_t>(graph.shape(graph.input).values());
  const worker::Formats formats =
      choose_formats(graph, worker::Precision::kFp32, worker::Format::kFloat, {});
  for (const unsigned size : sizes) {
    CompiledNetwork::Options options;
    if (size > 1) options.batches = worker::BatchSizes({size});
    options.only_if_faster = false;
    auto network = CompiledNetwork::compile(graph, formats, options);
    if (!network) return network.status();
    impl->networks.push_back(std::move(*network));
  }
  impl->sizes = std::move(sizes);
  return std::unique_ptr<Batches>(new Batches(std::move(impl)));
}

std::vector<double> Batches::measure(double seconds) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> rates;
  for (std::size_t i = 0; i < impl_->sizes.size(); ++i) {
    const std::vector<float> input(impl_->values, 10.0F);
    const std::vector<const std::vector<float>*> inputs(impl_->sizes[i], &input);
    const auto run = [&] {
      const auto scores = impl_->networks[i]->run(inputs);
      if (!scores) throw std::runtime_error(scores.status().message());
    };
    run();
    const auto start = Clock::now();
    std::chrono::duration<double> spent{};
    double images = 0;
    while (spent.count() < seconds) {
      run();
      images += impl_->sizes[i];
      spent = Clock::now() - start;
    }
    rates.push_back(images / spent.count());
  }
  return rates;
}

}  // namespace imgrec::bench
