// Small Caffe networks for tests: written from a text definition, with weights made up by a fixed
// generator, in the new layer form or in the old one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/caffe/caffe.pb.h"

namespace imgrec::models::testing {

// A directory that is gone after the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_text(const std::filesystem::path& file, const std::string& text);

struct CaffeFiles {
  std::filesystem::path prototxt;
  std::filesystem::path caffemodel;
};

// A network under construction. Verbs tell what a test does to it.
class TinyCaffe {
 public:
  // `definition`: prototxt text. Throws std::runtime_error where it does not parse.
  explicit TinyCaffe(const std::string& definition);

  // Weights for one layer: `shapes` as "8x3x3x3" and so on, one per blob.
  TinyCaffe& with_weights(const std::string& layer, const std::vector<std::string>& shapes);
  // The same in the four-dimension form of old files.
  TinyCaffe& with_old_weights(const std::string& layer, const std::vector<std::string>& shapes);

  caffe_format::LayerParameter* weights_of(const std::string& layer);

  // Both files, in the new form or in that of 2013 (`layers` with numbered types).
  CaffeFiles write(const std::filesystem::path& directory) const;
  CaffeFiles write_v1(const std::filesystem::path& directory) const;

 private:
  std::string definition_;
  caffe_format::NetParameter weights_;
  std::uint32_t state_ = 1;
};

}  // namespace imgrec::models::testing
