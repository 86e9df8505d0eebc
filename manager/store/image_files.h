// The uploaded bytes as files: DIR/images/ab/<id>, where ab are the id's first two digits.
//
// Thread rule: confined to one thread.
// Owns: a descriptor of the directory; its lock is held by the storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/unique_fd.h"
#include "proto/ids.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::manager {

// kResourceExhausted where the disk is full, else kUnavailable: "cannot write PATH: REASON;
// ADVICE".
Status file_error(std::string_view doing, const std::filesystem::path& path, int error_number);

class ImageFiles {
 public:
  // Makes the directory, durably. Those below are made when they are needed.
  static Result<ImageFiles> open(const std::filesystem::path& data_dir);

  // Writes a new file. On failure no file is left. What is written is durable when
  // sync_together() gives true, or after sync() of each file and then sync_directories().
  Status write(const ImageId& id, std::string_view bytes);

  // Syncs the whole file system, once for all files written since the last sync: where they are
  // many this is ten times as fast as one by one. False: too few for that, or it failed.
  bool sync_together();
  Status sync(const ImageId& id) const;
  Status sync_directories();

  // kDataLoss: the file is gone, or not `size` bytes long.
  Result<proto::SharedBytes> read(const ImageId& id, std::uint64_t size) const;
  std::optional<std::uint64_t> size(const ImageId& id) const;  // nullopt: there is no such file
  void remove(const ImageId& id) const;

  // Removes the files whose image is not known: left by an upload that was never accepted, or by a
  // deletion that was cut off. Touches nothing that is not named like an image. Returns how many.
  Result<std::size_t> sweep(const std::function<Result<bool>(const ImageId&)>& known) const;

  std::filesystem::path path(const ImageId& id) const;

 private:
  ImageFiles(std::filesystem::path root, UniqueFd root_fd)
      : root_(std::move(root)), root_fd_(std::move(root_fd)) {}

  std::filesystem::path root_;
  UniqueFd root_fd_;  // stays open: syncfs reports the write errors since it was opened
  std::size_t unsynced_files_ = 0;
  std::set<std::filesystem::path> unsynced_;  // directories with new entries
};

// True: 32 lower-case hex digits. Nothing else may become part of a path.
bool is_image_id(std::string_view text);

}  // namespace imgrec::manager
