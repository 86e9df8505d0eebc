// "ADDR:PORT" of an option, for ports that are listened on by both in one value.
//
// Thread rule: plain value, pure functions. Owns nothing.
#pragma once

#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "proto/status.h"

namespace imgrec::net {

// Reads "127.0.0.1:9090", "[::1]:9090" or "0.0.0.0:0", whose port the system chooses. Names are
// refused: one may mean several addresses. `option` is named in errors.
Result<boost::asio::ip::tcp::endpoint> parse_listen_address(std::string_view option,
                                                            std::string_view text);

// "127.0.0.1:9090", "[::1]:9090".
std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace imgrec::net
