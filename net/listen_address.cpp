#include "net/listen_address.h"

#include <charconv>

#include <boost/asio/ip/address.hpp>

namespace imgrec::net {
namespace asio = boost::asio;

namespace {

bool read_port(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && !text.empty() && end == text.data() + text.size();
}

}  // namespace

Result<asio::ip::tcp::endpoint> parse_listen_address(std::string_view option,
                                                     std::string_view text) {
  const Status bad(StatusCode::kInvalidArgument,
                   std::string(option) + " '" + std::string(text.substr(0, 100)) +
                       "' is not ADDR:PORT; give an IP address and a port, for instance "
                       "127.0.0.1:9090, 0.0.0.0:9090 or [::]:9090");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  std::string_view host = text.substr(0, colon);
  std::uint16_t port = 0;
  if (!read_port(text.substr(colon + 1), port)) return bad;
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(std::string(host), not_an_address);
  if (not_an_address || address.is_v6() != brackets) return bad;
  return asio::ip::tcp::endpoint(address, port);
}

std::string to_text(const asio::ip::tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

}  // namespace imgrec::net
