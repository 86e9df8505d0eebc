// Where the server is, taken apart from its URL.
//
// Thread rule: plain value. Owns its texts.
#pragma once

#include <string>
#include <string_view>

#include "proto/status.h"

namespace imgrec::client {

struct ServerUrl {
  bool tls = false;
  std::string host;  // a name or an address; of IPv6 without brackets
  std::string port = "80";
  std::string prefix;  // of every path, without a slash at its end: "/imgrec", mostly ""

  // For the Host field: the port is left out where it is the scheme's own.
  std::string authority() const;
  // For people: "http://localhost:8080/imgrec".
  std::string text() const;
};

// "http://HOST[:PORT][/PREFIX]", or https. Errors say what is wrong with it.
Result<ServerUrl> parse_server_url(std::string_view text);

}  // namespace imgrec::client
