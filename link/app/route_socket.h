// What is set up and read at a network device, over netlink (rtnetlink(7)). The socket keeps
// working on the namespace in which it was opened.
//
// Thread rule: one thread. Owns: the socket.
#pragma once

#include <cstdint>

#include "common/unique_fd.h"
#include "link/app/link_config.h"
#include "proto/status.h"

struct nlmsghdr;

namespace imgrec::link {

class RouteSocket {
 public:
  // In the present namespace.
  static Result<RouteSocket> open();

  Status set_up(unsigned interface, unsigned mtu, unsigned queue_packets);
  Status add_address(unsigned interface, const Endpoint& end);
  // Packets that the kernel had for the device's reader, and threw away since nobody took them.
  Result<std::uint64_t> unread_packets(unsigned interface);

 private:
  explicit RouteSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  Status request(nlmsghdr& message, const char* what);
  // No link-local address, so that the kernel sends nothing on its own over the link.
  void stay_silent(unsigned interface);

  UniqueFd fd_;
};

}  // namespace imgrec::link
