// One end of a link: a TUN device in a network namespace. The kernel routes packets into it, we
// read them; what we write comes out of it. Packets are whole IP packets of the device's MTU at
// most: none is a bundle that a network card would have cut up (no GSO, no TSO), and all checksums
// are there.
//
// Thread rule: one thread. Owns: the device, which is gone with it, and a netlink socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/unique_fd.h"
#include "link/app/link_config.h"
#include "link/app/route_socket.h"
#include "proto/status.h"

namespace imgrec::link {

class TunDevice {
 public:
  // Packets that the kernel keeps for us. Where we are late for more than it takes to fill that,
  // packets are lost that nobody asked to lose: at 100 Mbit/s of full packets that is half a
  // second.
  static constexpr unsigned kKernelQueue = 4096;

  // Makes it, gives it its address and brings it up.
  static Result<TunDevice> open(const Endpoint& end, unsigned mtu);

  int fd() const { return fd_.get(); }

  enum class Outcome { kDone, kNothing, kRefused, kGone };
  // The next packet: kDone and its size, kNothing where none waits, kGone where the device was
  // deleted or its namespace is no more.
  Outcome read(std::span<std::byte> room, std::size_t* bytes);
  // kDone, kRefused where the device did not take it (it is not up), or kGone.
  Outcome write(std::span<const std::byte> packet);

  // Since the device was made, or since forget_unread().
  std::uint64_t unread_packets();
  void forget_unread() { forgotten_ += unread_packets(); }

 private:
  TunDevice(UniqueFd fd, RouteSocket route, unsigned interface)
      : fd_(std::move(fd)), route_(std::move(route)), interface_(interface) {}
  static Result<TunDevice> make(const Endpoint& end, unsigned mtu);

  UniqueFd fd_;
  RouteSocket route_;
  unsigned interface_;
  std::uint64_t forgotten_ = 0;
};

}  // namespace imgrec::link
