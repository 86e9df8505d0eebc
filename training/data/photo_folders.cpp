#include "training/data/photo_folders.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "worker/inference/image_decoder.h"
#include "worker/inference/preprocess.h"

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;

struct File {
  fs::path path;
  std::uint32_t label;
};

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<std::string> folders_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_directory() && !hidden(entry.path())) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<File>> files_of(const fs::path& directory,
                                   const std::vector<std::string>& classes) {
  std::vector<File> files;
  for (std::uint32_t label = 0; label < classes.size(); ++label) {
    const fs::path folder = directory / classes[label];
    if (!fs::is_directory(folder)) {
      return Status(StatusCode::kNotFound, "there is no folder " + folder.string());
    }
    const std::size_t before = files.size();
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file() && !hidden(entry.path())) files.push_back({entry.path(), label});
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end(),
              [](const File& a, const File& b) { return a.path < b.path; });
  }
  return files;
}

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

worker::ModelSpec squash_to(unsigned size) {
  worker::ModelSpec spec;
  spec.input_width = spec.input_height = spec.resize_width = spec.resize_height = size;
  spec.filter = worker::ResizeFilter::kArea;
  spec.channels = worker::ChannelOrder::kRgb;
  return spec;
}

// Channel by channel, as preprocess() gives them, to pixel by pixel.
void append(const std::vector<float>& planes, Photos& photos) {
  const std::size_t plane = planes.size() / 3;
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      photos.pixels.push_back(static_cast<std::uint8_t>(planes[c * plane + i]));
    }
  }
}

Status check_classes(const Photos& photos) {
  std::vector<std::size_t> counts(photos.classes.size());
  for (const auto label : photos.labels) ++counts[label];
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) {
      return {StatusCode::kInvalidArgument,
              "the folder \"" + photos.classes[c] + "\" has no picture in it"};
    }
  }
  return {};
}

Result<FolderPhotos> read(const fs::path& directory, const FolderOptions& options,
                          const std::function<void(std::size_t, std::size_t)>& tell) {
  if (!fs::is_directory(directory)) {
    return Status(StatusCode::kNotFound, "there is no directory " + directory.string());
  }
  FolderPhotos read;
  Photos& photos = read.photos;
  photos.size = options.size;
  photos.classes = options.classes.empty() ? folders_in(directory) : options.classes;
  if (photos.classes.size() < 2) {
    return Status(StatusCode::kInvalidArgument,
                  directory.string() + " has fewer than two folders: make one for each class");
  }
  const auto files = files_of(directory, photos.classes);
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
    const auto decoded = decoder.decode(read_file(file.path), worker::shrinking_for(spec));
    if (const auto* picture = std::get_if<worker::Picture>(&decoded)) {
      append(worker::preprocess(*picture, spec), photos);
      photos.labels.push_back(file.label);
    } else {
      read.left_out.push_back(fs::relative(file.path, directory).string() + ": " +
                              std::get<worker::EngineFailure>(decoded).text);
    }
    tell(i + 1, files->size());
  }
  if (Status status = check_classes(photos); !status.ok()) return status;
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
