// Bytes as uploaded to pixels: JPEG by libjpeg-turbo, the rest by OpenCV. Everything that could be
// hostile is checked before either sees it: the format by its first bytes (imdecode also reaches
// DICOM, OpenEXR and others), width and height from the header (140 KB of PNG can hold 144
// megapixels).
//
// Thread rule: decode() from any thread, at the same time too.
// Owns: nothing between calls.
#pragma once

#include <cstdint>
#include <string_view>

#include <opencv2/core/mat.hpp>

#include "media/image_header.h"
#include "media/orientation.h"
#include "worker/core/engine.h"

namespace imgrec::worker {

struct Picture {
  cv::Mat pixels;  // 8-bit BGR (CV_8UC3), not empty
  // What is still to be done to them: on a small picture it costs less.
  media::Orientation orientation = media::Orientation::kUpright;
  cv::Size whole = {};  // as stored, before it came smaller; empty: it did not
};

// Sizes, upright: JPEG pictures of `from` and more may come smaller, but never below `least`.
struct Shrinking {
  cv::Size least;  // empty: none comes smaller
  cv::Size from;
};

class ImageDecoder {
 public:
  // Pictures of more pixels are refused. OpenCV has a cap of its own behind this one, which it
  // reads when it is loaded: see prepare_process_environment().
  explicit ImageDecoder(std::uint64_t max_pixels);

  // Alpha is dropped. What `shrinking` says may come at a half, a quarter or an eighth.
  // Failures: kNotAnImage (with what it seems to be and what to send
  // instead), kTooManyPixels, kDamaged (cut or undecodable). None is retriable, as another worker
  // would say the same, but for kInternal: this one has no memory.
  EngineResult<Picture> decode(std::string_view bytes, Shrinking shrinking = {}) const;

 private:
  std::uint64_t max_pixels_;
};

}  // namespace imgrec::worker
