// HTTP/1.1 calls to one server, over connections that are kept for the next call.
//
// Thread rule: confined to the thread of its io_context.
// Owns: idle connections. Calls under way own theirs, and end with the io_context at the latest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "client/net/server_stream.h"
#include "client/net/upload_body.h"
#include "client/text/server_answers.h"

namespace imgrec::client {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpCall {
  std::string method = "GET";
  std::string path;  // with its query, percent-encoded; below the URL's prefix
  HttpHeaders headers = {};
  std::shared_ptr<UploadBody> body = {};
  std::function<void(std::uint64_t)> on_sent = {};  // bytes of the body so far
};

class HttpClient {
 public:
  using Answer = std::variant<HttpAnswer, Failure>;
  using Handler = std::function<void(Answer)>;
  static constexpr std::size_t kMaxAnswer = 8 * 1024 * 1024;

  HttpClient(boost::asio::io_context& io, std::shared_ptr<const ServerAccess> access);

  // Calls the handler once, later. A call ends after access.patience without a byte in either
  // direction. One over a kept connection that turns out to be closed is made again over a fresh
  // one: REQUIRES: the call may be made twice.
  void call(HttpCall call, Handler handler);

 private:
  class Exchange;
  void start(std::shared_ptr<const HttpCall> call, Handler handler, bool fresh);
  void keep(ServerStream stream);

  boost::asio::io_context& io_;
  std::shared_ptr<const ServerAccess> access_;
  std::vector<ServerStream> idle_;
};

// Letters, digits and -._~ as they are, all else as %XX.
std::string percent_encode(std::string_view text);

// The fields that every request to the server has, the WebSocket's too.
HttpHeaders access_headers(const ServerAccess& access);

}  // namespace imgrec::client
