// The text of a response's head, and the problem documents (RFC 9457) that refuse requests.
//
// Thread rule: pure functions, but for the time of day in `Date`.
// Owns: nothing.
#pragma once

#include <string>
#include <string_view>

#include "manager/http/http_message.h"

namespace imgrec::manager {

// "Not Found"; "Unknown" for a status that has no registered phrase.
std::string_view reason_phrase(int status);

// `Date: ` value for this moment (RFC 9110, section 5.6.7).
std::string http_date();

// May a response of this status carry a body? (1xx, 204 and 304 may not.)
bool status_has_body(int status);

// What every answer says to browsers: run only our own scripts and styles, be in nobody's frame,
// send no addresses to others, use the camera for this page alone (phones offer it to take a
// photo).
const Headers& security_headers();

// Adds those of security_headers() that the response does not set itself, and removes what would
// break the response or is not the handler's to say: names that are no token, values with control
// characters, and Content-Length, Transfer-Encoding, Connection, Date, Server. A status outside
// 200..599 becomes 500.
void make_sendable(HttpResponse& response);

// Status line, the response's headers and Date, Server, Content-Length and Connection, up to and
// with the empty line. Content-Length is the body's size even where the body is not sent (HEAD).
// REQUIRES: make_sendable() was applied.
std::string response_head(const HttpResponse& response, bool keep_alive);

// {"type":"about:blank","title","status","detail","code"} as application/problem+json.
HttpResponse problem_response(int status, std::string_view code, std::string_view detail);

}  // namespace imgrec::manager
