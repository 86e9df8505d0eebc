#include "training/data/photo_folders.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "proto/text.h"
#include "training/data/picture_files.h"
#include "worker/inference/image_decoder.h"
#include "worker/inference/preprocess.h"

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;

struct File {
  fs::path path;
  std::uint32_t label;
};

// "cats/notes.txt: why".
std::string told(const fs::path& directory, const fs::path& path, const std::string& why) {
  return path.lexically_relative(directory).string() + ": " + why;
}

std::vector<std::string> folders_in(const fs::path& directory, std::vector<std::string>& left_out) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (hidden(entry.path())) continue;
    std::error_code error;
    const fs::file_type type = fs::status(entry.path(), error).type();
    if (type == fs::file_type::directory) {
      names.push_back(entry.path().filename().string());
    } else if (type != fs::file_type::regular) {
      left_out.push_back(told(directory, entry.path(), "a link that leads to no folder"));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// A model's labels are lines of text, and what a manager shows.
Status check_names(const fs::path& directory, const std::vector<std::string>& classes) {
  constexpr std::size_t kMost = 65'535;  // labels
  if (classes.size() < 2) {
    return {StatusCode::kInvalidArgument,
            directory.string() + " has fewer than two folders: make one for each class"};
  }
  if (classes.size() > kMost) {
    return {StatusCode::kInvalidArgument, directory.string() + " has " +
                                              std::to_string(classes.size()) +
                                              " folders; a model has 65535 classes at most"};
  }
  for (const std::string& name : classes) {
    const std::string clean = proto::clean_text(name, 3 * name.size());
    if (clean == name) continue;
    return {StatusCode::kInvalidArgument,
            "the folder \"" + clean + "\" in " + directory.string() +
                " cannot be a class: its name has a line end or another control character, or is "
                "no UTF-8; give it another one"};
  }
  return {};
}

Result<std::vector<File>> files_of(const fs::path& directory,
                                   const std::vector<std::string>& classes,
                                   std::vector<std::string>& left_out) {
  std::vector<File> files;
  for (std::uint32_t label = 0; label < classes.size(); ++label) {
    const fs::path folder = directory / classes[label];
    std::error_code error;
    if (!fs::is_directory(folder, error)) {
      return Status(StatusCode::kNotFound, "there is no folder " + folder.string());
    }
    FoundFiles found = files_below(folder);
    for (fs::path& path : found.files) files.push_back({std::move(path), label});
    for (const LeftOut& each : found.left_out) {
      left_out.push_back(told(directory, each.path, each.why));
    }
  }
  return files;
}

worker::ModelSpec squash_to(unsigned size) {
  worker::ModelSpec spec;
  spec.input_width = spec.input_height = spec.resize_width = spec.resize_height = size;
  spec.filter = worker::ResizeFilter::kArea;
  spec.channels = worker::ChannelOrder::kRgb;
  return spec;
}

// Adds the picture's pixels; empty, or why there are none.
std::string append(const fs::path& file, const worker::ImageDecoder& decoder,
                   const worker::ModelSpec& spec, Photos& photos) {
  const auto bytes = read_whole_file(file);
  if (!bytes.ok()) return bytes.status().message();
  const auto decoded = decoder.decode(*bytes, worker::shrinking_for(spec));
  const auto* picture = std::get_if<worker::Picture>(&decoded);
  if (picture == nullptr) return std::get<worker::EngineFailure>(decoded).text;
  // Channel by channel, to pixel by pixel.
  const std::vector<float> planes = worker::preprocess(*picture, spec);
  const std::size_t plane = planes.size() / 3;
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      photos.pixels.push_back(static_cast<std::uint8_t>(planes[c * plane + i]));
    }
  }
  return {};
}

// The first class without a picture, and why what is in its folder is none.
Status check_classes(const fs::path& directory, const FolderPhotos& read) {
  const std::vector<std::string>& classes = read.photos.classes;
  std::vector<std::size_t> counts(classes.size());
  for (const auto label : read.photos.labels) ++counts[label];
  const auto none = std::find(counts.begin(), counts.end(), 0u);
  if (none == counts.end()) return {};
  const std::string& name = classes[static_cast<std::size_t>(none - counts.begin())];
  std::string why;
  constexpr int kShown = 3;
  int shown = 0;
  for (const std::string& each : read.left_out) {
    if (!each.starts_with(name + "/") && !each.starts_with(name + ": ")) continue;
    why += (shown == 0 ? ": " : "; ") + (shown < kShown ? each : "and others");
    if (++shown > kShown) break;
  }
  return {StatusCode::kInvalidArgument,
          "the folder " + (directory / name).string() + " has no picture in it" + why};
}

Result<FolderPhotos> read(const fs::path& directory, const FolderOptions& options,
                          const std::function<void(std::size_t, std::size_t)>& tell) {
  if (!fs::is_directory(directory)) {
    return Status(StatusCode::kNotFound, "there is no directory " + directory.string());
  }
  FolderPhotos read;
  Photos& photos = read.photos;
  photos.size = options.size;
  photos.classes = options.classes.empty() ? folders_in(directory, read.left_out) : options.classes;
  if (Status status = check_names(directory, photos.classes); !status.ok()) return status;
  const auto files = files_of(directory, photos.classes, read.left_out);
  if (!files.ok()) return files.status();
  if (files->size() * photos.bytes_each() > options.max_bytes) {
    return Status(StatusCode::kResourceExhausted,
                  std::to_string(files->size()) + " pictures of " + std::to_string(options.size) +
                      " x " + std::to_string(options.size) + " pixels take more memory than " +
                      std::to_string(options.max_bytes >> 20) +
                      " MiB; choose a smaller --size or a larger --memory");
  }
  photos.pixels.reserve(files->size() * photos.bytes_each());
  const worker::ImageDecoder decoder(options.max_pixels);
  const worker::ModelSpec spec = squash_to(options.size);
  for (std::size_t i = 0; i < files->size(); ++i) {
    const File& file = (*files)[i];
    if (std::string why = append(file.path, decoder, spec, photos); why.empty()) {
      photos.labels.push_back(file.label);
    } else {
      read.left_out.push_back(told(directory, file.path, why));
    }
    tell(i + 1, files->size());
  }
  if (Status status = check_classes(directory, read); !status.ok()) return status;
  return read;
}

}  // namespace

Result<FolderPhotos> read_photo_folders(
    const fs::path& directory, const FolderOptions& options,
    const std::function<void(std::size_t, std::size_t)>& tell) {
  try {
    return read(directory, options, tell);
  } catch (const std::exception& error) {  // of the file system or of OpenCV
    return Status(StatusCode::kInternal, "cannot read " + directory.string() + ": " + error.what());
  }
}

}  // namespace imgrec::training
