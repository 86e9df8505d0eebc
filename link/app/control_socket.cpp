#include "link/app/control_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "link/core/command.h"

namespace imgrec::link {
namespace {

constexpr std::size_t kMaxConnections = 16;
constexpr std::size_t kMaxAnswerBytes = 4 << 20;

Status failed(const std::string& path, const std::string& what, int error) {
  return {StatusCode::kUnavailable,
          "control socket " + path + ": " + what + ": " + std::strerror(error)};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return failed(path, "the path must have 1 to 107 bytes", ENAMETOOLONG);
  }
  path.copy(address.sun_path, path.size());
  return address;
}

int connect_to(int fd, const sockaddr_un& address) {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// One that a killed process left behind is in the way and of no use; nothing else is removed.
void remove_dead_socket(const std::string& path, const sockaddr_un& address) {
  struct stat about {};
  if (::lstat(path.c_str(), &about) != 0 || !S_ISSOCK(about.st_mode)) return;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect_to(probe.get(), address) != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
}

bool watch(int poll, int fd, std::uint32_t events, int operation = EPOLL_CTL_ADD) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(poll, operation, fd, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(const std::string& path, Answer answer) {
  const auto address = address_of(path);
  if (!address.ok()) return address.status();
  remove_dead_socket(path, *address);
  UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const mode_t mask = ::umask(0077);
  const int bound =
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  const int error = errno;
  ::umask(mask);
  if (bound != 0)
    return failed(path, "cannot be made there; is another imgrec-link using it?", error);
  if (::listen(listener.get(), kMaxConnections) != 0 ||
      !watch(poll.get(), listener.get(), EPOLLIN)) {
    return failed(path, "cannot listen", errno);
  }
  return std::unique_ptr<ControlSocket>(
      new ControlSocket(path, std::move(poll), std::move(listener), std::move(answer)));
}

ControlSocket::ControlSocket(std::string path, UniqueFd poll, UniqueFd listener, Answer answer)
    : path_(std::move(path)),
      poll_(std::move(poll)),
      listener_(std::move(listener)),
      answer_(std::move(answer)) {}

ControlSocket::~ControlSocket() { ::unlink(path_.c_str()); }

void ControlSocket::work() {
  std::array<epoll_event, kMaxConnections + 1> events;
  const int count = ::epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    if (fd == listener_.get()) continue;
    const auto found = std::find_if(connections_.begin(), connections_.end(),
                                    [fd](const Connection& c) { return c.fd.get() == fd; });
    if (found != connections_.end() && !serve(*found)) connections_.erase(found);
  }
  // Last, so that no number of a closed descriptor is another's while events are gone through.
  accept_all();
}

void ControlSocket::accept_all() {
  for (;;) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    if (connections_.size() == kMaxConnections) connections_.pop_front();
    if (watch(poll_.get(), fd.get(), EPOLLIN)) connections_.push_back({std::move(fd), {}, {}, 0});
  }
}

bool ControlSocket::receive(Connection& connection) {
  char piece[256];
  const ssize_t got = ::recv(connection.fd.get(), piece, sizeof piece, 0);
  if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
  connection.in.append(piece, static_cast<std::size_t>(got));
  const auto end = connection.in.find('\n');
  if (end == std::string::npos && connection.in.size() <= kMaxCommandBytes) return true;
  connection.out = answer_(std::string_view(connection.in).substr(0, end)) + "\n";
  return watch(poll_.get(), connection.fd.get(), EPOLLOUT, EPOLL_CTL_MOD);
}

bool ControlSocket::serve(Connection& connection) {
  if (connection.out.empty() && !receive(connection)) return false;
  if (connection.out.empty()) return true;
  const ssize_t put = ::send(connection.fd.get(), connection.out.data() + connection.sent,
                             connection.out.size() - connection.sent, MSG_NOSIGNAL);
  if (put < 0) return errno == EAGAIN || errno == EINTR;
  connection.sent += static_cast<std::size_t>(put);
  return connection.sent < connection.out.size();
}

Result<std::string> ask(const std::string& path, std::string_view command) {
  const auto address = address_of(path);
  if (!address.ok()) return address.status();
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect_to(fd.get(), *address) != 0) {
    return failed(path, "cannot be reached; does imgrec-link run, as the same user?", errno);
  }
  const std::string line = std::string(command) + "\n";
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(line.size())) {
    return failed(path, "the command was not taken", errno);
  }
  std::string answer;
  char piece[4096];
  while (answer.size() < kMaxAnswerBytes && (answer.empty() || answer.back() != '\n')) {
    const ssize_t got = ::recv(fd.get(), piece, sizeof piece, 0);
    if (got <= 0) return failed(path, "no answer", got == 0 ? EPIPE : errno);
    answer.append(piece, static_cast<std::size_t>(got));
  }
  answer.pop_back();
  return answer;
}

}  // namespace imgrec::link
