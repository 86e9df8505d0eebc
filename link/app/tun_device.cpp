#include "link/app/tun_device.h"

#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "link/app/network_namespace.h"

namespace imgrec::link {
namespace {

Status failed(const Endpoint& end, const std::string& what, int error) {
  return {StatusCode::kUnavailable,
          "device " + end.interface + ": " + what + ": " + std::strerror(error)};
}

TunDevice::Outcome outcome_of(int error) {
  if (error == EAGAIN || error == EINTR) return TunDevice::Outcome::kNothing;
  return error == EBADFD || error == EBADF ? TunDevice::Outcome::kGone
                                           : TunDevice::Outcome::kRefused;
}

}  // namespace

Result<TunDevice> TunDevice::open(const Endpoint& end, unsigned mtu) {
  std::optional<TunDevice> device;
  Status status = in_network_namespace(end.namespace_path(), [&]() -> Status {
    auto made = make(end, mtu);
    if (!made.ok()) return made.status();
    device.emplace(*std::move(made));
    return {};
  });
  if (!status.ok()) return status;
  return *std::move(device);
}

Result<TunDevice> TunDevice::make(const Endpoint& end, unsigned mtu) {
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd)
    return failed(end, "/dev/net/tun cannot be opened; this wants root, and TUN in the kernel",
                  errno);
  ifreq request{};
  end.interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    return failed(end, "cannot be made; is there one of that name, and does this run as root?",
                  errno);
  }
  const unsigned interface = ::if_nametoindex(end.interface.c_str());
  auto route = RouteSocket::open();
  if (!route.ok()) return route.status();
  for (const Status& status :
       {route->add_address(interface, end), route->set_up(interface, mtu, kKernelQueue)}) {
    if (!status.ok()) {
      return Status(status.code(), "device " + end.interface + ": " + status.message());
    }
  }
  return TunDevice(std::move(fd), *std::move(route), interface);
}

TunDevice::Outcome TunDevice::read(std::span<std::byte> room, std::size_t* bytes) {
  const ssize_t got = ::read(fd_.get(), room.data(), room.size());
  if (got > 0) {
    *bytes = static_cast<std::size_t>(got);
    return Outcome::kDone;
  }
  const Outcome outcome = got == 0 ? Outcome::kNothing : outcome_of(errno);
  return outcome == Outcome::kRefused ? Outcome::kGone : outcome;
}

TunDevice::Outcome TunDevice::write(std::span<const std::byte> packet) {
  const ssize_t put = ::write(fd_.get(), packet.data(), packet.size());
  if (put == static_cast<ssize_t>(packet.size())) return Outcome::kDone;
  return put < 0 && outcome_of(errno) == Outcome::kGone ? Outcome::kGone : Outcome::kRefused;
}

std::uint64_t TunDevice::unread_packets() {
  const auto total = route_.unread_packets(interface_);
  return total.ok() && *total >= forgotten_ ? *total - forgotten_ : 0;
}

}  // namespace imgrec::link
