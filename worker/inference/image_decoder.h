// Bytes as uploaded to pixels, by OpenCV. Everything that could be hostile is checked before OpenCV
// sees it: the format by its first bytes (imdecode also reaches DICOM, OpenEXR and others), width
// and height from the header (140 KB of PNG can hold 144 megapixels).
//
// Thread rule: decode() from any thread, at the same time too.
// Owns: nothing between calls.
#pragma once

#include <cstdint>
#include <string_view>

#include <opencv2/core/mat.hpp>

#include "worker/core/engine.h"

namespace imgrec::worker {

class ImageDecoder {
 public:
  // Pictures of more pixels are refused. OpenCV has a cap of its own behind this one, which it
  // reads when it is loaded: see prepare_process_environment().
  explicit ImageDecoder(std::uint64_t max_pixels);

  // 8-bit BGR, turned upright as its EXIF orientation says; alpha is dropped. Failures: kNotAnImage
  // (with what it seems to be and what to send instead), kTooManyPixels, kDamaged (cut or
  // undecodable). None is retriable: another worker would say the same.
  EngineResult<cv::Mat> decode(std::string_view bytes) const;

 private:
  std::uint64_t max_pixels_;
};

}  // namespace imgrec::worker
