// Walks a JPEG file from marker to marker (ITU T.81, annex B), over headers and scans alike: within
// a scan only stuffed zeros (FF 00) and restart markers follow an FF, and the walk skips both.
//
// Thread rule: plain value. Owns nothing: borrows the bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "media/byte_reader.h"

namespace imgrec::media {

inline constexpr std::uint32_t kJpegEoi = 0xd9;  // end of image
inline constexpr std::uint32_t kJpegSos = 0xda;  // start of scan

struct JpegSegment {
  std::uint32_t marker = 0;
  std::uint64_t content = 0;  // offset, behind the length
  std::uint32_t length = 0;   // of the content; EOI has none
  bool makes_sense = true;    // false: its length is impossible, the walk ends here
};

class JpegMarkers {
 public:
  explicit JpegMarkers(std::string_view bytes)
      : bytes_(bytes), reader_(bytes, Endian::kBig), at_(2) {}  // behind SOI

  // The next segment, which may reach beyond the end of the bytes; nullopt: no more.
  std::optional<JpegSegment> next() {
    while (!ended_ && at_ < bytes_.size()) {
      const auto prefix = bytes_.find('\xff', at_);
      if (prefix == std::string_view::npos) break;
      const auto marker = reader_.u8(prefix + 1);
      if (!marker) break;
      if (*marker == 0xff) {  // fill byte
        at_ = prefix + 1;
        continue;
      }
      at_ = prefix + 2;
      if (*marker == 0x00 || stands_alone(*marker)) continue;
      if (*marker == kJpegEoi) {
        ended_ = true;
        return JpegSegment{kJpegEoi, at_, 0, true};
      }
      const auto length = reader_.u16(at_);
      if (!length) break;
      if (*length < 2) {
        ended_ = true;
        return JpegSegment{*marker, at_ + 2, 0, false};
      }
      const JpegSegment segment{*marker, at_ + 2, *length - 2, true};
      at_ += *length;
      return segment;
    }
    ended_ = true;
    return std::nullopt;
  }

 private:
  // TEM, RST0 to RST7, SOI: no length, no content.
  static bool stands_alone(std::uint32_t marker) {
    return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
  }

  std::string_view bytes_;
  ByteReader reader_;
  std::uint64_t at_;
  bool ended_ = false;
};

}  // namespace imgrec::media
