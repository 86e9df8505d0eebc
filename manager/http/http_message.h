// HTTP requests and responses without any HTTP library's types, so that handlers can be tested as
// functions.
//
// Thread rule: plain values; a Responder may be called from any thread, once.
// Owns: its strings; bodies are shared and immutable.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace imgrec::manager {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // upper case
  std::string path;    // percent-decoded, always begins with '/'
  std::string query;   // as sent, without '?'
  Headers headers;     // names in lower case, values trimmed
  std::string body;
  std::string peer;                                // client's address, for logs
  std::chrono::steady_clock::time_point received;  // first byte of the request

  // First header of that name (lower case), or an empty view.
  std::string_view header(std::string_view name) const;
  // Percent-decoded value of a query parameter, or an empty string.
  std::string query_value(std::string_view name) const;
  bool has_query(std::string_view name) const;
  // Value of a cookie, or an empty view.
  std::string_view cookie(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;
  Headers headers;
  std::shared_ptr<const std::string> body;  // null: empty
};

// Answers one request. Call exactly once, from any thread; a vanished client is not an error.
using Responder = std::function<void(HttpResponse)>;

using HttpHandler = std::function<void(HttpRequest, Responder)>;

}  // namespace imgrec::manager
