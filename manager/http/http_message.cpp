#include "manager/http/http_message.h"

#include <optional>

#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

// The next piece of `rest` before `separator`, which is removed too.
std::string_view take_until(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const auto piece = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return piece;
}

// The raw value of the first parameter of that name; "" for a name without '='.
std::optional<std::string_view> find_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    const auto key = percent_decode(take_until(value, '='), PlusSign::kSpace);
    if (key && *key == name) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string HttpRequest::query_value(std::string_view name) const {
  const auto raw = find_parameter(query, name);
  if (!raw) return {};
  return percent_decode(*raw, PlusSign::kSpace).value_or("");
}

bool HttpRequest::has_query(std::string_view name) const {
  return find_parameter(query, name).has_value();
}

std::string_view HttpRequest::cookie(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key != "cookie") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view pair = trim(take_until(rest, ';'));
      if (pair.find('=') == std::string_view::npos) continue;
      if (trim(take_until(pair, '=')) != name) continue;
      pair = trim(pair);
      if (pair.size() >= 2 && pair.front() == '"' && pair.back() == '"') {
        pair = pair.substr(1, pair.size() - 2);
      }
      return pair;
    }
  }
  return {};
}

}  // namespace imgrec::manager
