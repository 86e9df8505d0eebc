#include "worker/inference/image_decoder.h"

#include <limits>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "worker/inference/jpeg_reader.h"

namespace imgrec::worker {
namespace {

EngineFailure failure(proto::FailCode code, std::string text) {
  return {code, /*retriable=*/false, std::move(text)};
}

EngineFailure out_of_memory(const media::ImageHeader& header) {
  return {proto::FailCode::kInternal, /*retriable=*/true,
          "this worker has no memory for a picture of " + std::to_string(header.width) + "x" +
              std::to_string(header.height) + " pixels"};
}

void set_up_opencv_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    cv::setNumThreads(1);  // one image per thread; its own threads would only compete
    // Every damaged upload would otherwise write its own lines to stderr.
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  });
}

// Same picture, perhaps on its side: EXIF orientations 5 to 8 exchange width and height.
bool same_size(const cv::Mat& pixels, const media::ImageHeader& header) {
  const auto width = static_cast<std::uint32_t>(pixels.cols);
  const auto height = static_cast<std::uint32_t>(pixels.rows);
  return (width == header.width && height == header.height) ||
         (width == header.height && height == header.width);
}

EngineFailure of_another_size() {
  return failure(proto::FailCode::kDamaged, "the picture is not of the size that its header says");
}

bool at_least(cv::Size size, cv::Size other) {
  return size.width >= other.width && size.height >= other.height;
}

// How much smaller libjpeg shall make a picture of this size.
unsigned shrink_factor(cv::Size size, const Shrinking& shrinking) {
  if (shrinking.least.empty() || !at_least(size, shrinking.from)) return 1;
  unsigned factor = 8;
  while (factor > 1 && !at_least(size / static_cast<int>(factor), shrinking.least)) factor /= 2;
  return factor;
}

EngineResult<Picture> decode_jpeg(std::string_view bytes, const media::ImageHeader& header,
                                  Shrinking shrinking) {
  Picture picture;
  picture.orientation = media::jpeg_orientation(bytes);
  if (media::swaps_sides(picture.orientation)) {
    std::swap(shrinking.least.width, shrinking.least.height);
    std::swap(shrinking.from.width, shrinking.from.height);
  }
  JpegReader reader(bytes);
  const auto failed = [&] {
    if (reader.out_of_memory()) return out_of_memory(header);
    return failure(proto::FailCode::kDamaged,
                   "the JPEG picture cannot be decoded: " + reader.error() +
                       "; save the picture again and send the copy");
  };
  if (!reader.read_header()) return failed();
  if (reader.width() != header.width || reader.height() != header.height) return of_another_size();
  const cv::Size size(static_cast<int>(header.width), static_cast<int>(header.height));
  if (!reader.start(shrink_factor(size, shrinking))) return failed();
  picture.whole = size;
  picture.pixels.create(static_cast<int>(reader.height()), static_cast<int>(reader.width()),
                        CV_8UC3);
  if (!reader.read_rows(picture.pixels.data, picture.pixels.step[0])) return failed();
  return picture;
}

EngineResult<Picture> decode_by_opencv(std::string_view bytes, const media::ImageHeader& header) {
  using proto::FailCode;
  // imdecode takes no const data, and does not write to it.
  const cv::Mat input(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
  Picture picture{cv::imdecode(input, cv::IMREAD_COLOR)};  // turns PNG and TIFF upright
  if (header.format == media::ImageFormat::kWebp) {
    picture.orientation = media::webp_orientation(bytes);
  }
  const cv::Mat& pixels = picture.pixels;
  if (pixels.empty()) {
    return failure(FailCode::kDamaged,
                   "the file starts like " + std::string(media::media_type(header.format)) +
                       ", but its picture cannot be decoded; it may be damaged, or of a rare kind: "
                       "save it as JPEG or PNG and send that");
  }
  if (pixels.type() != CV_8UC3 || !same_size(pixels, header)) return of_another_size();
  return picture;
}

}  // namespace

ImageDecoder::ImageDecoder(std::uint64_t max_pixels) : max_pixels_(max_pixels) {
  set_up_opencv_once();
}

EngineResult<Picture> ImageDecoder::decode(std::string_view bytes, Shrinking shrinking) const {
  using proto::FailCode;
  const Result<media::ImageHeader> header = media::read_image_header(bytes);
  if (!header) {
    const bool damaged = header.status().code() == StatusCode::kDataLoss;
    return failure(damaged ? FailCode::kDamaged : FailCode::kNotAnImage, header.status().message());
  }
  if (header->pixels() > max_pixels_) {
    return failure(FailCode::kTooManyPixels, "the picture has " + media::describe_size(*header) +
                                                 ", more than the limit of " +
                                                 std::to_string(max_pixels_) +
                                                 "; send a smaller one");
  }
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return failure(FailCode::kNotAnImage, "the file has 2 GB or more; send a smaller one");
  }
  if (!media::is_complete(header->format, bytes)) {
    return failure(FailCode::kDamaged,
                   "the file ends before its picture does: it was cut short, on its way here or "
                   "before; send the whole file");
  }
  try {
    if (header->format == media::ImageFormat::kJpeg) {
      return decode_jpeg(bytes, *header, shrinking);
    }
    return decode_by_opencv(bytes, *header);
  } catch (const cv::Exception& error) {
    if (error.code == cv::Error::StsNoMem) return out_of_memory(*header);
    return failure(FailCode::kDamaged, "the picture cannot be decoded: " + error.err);
  } catch (const std::bad_alloc&) {
    return out_of_memory(*header);
  }
}

}  // namespace imgrec::worker
