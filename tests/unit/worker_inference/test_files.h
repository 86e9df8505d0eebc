// Directories and model folders for the tests of this library.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <stdlib.h>

#include "worker/inference/model_folder.h"

namespace imgrec::worker::testing {

// A directory that is gone after the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "imgrec-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
}

// Three classes, 8x8 pixels, the middle of 10x10.
inline ModelSpec tiny_spec() {
  ModelSpec spec;
  spec.name = "tiny";
  spec.input_width = spec.input_height = 8;
  spec.resize_width = spec.resize_height = 10;
  spec.mean = {104, 117, 123};
  spec.classes = 3;
  spec.source = "a test";
  spec.licence = "none";
  spec.model_sha256 = std::string(64, '0');
  spec.labels_sha256 = std::string(64, '0');
  return spec;
}

// labels.txt and model.yaml beside the model.pt that is there already, with the right sums.
inline void complete_folder(const std::filesystem::path& directory, ModelSpec spec = tiny_spec(),
                            const std::string& labels = "ant\nbee\ncow\n") {
  write_text(directory / kLabelsFile, labels);
  spec.model_sha256 = sha256_hex_of_file(directory / kModuleFile).value();
  spec.labels_sha256 = sha256_hex(labels);
  write_text(directory / kSpecFile, format_model_spec(spec));
}

}  // namespace imgrec::worker::testing
