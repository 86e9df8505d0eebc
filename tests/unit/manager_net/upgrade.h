// A page's end of a WebSocket that was handed over: its request, and what it has received. Test
// code only.
//
// Thread rule: the test's thread. Owns nothing.
#pragma once

#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace imgrec::testing {

inline const std::string kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

// What has come since; "" where nothing has. Does not wait.
inline std::string read_available(boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code ec;
  std::string text(socket.available(ec), '\0');
  if (!text.empty()) text.resize(socket.read_some(boost::asio::buffer(text), ec));
  return text;
}

}  // namespace imgrec::testing
