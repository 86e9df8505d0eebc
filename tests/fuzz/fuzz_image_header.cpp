// Any bytes as a picture: its header, how it was held, and whether its end is there. Input: the
// file.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "media/image_header.h"
#include "media/orientation.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec;
using imgrec::fuzz::require;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of exactly this size on the heap: the address sanitizer sees a read past it.
  const std::vector<char> copy(data, data + size);
  const std::string_view bytes(copy.data(), copy.size());
  for (const auto held : {media::jpeg_orientation(bytes), media::webp_orientation(bytes)}) {
    const auto orientation = static_cast<unsigned>(held);
    require(orientation >= 1 && orientation <= 8);
  }
  const auto header = media::read_image_header(bytes);
  if (!header.ok()) {
    require(!header.status().message().empty());
    return 0;
  }
  require(header->width > 0 && header->height > 0);
  require(!media::media_type(header->format).empty());
  (void)media::is_complete(header->format, bytes);
  return 0;
}
