#include "link/app/route_socket.h"

#include <cerrno>
#include <cstring>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

namespace imgrec::link {
namespace {

// One request, built up attribute by attribute. None of ours comes near its size.
template <class Body>
class Message {
 public:
  Message(std::uint16_t type, std::uint16_t flags) {
    head().nlmsg_len = NLMSG_LENGTH(sizeof(Body));
    head().nlmsg_type = type;
    head().nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  }

  nlmsghdr& head() { return *reinterpret_cast<nlmsghdr*>(bytes_); }
  Body& body() { return *static_cast<Body*>(NLMSG_DATA(&head())); }

  rtattr* add(int type, const void* data, std::size_t size) {
    const std::size_t at = NLMSG_ALIGN(head().nlmsg_len);
    auto* attribute = reinterpret_cast<rtattr*>(bytes_ + at);
    attribute->rta_type = static_cast<unsigned short>(type);
    attribute->rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
    if (size > 0) std::memcpy(RTA_DATA(attribute), data, size);
    head().nlmsg_len = static_cast<std::uint32_t>(at + RTA_ALIGN(attribute->rta_len));
    return attribute;
  }
  void add(int type, std::uint32_t value) { add(type, &value, sizeof value); }
  // Makes what was added since `outer` its content.
  void close(rtattr* outer) {
    outer->rta_len = static_cast<unsigned short>(bytes_ + head().nlmsg_len -
                                                 reinterpret_cast<unsigned char*>(outer));
  }

 private:
  alignas(NLMSG_ALIGNTO) unsigned char bytes_[256] = {};
};

Status failed(const char* what, int error) {
  return {StatusCode::kUnavailable, std::string(what) + ": " + std::strerror(error)};
}

// The IFLA_STATS64 of a RTM_NEWLINK message, as far as the message has it.
const void* link_statistics(const nlmsghdr& message) {
  auto rest =
      static_cast<int>(message.nlmsg_len) - static_cast<int>(NLMSG_LENGTH(sizeof(ifinfomsg)));
  const auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  for (const rtattr* item = IFLA_RTA(body); RTA_OK(item, rest); item = RTA_NEXT(item, rest)) {
    if (item->rta_type == IFLA_STATS64 && RTA_PAYLOAD(item) >= sizeof(rtnl_link_stats64)) {
      return RTA_DATA(item);
    }
  }
  return nullptr;
}

}  // namespace

Result<RouteSocket> RouteSocket::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return failed("netlink cannot be had", errno);
  return RouteSocket(std::move(fd));
}

Status RouteSocket::request(nlmsghdr& message, const char* what) {
  message.nlmsg_flags |= NLM_F_ACK;
  if (::send(fd_.get(), &message, message.nlmsg_len, 0) < 0) return failed(what, errno);
  alignas(NLMSG_ALIGNTO) unsigned char answer[4096];
  const ssize_t got = ::recv(fd_.get(), answer, sizeof answer, 0);
  if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return failed(what, EPROTO);
  const auto& head = *reinterpret_cast<const nlmsghdr*>(answer);
  if (head.nlmsg_type != NLMSG_ERROR) return failed(what, EPROTO);
  const int error = static_cast<const nlmsgerr*>(NLMSG_DATA(&head))->error;
  return error == 0 ? Status() : failed(what, -error);
}

void RouteSocket::stay_silent(unsigned interface) {
  Message<ifinfomsg> message(RTM_NEWLINK, 0);
  message.body().ifi_index = static_cast<int>(interface);
  rtattr* families = message.add(IFLA_AF_SPEC, nullptr, 0);
  rtattr* family = message.add(AF_INET6, nullptr, 0);
  const std::uint8_t none = IN6_ADDR_GEN_MODE_NONE;
  message.add(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
  message.close(family);
  message.close(families);
  // A kernel without IPv6 refuses this and is silent anyway.
  (void)request(message.head(), "");
}

Status RouteSocket::set_up(unsigned interface, unsigned mtu, unsigned queue_packets) {
  stay_silent(interface);
  Message<ifinfomsg> message(RTM_NEWLINK, 0);
  message.body().ifi_index = static_cast<int>(interface);
  message.body().ifi_flags = IFF_UP;
  message.body().ifi_change = IFF_UP;
  message.add(IFLA_MTU, mtu);
  message.add(IFLA_TXQLEN, queue_packets);
  return request(message.head(), "the device cannot be set up");
}

Status RouteSocket::add_address(unsigned interface, const Endpoint& end) {
  Message<ifaddrmsg> message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  message.body().ifa_family = static_cast<std::uint8_t>(end.family);
  message.body().ifa_prefixlen = static_cast<std::uint8_t>(end.prefix);
  message.body().ifa_flags = end.family == AF_INET6 ? IFA_F_NODAD : 0;
  message.body().ifa_index = interface;
  const std::size_t size = end.family == AF_INET ? 4 : 16;
  message.add(IFA_LOCAL, end.address.data(), size);
  message.add(IFA_ADDRESS, end.address.data(), size);
  return request(message.head(), "the address cannot be set");
}

Result<std::uint64_t> RouteSocket::unread_packets(unsigned interface) {
  constexpr const char* kWhat = "the device's statistics cannot be read";
  Message<ifinfomsg> message(RTM_GETLINK, 0);
  message.body().ifi_index = static_cast<int>(interface);
  if (::send(fd_.get(), &message.head(), message.head().nlmsg_len, 0) < 0) {
    return failed(kWhat, errno);
  }
  alignas(NLMSG_ALIGNTO) unsigned char answer[16384];
  const ssize_t got = ::recv(fd_.get(), answer, sizeof answer, 0);
  const auto& head = *reinterpret_cast<const nlmsghdr*>(answer);
  if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(ifinfomsg))) ||
      head.nlmsg_len > static_cast<std::size_t>(got) || head.nlmsg_type != RTM_NEWLINK) {
    return failed(kWhat, ENODEV);
  }
  const void* found = link_statistics(head);
  if (found == nullptr) return failed(kWhat, EPROTO);
  rtnl_link_stats64 statistics;
  std::memcpy(&statistics, found, sizeof statistics);  // it need not lie on a multiple of 8
  return statistics.tx_dropped;
}

}  // namespace imgrec::link
