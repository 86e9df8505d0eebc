#include "client/net/upload_body.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace imgrec::client {
namespace {

Status unreadable(const std::string& why) {
  return {StatusCode::kInvalidArgument, "it cannot be read: " + why};
}

class FileBody final : public UploadBody {
 public:
  explicit FileBody(int descriptor) : descriptor_(descriptor) {}
  ~FileBody() override { ::close(descriptor_); }
  FileBody(const FileBody&) = delete;
  FileBody& operator=(const FileBody&) = delete;

  Status look() {
    struct stat about {};
    if (::fstat(descriptor_, &about) != 0) return unreadable(std::strerror(errno));
    if (S_ISDIR(about.st_mode)) return unreadable("it is a directory");
    if (!S_ISREG(about.st_mode)) {
      return unreadable("it is no regular file; what comes out of a pipe is read with -");
    }
    if (about.st_size == 0) return {StatusCode::kFailedPrecondition, "it is empty"};
    size_ = static_cast<std::uint64_t>(about.st_size);
    return {};
  }

  std::uint64_t size() const override { return size_; }

  Result<std::size_t> read(std::uint64_t offset, char* to, std::size_t capacity) override {
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(capacity, size_ - offset));
    while (true) {
      const ssize_t got = ::pread(descriptor_, to, wanted, static_cast<off_t>(offset));
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return unreadable(std::strerror(errno));
    }
  }

 private:
  int descriptor_;
  std::uint64_t size_ = 0;
};

class TextBody final : public UploadBody {
 public:
  explicit TextBody(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::size_t> read(std::uint64_t offset, char* to, std::size_t capacity) override {
    return bytes_.copy(to, capacity, static_cast<std::size_t>(offset));
  }

 private:
  std::string bytes_;
};

}  // namespace

Result<std::shared_ptr<UploadBody>> open_file_body(const std::string& path) {
  // Not blocking: to open a pipe that nobody writes would wait for ever.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return unreadable(std::strerror(errno));
  auto body = std::make_shared<FileBody>(descriptor);
  if (Status status = body->look(); !status.ok()) return status;
  return std::shared_ptr<UploadBody>(std::move(body));
}

std::shared_ptr<UploadBody> text_body(std::string bytes) {
  return std::make_shared<TextBody>(std::move(bytes));
}

}  // namespace imgrec::client
