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
#include <vector>

#include "common/unique_fd.h"
#include "proto/ids.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::manager {

// Makes the names in a directory durable.
Status sync_directory(const std::filesystem::path& path);

// kResourceExhausted where the disk is full, else kUnavailable: "cannot write PATH: REASON;
// ADVICE".
Status file_error(std::string_view doing, const std::filesystem::path& path, int error_number);

class ImageFiles {
 public:
  // Makes the directory, durably. Those below are made when they are needed.
  static Result<ImageFiles> open(const std::filesystem::path& data_dir);

  // Writes a new file. On failure no file is left. What is written is durable after
  // sync_written().
  Status write(const ImageId& id, std::string_view bytes);

  // Makes all that was written since the last call durable, with its directories. After a failure
  // every one of those files is in doubt, also if a later sync succeeds: the kernel says once that
  // it lost a page, and calls it clean from then on. The caller gives them up.
  Status sync_written();
  // Leaves it to others to sync what was written.
  void leave_unsynced();

  // kDataLoss: the file is gone, or not `size` bytes long.
  Result<proto::SharedBytes> read(const ImageId& id, std::uint64_t size) const;
  std::optional<std::uint64_t> size(const ImageId& id) const;  // nullopt: there is no such file
  void remove(const ImageId& id) const;
  Result<bool> any() const;  // is there any image's file?

  // Removes the files whose image is not known: left by an upload that was never accepted, or by a
  // deletion that was cut off. Touches nothing that is not named like an image. Returns how many.
  Result<std::size_t> sweep(const std::function<Result<bool>(const ImageId&)>& known) const;

  std::filesystem::path path(const ImageId& id) const;

 private:
  ImageFiles(std::filesystem::path root, UniqueFd root_fd)
      : root_(std::move(root)), root_fd_(std::move(root_fd)) {}
  Status sync_one_by_one();
  // Every image's file, until `visit` gives false. Passes over what is not named like an image.
  Status for_each(const std::function<Result<bool>(const ImageId&)>& visit) const;

  std::filesystem::path root_;
  UniqueFd root_fd_;         // stays open: syncfs reports the write errors since it was opened
  std::size_t written_ = 0;  // files since the last sync
  // Of those, while they are few: a file opened anew may have missed the error of its own pages.
  std::vector<UniqueFd> few_;
  // Directories with new entries. A failed sync leaves them here: an entry that an earlier upload
  // owes is owed by the next one in the same directory.
  std::set<std::filesystem::path> unsynced_;
};

// True: 32 lower-case hex digits. Nothing else may become part of a path.
bool is_image_id(std::string_view text);

}  // namespace imgrec::manager
