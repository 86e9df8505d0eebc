#include "models/caffe/torchscript_writer.h"

#include <cerrno>
#include <cstring>
#include <exception>
#include <fstream>
#include <sstream>
#include <system_error>

#include <torch/script.h>

#include "models/caffe/torchscript_source.h"

namespace imgrec::models {

std::string torchscript_source(const Network& network) { return make_script(network).source; }

Status write_torchscript(const Network& network, const std::filesystem::path& file) {
  try {
    const Script script = make_script(network);
    torch::jit::Module module("imgrec_classifier");
    for (const Weight& weight : script.weights) {
      const std::vector<float>& values = weight.values != nullptr ? *weight.values : weight.own;
      // from_blob borrows and takes no const; clone() makes the module's own copy.
      at::Tensor tensor =
          torch::from_blob(const_cast<float*>(values.data()), weight.shape, at::kFloat).clone();
      module.register_parameter(weight.attribute, std::move(tensor), /*is_buffer=*/false);
    }
    module.define(script.source);
    module.eval();
    // LibTorch ends the program where it cannot write, on a full disk for instance.
    std::ostringstream bytes;
    module.save(bytes);
    std::ofstream stream(file, std::ios::binary);
    stream << bytes.str();
    stream.close();
    if (stream) return {};
    return {StatusCode::kInternal, "cannot write " + file.string() + ": " + std::strerror(errno)};
  } catch (const c10::Error& error) {
    return {StatusCode::kInternal,
            "cannot write " + file.string() + ": " + error.what_without_backtrace()};
  } catch (const std::exception& error) {
    return {StatusCode::kInternal, "cannot write " + file.string() + ": " + error.what()};
  }
}

}  // namespace imgrec::models
