#include "manager/app/uploads.h"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "manager/app/digest.h"
#include "manager/http/http_text.h"
#include "manager/http/multipart.h"
#include "media/image_header.h"

namespace imgrec::manager {
namespace {

constexpr std::string_view kFileField = "file";

std::string mebibytes(std::size_t bytes) {
  const std::size_t tenths = bytes * 10 / (1ull << 20);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

std::string_view extension(media::ImageFormat format) {
  switch (format) {
    case media::ImageFormat::kJpeg:
      return ".jpg";
    case media::ImageFormat::kPng:
      return ".png";
    case media::ImageFormat::kWebp:
      return ".webp";
    case media::ImageFormat::kBmp:
      return ".bmp";
    case media::ImageFormat::kTiff:
      return ".tiff";
  }
  return "";
}

Refusal refusal_of(const Status& header) {
  switch (header.code()) {
    case StatusCode::kInvalidArgument:
      return {400, "empty_file", header.message()};
    case StatusCode::kDataLoss:
      return {422, "damaged_image", header.message()};
    default:
      return {415, "not_an_image", header.message()};
  }
}

// Checks one file and adds it to the right list.
void take(Upload& upload, std::string name, std::shared_ptr<const std::string> bytes,
          const HttpRequest& request, const SessionId& session, const UploadLimits& limits) {
  std::optional<Refusal> refusal;
  const auto header = media::read_image_header(*bytes);
  if (bytes->size() > limits.max_image_bytes) {
    refusal = Refusal{413, "image_too_large",
                      "the file has " + mebibytes(bytes->size()) + "; at most " +
                          mebibytes(limits.max_image_bytes) + " are taken: send a smaller copy"};
  } else if (!header.ok()) {
    refusal = refusal_of(header.status());
  } else if (header->pixels() > limits.max_pixels) {
    refusal = Refusal{422, "too_many_pixels",
                      "the picture says it is " + media::describe_size(*header) + "; at most " +
                          std::to_string(limits.max_pixels / 1'000'000) +
                          " megapixels are taken: send a smaller copy"};
  }
  if (refusal) {
    upload.rejected.push_back({std::move(name), std::move(*refusal)});
    return;
  }
  if (name.empty()) name = "photo" + std::string(extension(header->format));
  upload.images.push_back({.session = session,
                           .name = std::move(name),
                           .media_type = std::string(media::media_type(header->format)),
                           .width = header->width,
                           .height = header->height,
                           .bytes = std::move(bytes),
                           .received = request.received});
}

std::variant<Upload, Refusal> read_multipart(const HttpRequest& request, const SessionId& session,
                                             const UploadLimits& limits) {
  const auto parts = parse_multipart(request.header("content-type"), request.body);
  if (!parts.ok()) return Refusal{400, "malformed_multipart", parts.status().message()};
  Upload upload;
  std::string other_fields;
  for (const MultipartPart& part : *parts) {
    if (part.name != kFileField) {
      if (other_fields.size() < 200) other_fields += " '" + part.name + "'";
      continue;
    }
    if (upload.images.size() + upload.rejected.size() >= limits.max_files) {
      return Refusal{413, "too_many_files",
                     "one request takes at most " + std::to_string(limits.max_files) +
                         " files: send the rest in another one"};
    }
    take(upload, part.file_name, std::make_shared<const std::string>(part.data), request, session,
         limits);
  }
  if (upload.images.empty() && upload.rejected.empty()) {
    return Refusal{400, "no_file_part",
                   "the form has no part named 'file'; it has" +
                       (other_fields.empty() ? std::string(" none at all") : other_fields) +
                       ": send each photo as -F file=@photo.jpg"};
  }
  return upload;
}

}  // namespace

std::variant<Upload, Refusal> read_upload(HttpRequest& request, const SessionId& session,
                                          const UploadLimits& limits) {
  if (is_multipart_form(request.header("content-type"))) {
    return read_multipart(request, session, limits);
  }
  const std::string_view named = request.header("x-filename");
  const auto decoded = percent_decode(named, PlusSign::kLiteral);
  return read_file(clean_file_name(decoded ? *decoded : named), std::move(request.body), request,
                   session, limits);
}

Upload read_file(std::string name, std::string bytes, const HttpRequest& request,
                 const SessionId& session, const UploadLimits& limits) {
  Upload upload;
  take(upload, std::move(name), std::make_shared<const std::string>(std::move(bytes)), request,
       session, limits);
  return upload;
}

std::string fingerprint(const Upload& upload) {
  std::vector<std::string_view> parts;
  for (const NewImage& image : upload.images) {
    parts.push_back(image.name);
    parts.push_back(*image.bytes);
  }
  return xxh3_hex(parts);
}

}  // namespace imgrec::manager
