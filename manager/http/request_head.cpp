#include "manager/http/request_head.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

using Verdict = std::optional<Refusal>;  // nullopt: nothing wrong

Refusal bad_request(std::string detail) { return {400, "bad_request", std::move(detail)}; }

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find("\r\n");
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

Verdict read_method(std::string_view method, RequestHead& head) {
  constexpr std::array<std::string_view, 7> kHandled = {"GET",    "HEAD",    "POST", "PUT",
                                                        "DELETE", "OPTIONS", "PATCH"};
  if (!is_token(method)) return bad_request("the request line does not begin with a method");
  if (method == "TRACE" || method == "CONNECT") {
    return Refusal{405, "method_not_allowed", "this server takes no TRACE and no CONNECT"};
  }
  if (std::find(kHandled.begin(), kHandled.end(), method) == kHandled.end()) {
    return Refusal{
        501, "method_unknown",
        "this server does not know the method '" + std::string(method.substr(0, 32)) + "'"};
  }
  head.request.method = method;
  return {};
}

Verdict read_target(std::string_view target, RequestHead& head) {
  if (target.size() > kMaxTargetBytes) {
    return Refusal{414, "uri_too_long",
                   "the request target exceeds " + std::to_string(kMaxTargetBytes) + " bytes"};
  }
  if (std::any_of(target.begin(), target.end(), [](char c) { return c <= 0x20 || c > 0x7e; })) {
    return bad_request("the request target holds characters that must be percent-encoded");
  }
  if (target.find('#') != std::string_view::npos) {
    return bad_request("the request target holds a fragment");
  }
  for (const std::string_view scheme : {"http://", "https://"}) {  // absolute form, as to a proxy
    if (!equals_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const auto end = target.find_first_of("/?");
    target.remove_prefix(end == std::string_view::npos ? target.size() : end);
    if (target.empty()) target = "/";
    break;
  }
  if (target.empty() || target.front() != '/') {
    return bad_request("the request target does not begin with '/'");
  }
  const auto mark = target.find('?');
  if (mark != std::string_view::npos) head.request.query = target.substr(mark + 1);
  head.raw_path = target.substr(0, mark);
  auto path = percent_decode(head.raw_path, PlusSign::kLiteral);
  if (!path) return bad_request("the path holds a '%' without two hexadecimal digits");
  if (!is_field_value(*path) || path->find('\t') != std::string::npos) {
    return bad_request("the path holds an encoded control character");
  }
  head.request.path = std::move(*path);
  return {};
}

Verdict read_request_line(std::string_view line, RequestHead& head) {
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || line.find(' ', second + 1) != std::string_view::npos) {
    return bad_request("the request line is not 'METHOD target HTTP/1.1'");
  }
  const auto version = line.substr(second + 1);
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || version[6] != '.') {
    return bad_request("the request line does not end with an HTTP version");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return Refusal{505, "version_not_supported", "this server speaks HTTP/1.1 and HTTP/1.0"};
  }
  head.minor_version = version.back() - '0';
  if (auto refusal = read_method(line.substr(0, first), head)) return refusal;
  return read_target(line.substr(first + 1, second - first - 1), head);
}

Verdict read_fields(std::string_view rest, RequestHead& head) {
  while (true) {
    const auto line = take_line(rest);
    if (line.empty()) return {};
    if (line.front() == ' ' || line.front() == '\t') {
      return bad_request("a header field is continued on a second line");
    }
    const auto colon = line.find(':');
    const auto name = line.substr(0, colon);
    if (colon == std::string_view::npos || !is_token(name)) {
      return bad_request("a header line is not 'Name: value', without a space before the colon");
    }
    if (head.request.headers.size() == kMaxHeaderFields) {
      return Refusal{
          431, "header_too_large",
          "the request has more than " + std::to_string(kMaxHeaderFields) + " header fields"};
    }
    head.request.headers.emplace_back(to_lower(name), trim(line.substr(colon + 1)));
  }
}

std::size_t count(const HttpRequest& request, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(request.headers.begin(), request.headers.end(),
                    [&](const auto& header) { return header.first == name; }));
}

Verdict judge_length(RequestHead& head) {
  const HttpRequest& request = head.request;
  if (count(request, "transfer-encoding") > 0) {
    return Refusal{411, "length_required",
                   "this server takes no Transfer-Encoding: send the body with a Content-Length"};
  }
  const std::size_t lengths = count(request, "content-length");
  if (lengths > 1) return bad_request("there is more than one Content-Length");
  if (lengths == 0) return {};
  const std::string_view digits = request.header("content-length");
  const bool number = !digits.empty() && std::all_of(digits.begin(), digits.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
  if (!number || digits.size() > 18) {  // 18 digits always fit 64 bits
    return bad_request("the Content-Length is not a plain number of bytes");
  }
  for (const char c : digits) {
    head.content_length = head.content_length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return {};
}

// Any of several Connection fields may hold the token.
bool connection_has(const HttpRequest& request, std::string_view token) {
  return std::any_of(request.headers.begin(), request.headers.end(), [&](const auto& header) {
    return header.first == "connection" && list_contains(header.second, token);
  });
}

Verdict judge_connection(RequestHead& head) {
  const HttpRequest& request = head.request;
  const std::size_t hosts = count(request, "host");
  if (hosts > 1 || (hosts == 0 && head.minor_version == 1)) {
    return bad_request("an HTTP/1.1 request must have exactly one Host");
  }
  head.keep_alive = !connection_has(request, "close") &&
                    (head.minor_version == 1 || connection_has(request, "keep-alive"));
  if (head.minor_version == 0) return {};  // knows neither Expect nor Upgrade

  if (count(request, "expect") > 0) {
    if (!equals_ignoring_case(request.header("expect"), "100-continue")) {
      return Refusal{417, "expectation_failed", "the only Expect understood is 100-continue"};
    }
    head.expects_continue = true;
  }
  head.websocket = list_contains(request.header("upgrade"), "websocket") &&
                   connection_has(request, "upgrade") && request.method == "GET";
  if (head.websocket && head.content_length > 0) {
    return bad_request("a WebSocket upgrade must have no body");
  }
  return {};
}

}  // namespace

std::variant<RequestHead, Refusal> parse_request_head(std::string_view text) {
  RequestHead head;
  if (auto refusal = read_request_line(take_line(text), head)) return *std::move(refusal);
  if (auto refusal = read_fields(text, head)) return *std::move(refusal);
  if (auto refusal = judge_length(head)) return *std::move(refusal);
  if (auto refusal = judge_connection(head)) return *std::move(refusal);
  return head;
}

}  // namespace imgrec::manager
