// Reads pictures from folders, one folder a class, named as the class is.
//
// Thread rule: one thread. Owns: nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "proto/status.h"
#include "training/core/photos.h"

namespace imgrec::training {

struct FolderOptions {
  unsigned size = 32;                        // every picture is squashed to size x size
  std::vector<std::string> classes = {};     // empty: every folder there is
  std::uint64_t max_bytes = 4ull << 30;      // of pixels in memory
  std::uint64_t max_pixels = 100'000'000;    // of one picture
};

struct FolderPhotos {
  Photos photos;
  std::vector<std::string> left_out;  // "cats/notes.txt: why"
};

// Pictures are read in the order of their names, and squashed as a worker squashes them. What is no
// picture is left out, and so are hidden folders, and links to folders within a class's.
// kNotFound: no such directory, or a class without a folder; kInvalidArgument: fewer than two classes,
// one without a picture, or one whose name can be no label; kResourceExhausted: over max_bytes, with what to
// do. `tell`: how many of how many files are read.
Result<FolderPhotos> read_photo_folders(const std::filesystem::path& directory,
                                        const FolderOptions& options,
                                        const std::function<void(std::size_t, std::size_t)>& tell);

}  // namespace imgrec::training
