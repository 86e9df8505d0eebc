#include "manager/store/image_files.h"

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHex = "0123456789abcdef";

// Each file costs two flushes of the disk on its own (itself, its directory), syncfs one in all.
constexpr std::size_t kSyncTogetherFrom = 4;

Status make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return file_error("make directory", path, errno);
  }
  return Status();
}

Status write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return Status();
}

}  // namespace

Status sync_directory(const fs::path& path) {
  const UniqueFd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir) return file_error("open", path, errno);
  if (::fsync(dir.get()) != 0) return file_error("sync", path, errno);
  return Status();
}

Status file_error(std::string_view doing, const fs::path& path, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
  std::string text("cannot ");
  text.append(doing).append(" ").append(path.string()).append(": ");
  text.append(std::generic_category().message(error_number));
  if (full) {
    text += "; free space on its disk, or delete images";
  } else if (error_number == EROFS || error_number == EACCES || error_number == EPERM) {
    text += "; make the data directory writable for this program";
  } else if (error_number == EMFILE || error_number == ENFILE) {
    text += "; raise the limit of open files";
  }
  return Status(full ? StatusCode::kResourceExhausted : StatusCode::kUnavailable, std::move(text));
}

bool is_image_id(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of(kHex) == std::string_view::npos;
}

Result<ImageFiles> ImageFiles::open(const fs::path& data_dir) {
  const fs::path root = data_dir / "images";
  if (Status status = make_directory(root); !status.ok()) return status;
  if (Status status = sync_directory(data_dir); !status.ok()) return status;
  UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return file_error("open", root, errno);
  // A process that was killed may have left directories in it that were never synced.
  if (::fsync(fd.get()) != 0) return file_error("sync", root, errno);
  return ImageFiles(root, std::move(fd));
}

fs::path ImageFiles::path(const ImageId& id) const {
  return root_ / id.text.substr(0, 2) / id.text;
}

Status ImageFiles::write(const ImageId& id, std::string_view bytes) {
  const fs::path target = path(id);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  UniqueFd file(::open(target.c_str(), kFlags, 0600));
  if (!file && errno == ENOENT) {  // the first image in this directory
    Status made = make_directory(target.parent_path());
    if (!made.ok()) return made;
    unsynced_.insert(root_);
    file = UniqueFd(::open(target.c_str(), kFlags, 0600));
  }
  if (!file) return file_error("create", target, errno);
  if (Status status = write_all(file.get(), bytes, target); !status.ok()) {
    ::unlink(target.c_str());
    return status;
  }
  // Starts the disk now, so that a batch of files is written side by side and not one by one.
  // Only a hint: sync() is what makes it durable.
  (void)::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  unsynced_.insert(target.parent_path());
  if (++written_ < kSyncTogetherFrom) {
    few_.push_back(std::move(file));
  } else {
    few_.clear();
  }
  return Status();
}

Status ImageFiles::sync_written() {
  if (written_ == 0) return Status();
  Status status;
  if (written_ < kSyncTogetherFrom) {
    status = sync_one_by_one();
  } else if (::syncfs(root_fd_.get()) != 0) {
    status = file_error("sync the disk of", root_, errno);
  }
  written_ = 0;
  few_.clear();
  if (status.ok()) unsynced_.clear();
  return status;
}

Status ImageFiles::sync_one_by_one() {
  for (const UniqueFd& file : few_) {
    if (::fsync(file.get()) != 0) return file_error("sync a file in", root_, errno);
  }
  for (const fs::path& directory : unsynced_) {
    if (Status status = sync_directory(directory); !status.ok()) return status;
  }
  return Status();
}

void ImageFiles::leave_unsynced() {
  written_ = 0;
  few_.clear();
  unsynced_.clear();
}

Result<proto::SharedBytes> ImageFiles::read(const ImageId& id, std::uint64_t size) const {
  const fs::path source = path(id);
  const UniqueFd file(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) {
    return Status(StatusCode::kDataLoss, "the image file " + source.string() + " is gone");
  }
  if (!file) return file_error("open", source, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return file_error("read", source, errno);
  if (static_cast<std::uint64_t>(info.st_size) != size) {
    return Status(StatusCode::kDataLoss, "the image file " + source.string() + " has " +
                                             std::to_string(info.st_size) + " bytes, not " +
                                             std::to_string(size));
  }
  auto bytes = std::make_shared<std::string>(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t n = ::read(file.get(), bytes->data() + got, size - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error("read", source, errno);
    if (n == 0) return Status(StatusCode::kDataLoss, source.string() + " ends early");
    got += static_cast<std::size_t>(n);
  }
  return proto::SharedBytes(std::move(bytes));
}

std::optional<std::uint64_t> ImageFiles::size(const ImageId& id) const {
  struct stat info {};
  if (::stat(path(id).c_str(), &info) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(info.st_size);
}

void ImageFiles::remove(const ImageId& id) const {
  const fs::path file = path(id);
  if (::unlink(file.c_str()) == 0 || errno == ENOENT) return;
  spdlog::error("image_file_not_removed error=\"{}\" action=\"the next start removes it\"",
                file_error("remove", file, errno).message());
}

Result<bool> ImageFiles::any() const {
  bool found = false;
  const Status status = for_each([&found](const ImageId&) -> Result<bool> {
    found = true;
    return false;
  });
  if (!status.ok()) return status;
  return found;
}

Result<std::size_t> ImageFiles::sweep(
    const std::function<Result<bool>(const ImageId&)>& known) const {
  std::size_t removed = 0;
  const Status status = for_each([&](const ImageId& id) -> Result<bool> {
    const auto is_known = known(id);
    if (!is_known.ok()) return is_known.status();
    if (!*is_known) {
      remove(id);
      ++removed;
    }
    return true;
  });
  if (!status.ok()) return status;
  return removed;
}

Status ImageFiles::for_each(const std::function<Result<bool>(const ImageId&)>& visit) const {
  std::error_code error;
  for (const char high : kHex) {
    for (const char low : kHex) {
      const std::string prefix{high, low};
      fs::directory_iterator each(root_ / prefix, error);
      for (; !error && each != fs::directory_iterator(); each.increment(error)) {
        const ImageId id{each->path().filename().string()};
        if (!is_image_id(id.text) || !id.text.starts_with(prefix)) continue;
        const auto go_on = visit(id);
        if (!go_on.ok()) return go_on.status();
        if (!*go_on) return Status();
      }
      if (error == std::errc::no_such_file_or_directory) error.clear();
      if (error) return file_error("list", root_ / prefix, error.value());
    }
  }
  return Status();
}

}  // namespace imgrec::manager
