#include "worker/inference/torch_module.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/script.h>

namespace imgrec::worker {
namespace {

// Torch has such an adapter, which does not look where the bytes end.
class BytesOfModule : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit BytesOfModule(const std::string& bytes) : bytes_(bytes) {}

  std::size_t size() const override { return bytes_.size(); }

  std::size_t read(std::uint64_t position, void* to, std::size_t count,
                   const char* what) const override {
    if (position > bytes_.size() || count > bytes_.size() - position) {
      throw std::runtime_error(std::string("the file ends too early: ") + what);
    }
    std::memcpy(to, bytes_.data() + position, count);
    return count;
  }

 private:
  const std::string& bytes_;
};

}  // namespace

torch::jit::Module load_module(const ModuleFile& file) {
  torch::jit::Module module =
      torch::jit::load(std::make_shared<BytesOfModule>(file.bytes), at::kCPU);
  module.eval();
  return module;
}

std::string message_of(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  constexpr std::size_t kMaxBytes = 500;
  if (text.size() > kMaxBytes) text = text.substr(0, kMaxBytes) + "…";
  return text;
}

}  // namespace imgrec::worker
