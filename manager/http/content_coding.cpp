#include "manager/http/content_coding.h"

#include <algorithm>
#include <optional>

#include <zlib.h>

#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

// "gzip;q=0.5" -> {"gzip", true}; "gzip;q=0.000" -> {"gzip", false}
struct Preference {
  std::string_view coding;
  bool wanted = true;
};

std::optional<Preference> read_preference(std::string_view item) {
  const auto semicolon = std::min(item.find(';'), item.size());
  Preference preference{trim(item.substr(0, semicolon))};
  if (semicolon == item.size()) return preference;
  std::string_view weight = trim(item.substr(semicolon + 1));
  if (weight.size() < 3 || !equals_ignoring_case(weight.substr(0, 2), "q=")) return std::nullopt;
  weight.remove_prefix(2);
  if (weight.find_first_not_of("0123456789.") != std::string_view::npos) return std::nullopt;
  preference.wanted = weight.find_first_of("123456789") != std::string_view::npos;
  return preference;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  std::optional<bool> by_name;
  std::optional<bool> by_star;
  while (!accept_encoding.empty()) {
    const auto comma = std::min(accept_encoding.find(','), accept_encoding.size());
    if (const auto preference = read_preference(accept_encoding.substr(0, comma))) {
      if (equals_ignoring_case(preference->coding, "gzip") ||
          equals_ignoring_case(preference->coding, "x-gzip")) {
        by_name = preference->wanted;
      } else if (preference->coding == "*") {
        by_star = preference->wanted;
      }
    }
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
  }
  return by_name.value_or(by_star.value_or(false));
}

std::string gzip(std::string_view bytes) {
  constexpr int kGzipFormat = 16;  // added to the window's bits: zlib.h, deflateInit2
  constexpr int kMemoryLevel = 9;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzipFormat, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string packed(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  // zlib's input is not const by history; it is only read.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool complete = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(complete ? stream.total_out : 0);
  deflateEnd(&stream);
  return packed;
}

}  // namespace imgrec::manager
