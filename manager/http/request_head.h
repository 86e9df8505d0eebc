// Reads one request head, strictly: what two readers could understand differently is refused.
// RFC 9110 and RFC 9112.
//
// Thread rule: pure functions.
// Owns: nothing; the result holds copies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "manager/http/http_message.h"

namespace imgrec::manager {

// Why a request is answered with an error and its connection closed.
struct Refusal {
  int status = 400;
  std::string code;    // stable, snake_case: "bad_request"
  std::string detail;  // a sentence for people
};

struct RequestHead {
  HttpRequest request;   // without body and peer
  std::string raw_path;  // of the target, still percent-encoded
  int minor_version = 1;
  bool keep_alive = true;
  bool expects_continue = false;
  bool websocket = false;  // asks to become a WebSocket
  std::uint64_t content_length = 0;
};

constexpr std::size_t kMaxTargetBytes = 8 * 1024;
constexpr std::size_t kMaxHeaderFields = 100;

// `head`: request line and fields, each line with its CRLF, with the empty line at the end.
// REQUIRES: CR and LF occur only as pairs, and no other control character but tab occurs.
std::variant<RequestHead, Refusal> parse_request_head(std::string_view head);

}  // namespace imgrec::manager
