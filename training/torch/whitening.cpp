#include "training/torch/whitening.h"

#include <algorithm>

namespace imgrec::training {
namespace {

constexpr std::int64_t kSide = 3;
constexpr std::int64_t kValues = 3 * kSide * kSide;  // of a patch
constexpr std::size_t kPictures = 4000;              // give patches enough
constexpr double kLeastVariance = 1e-3;  // what varies less is mostly noise, and not made louder

// kValues x kValues: the mean of the patches' outer products, the patches being about zero.
torch::Tensor patch_covariance(const Photos& photos, const std::vector<std::size_t>& members,
                               const Normalisation& how) {
  const auto side = static_cast<std::int64_t>(photos.size);
  const std::size_t stride = std::max<std::size_t>(1, members.size() / kPictures);
  torch::Tensor sum = torch::zeros({kValues, kValues}, torch::kDouble);
  double patches = 0;
  torch::Tensor picture = torch::empty({1, 3, side, side});
  for (std::size_t i = 0; i < members.size(); i += stride) {
    normalise(photos.picture(members[i]), photos.size, how, picture.data_ptr<float>());
    const torch::Tensor columns = torch::im2col(picture, {kSide, kSide}, /*dilation=*/{1, 1},
                                                /*padding=*/{0, 0}, /*stride=*/{1, 1})
                                      .squeeze(0)
                                      .to(torch::kDouble);
    sum += columns.matmul(columns.t());
    patches += static_cast<double>(columns.size(1));
  }
  return sum / patches;
}

}  // namespace

torch::Tensor whitening_filters(const Photos& photos, const std::vector<std::size_t>& members,
                                const Normalisation& how, std::int64_t count) {
  const torch::NoGradGuard no_grad;
  const auto [variances, components] =  // ascending; a component is a column
      torch::linalg_eigh(patch_covariance(photos, members, how));
  const torch::Tensor scaled =
      (components / (variances + kLeastVariance).sqrt()).t().to(torch::kFloat);
  std::vector<torch::Tensor> filters;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t rank = i / 2 % kValues;
    const torch::Tensor filter = scaled[kValues - 1 - rank];
    filters.push_back(i % 2 == 0 ? filter : -filter);
  }
  return torch::stack(filters).view({count, 3, kSide, kSide});
}

}  // namespace imgrec::training
