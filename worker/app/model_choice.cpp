#include "worker/app/model_choice.h"

#include <system_error>

namespace imgrec::worker {

std::filesystem::path choose_model(const std::string& configured,
                                   const std::filesystem::path& program_dir) {
  if (!configured.empty()) return configured;
  const std::filesystem::path by_hand = "models/googlenet";
  const std::filesystem::path installed =
      (program_dir / "../share/imgrec/models/cifar10-inception").lexically_normal();
  std::error_code ignored;
  const bool use_installed = !std::filesystem::exists(by_hand / "model.yaml", ignored) &&
                             std::filesystem::exists(installed / "model.yaml", ignored);
  return use_installed ? installed : by_hand;
}

}  // namespace imgrec::worker
