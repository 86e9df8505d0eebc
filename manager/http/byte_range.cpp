#include "manager/http/byte_range.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <utility>

#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

struct Range {  // of bytes, both ends included
  std::size_t first = 0;
  std::size_t last = 0;
};

enum class Verdict { kWhole, kPart, kNone };

// Digits only; a number beyond all content counts as the largest. nullopt: no number.
std::optional<std::size_t> read_position(std::string_view text) {
  if (text.empty() ||
      !std::all_of(text.begin(), text.end(), [](char c) { return '0' <= c && c <= '9'; })) {
    return std::nullopt;
  }
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? value : static_cast<std::size_t>(-1);
}

// Of "bytes=0-499", "bytes=500-" or "bytes=-500".
std::pair<Verdict, Range> read_range(std::string_view text, std::size_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (text.size() < kUnit.size() || !equals_ignoring_case(text.substr(0, kUnit.size()), kUnit)) {
    return {Verdict::kWhole, {}};
  }
  text = trim(text.substr(kUnit.size()));
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || text.find(',') != std::string_view::npos) {
    return {Verdict::kWhole, {}};
  }
  const auto first = read_position(trim(text.substr(0, dash)));
  const auto last = read_position(trim(text.substr(dash + 1)));
  if (dash == 0) {  // so many from the end
    if (!last) return {Verdict::kWhole, {}};
    if (*last == 0 || size == 0) return {Verdict::kNone, {}};
    return {Verdict::kPart, {size - std::min(*last, size), size - 1}};
  }
  const bool open_end = dash + 1 == text.size();
  if (!first || (!last && !open_end) || (last && *last < *first)) return {Verdict::kWhole, {}};
  if (*first >= size) return {Verdict::kNone, {}};
  return {Verdict::kPart, {*first, last ? std::min(*last, size - 1) : size - 1}};
}

}  // namespace

bool etag_matches(std::string_view if_none_match, std::string_view etag) {
  for (std::string_view rest = if_none_match; !rest.empty();) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    std::string_view tag = trim(rest.substr(0, end));
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag || tag == "*") return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

void answer_conditions(const HttpRequest& request, const std::string& etag,
                       HttpResponse& response) {
  response.headers.emplace_back("ETag", etag);
  response.headers.emplace_back("Accept-Ranges", "bytes");
  if (etag_matches(request.header("if-none-match"), etag)) {
    response.status = 304;
    response.content_type.clear();
    response.body = nullptr;
    return;
  }
  const std::string_view range = request.header("range");
  const std::string_view if_range = request.header("if-range");
  // If-Range with a date: what never changes has no date, so the client's copy is another's.
  if (request.method != "GET" || range.empty() || (!if_range.empty() && if_range != etag)) return;
  const std::size_t size = response.body ? response.body->size() : 0;
  const auto [verdict, part] = read_range(range, size);
  if (verdict == Verdict::kWhole) return;
  if (verdict == Verdict::kNone) {
    response.status = 416;
    response.content_type.clear();
    response.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    response.body = nullptr;
    return;
  }
  response.status = 206;
  response.headers.emplace_back("Content-Range", "bytes " + std::to_string(part.first) + "-" +
                                                     std::to_string(part.last) + "/" +
                                                     std::to_string(size));
  response.body = std::make_shared<const std::string>(
      response.body->substr(part.first, part.last - part.first + 1));
}

}  // namespace imgrec::manager
