#include "manager/store/wal_check.h"

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <string_view>
#include <system_error>

#include "manager/store/image_files.h"

namespace imgrec::manager {
namespace {

constexpr std::size_t kHeader = 32;
constexpr std::size_t kFrameHeader = 24;
constexpr std::uint32_t kMagic = 0x377f0682;  // its last bit: checksums read big-endian words

std::uint32_t big_endian(const char* at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

std::uint32_t little_endian(const char* at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

struct Checksum {
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  bool operator==(const Checksum&) const = default;

  // REQUIRES: data.size() is a multiple of 8.
  void add(std::string_view data, bool words_are_big_endian) {
    const auto word = words_are_big_endian ? big_endian : little_endian;
    for (std::size_t i = 0; i < data.size(); i += 8) {
      a += word(data.data() + i) + b;
      b += word(data.data() + i + 4) + a;
    }
  }
};

Checksum stored_checksum(const char* at) { return {big_endian(at), big_endian(at + 4)}; }

// Follows the frames of one log.
class Frames {
 public:
  explicit Frames(const std::string& header)
      : salts_(header.substr(16, 8)),
        big_endian_((big_endian(header.data()) & 1) != 0),
        sum_(stored_checksum(header.data() + 24)) {}

  void add(const std::string& frame) {
    const std::string_view text(frame);
    if (text.substr(8, 8) != salts_) {  // of an earlier log in the same file
      good_ = false;
      return;
    }
    if (commit_behind_) more_behind_ = true;
    if (good_) {
      sum_.add(text.substr(0, 8), big_endian_);
      sum_.add(text.substr(kFrameHeader), big_endian_);
      good_ = sum_ == stored_checksum(frame.data() + 16);
    }
    if (!good_ && big_endian(frame.data() + 4) != 0) commit_behind_ = true;
  }
  bool damaged() const { return more_behind_; }

 private:
  std::string salts_;
  bool big_endian_;
  Checksum sum_;
  bool good_ = true;
  bool commit_behind_ = false;  // the first bad frame
  bool more_behind_ = false;    // a frame of a still later transaction
};

bool is_header(const std::string& header) {
  if ((big_endian(header.data()) & ~1u) != kMagic) return false;
  Checksum sum;
  sum.add(std::string_view(header).substr(0, 24), (big_endian(header.data()) & 1) != 0);
  return sum == stored_checksum(header.data() + 24);
}

}  // namespace

Result<std::optional<std::string>> find_wal_damage(const std::filesystem::path& wal) {
  std::error_code error;
  const auto size = std::filesystem::file_size(wal, error);
  if (error == std::errc::no_such_file_or_directory) return std::optional<std::string>();
  if (error) return file_error("read", wal, error.value());
  std::ifstream file(wal, std::ios::binary);
  std::string header(kHeader, '\0');
  if (!file.read(header.data(), kHeader)) {
    // Cut off as it was made, or unreadable; the latter SQLite will say.
    return std::optional<std::string>();
  }
  if (!is_header(header)) {
    if (size <= kHeader) return std::optional<std::string>();
    return std::optional<std::string>("the beginning of its log " + wal.string() + " is damaged");
  }
  const std::uint32_t page = big_endian(header.data() + 8);
  if (page < 512 || page > 65536 || (page & (page - 1)) != 0) {
    return std::optional<std::string>("its log " + wal.string() + " has pages of no valid size");
  }
  Frames frames(header);
  std::string frame(kFrameHeader + page, '\0');
  while (file.read(frame.data(), static_cast<std::streamsize>(frame.size()))) frames.add(frame);
  if (!frames.damaged()) return std::optional<std::string>();
  return std::optional<std::string>("transactions in the middle of its log " + wal.string() +
                                    " are damaged");
}

}  // namespace imgrec::manager
