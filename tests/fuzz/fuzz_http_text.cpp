// Text from a client: percent-decoding, queries, cookies, file names, JSON both ways, page cursors,
// and a response's head made of it. Input: one byte that chooses, then the text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "manager/app/socket_command.h"
#include "manager/http/http_message.h"
#include "manager/http/http_text.h"
#include "manager/http/multipart.h"
#include "manager/http/response_head.h"
#include "manager/store/page_cursor.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec;
using namespace imgrec::manager;
using imgrec::fuzz::require;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const auto end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

void check_percent(std::string_view text) {
  constexpr std::string_view kHex = "0123456789aBcDeF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  for (const PlusSign plus : {PlusSign::kLiteral, PlusSign::kSpace}) {
    require(percent_decode(encoded, plus) == text);
    const auto decoded = percent_decode(text, plus);
    if (!decoded) {
      require(text.find('%') != std::string_view::npos);
      continue;
    }
    const auto signs = static_cast<std::size_t>(std::count(text.begin(), text.end(), '%'));
    require(decoded->size() == text.size() - 2 * signs);
  }
}

// Every parameter, taken apart here, is found under its name: the first of that name wins.
void check_query(std::string_view text) {
  HttpRequest request;
  request.query = text;
  std::vector<std::string> seen;
  for (const std::string_view pair : split(text, '&')) {
    const auto equals = std::min(pair.find('='), pair.size());
    const auto name = percent_decode(pair.substr(0, equals), PlusSign::kSpace);
    if (!name || (pair.empty() && text.empty())) continue;
    if (pair.empty() && pair.data() == text.data() + text.size()) continue;  // behind a last '&'
    require(request.has_query(*name));
    if (std::find(seen.begin(), seen.end(), *name) != seen.end()) continue;
    seen.push_back(*name);
    const auto raw = pair.substr(std::min(equals + 1, pair.size()));
    require(request.query_value(*name) == percent_decode(raw, PlusSign::kSpace).value_or(""));
  }
  const bool there = std::find(seen.begin(), seen.end(), "no such name") != seen.end();
  require(request.has_query("no such name") == there);
}

void check_cookie(std::string_view text) {
  HttpRequest request;
  request.headers.emplace_back("cookie", std::string(text));
  const std::string_view value = request.cookie("imgrec_session");
  require(value.find(';') == std::string_view::npos && trim(value).size() <= value.size());
  if (!value.empty()) {
    const std::string& whole = request.headers.front().second;
    require(value.data() >= whole.data() &&
            value.data() + value.size() <= whole.data() + whole.size());
    require(whole.find("imgrec_session") != std::string::npos);
  }
}

void check_json_quote(std::string_view text) {
  const std::string quoted = json_quote(text);
  require(is_valid_utf8(quoted));
  const auto read = nlohmann::json::parse(quoted, nullptr, /*allow_exceptions=*/false);
  require(read.is_string());
  if (is_valid_utf8(text)) require(read.get<std::string>() == text);
}

void check_utf8(std::string_view text) {
  const std::string_view prefix = utf8_prefix(text, 5);
  require(prefix.size() <= 5 && text.substr(0, prefix.size()) == prefix);
  if (is_valid_utf8(text)) {
    require(is_valid_utf8(prefix));
    require(prefix.size() + 4 > 5 || prefix.size() == text.size());
  }
  const std::string name = clean_file_name(text);
  require(is_valid_utf8(name) && name.size() <= 255 && clean_file_name(name) == name);
}

// A handler's mistakes do not reach the wire: one head, its lines ours, no second response.
void check_response(std::string_view text) {
  const auto lines = split(text, '\n');
  HttpResponse response;
  response.status = 200 + static_cast<int>(text.size() % 300);
  response.content_type = lines.front();
  for (const std::string_view line : lines) {
    const auto colon = std::min(line.find(':'), line.size());
    response.headers.emplace_back(line.substr(0, colon),
                                  line.substr(std::min(colon + 1, line.size())));
  }
  make_sendable(response);
  const std::string head = response_head(response, text.size() % 2 == 0);
  require(head.find("\r\n\r\n") == head.size() - 4);
  std::size_t lengths = 0;
  const auto sent = split(std::string_view(head).substr(0, head.size() - 4), '\n');
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const bool last = i + 1 == sent.size();
    require(last || sent[i].back() == '\r');
    const auto line = sent[i].substr(0, sent[i].size() - (last ? 0 : 1));
    require(line.find('\r') == std::string_view::npos);
    const auto colon = line.find(':');
    if (i == 0) continue;  // the status line
    require(colon != std::string_view::npos && is_token(line.substr(0, colon)));
    lengths += equals_ignoring_case(line.substr(0, colon), "content-length") ? 1 : 0;
    require(!equals_ignoring_case(line.substr(0, colon), "transfer-encoding"));
  }
  require(lengths == (status_has_body(response.status) ? 1u : 0u));
  const HttpResponse refused = problem_response(400, "bad_request", text);
  require(nlohmann::json::accept(*refused.body));
}

void check_cursor(std::string_view text) {
  constexpr std::uint64_t kKey = 0x1234567890abcdefull;
  if (const auto job = decode_cursor(text, kKey)) {
    require(job->value < std::uint64_t{1} << 48);
    require(encode_cursor(*job, kKey) == text);
  }
  std::uint64_t number = 0;
  std::copy_n(text.data(), std::min(text.size(), sizeof number), reinterpret_cast<char*>(&number));
  const JobId job{number & ((std::uint64_t{1} << 48) - 1)};
  const std::string cursor = encode_cursor(job, kKey);
  require(cursor.size() == 16 && decode_cursor(cursor, kKey) == job);
}

void check_command(std::string_view text) {
  const auto command = read_cluster_command(text);
  if (command) require(text.find('{') != std::string_view::npos);
  if (command == true) require(text.find("true") != std::string_view::npos);
}

void check_lists(std::string_view text) {
  for (const std::string_view item : split(text, ',')) require(list_contains(text, trim(item)));
  require(trim(trim(text)) == trim(text));
  require(to_lower(to_lower(text)) == to_lower(text));
  require(equals_ignoring_case(text, to_lower(text)));
  (void)is_token(text);
  (void)is_field_value(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ByteSource input(data, size);
  const std::uint8_t choice = input.byte();
  // A copy of exactly this size on the heap: the address sanitizer sees a read past it.
  const std::vector<char> copy(input.rest().begin(), input.rest().end());
  const std::string_view text(copy.data(), copy.size());
  constexpr void (*kChecks[])(std::string_view) = {check_percent,    check_query,   check_cookie,
                                                   check_json_quote, check_utf8,    check_lists,
                                                   check_cursor,     check_command, check_response};
  kChecks[choice % std::size(kChecks)](text);
  return 0;
}
