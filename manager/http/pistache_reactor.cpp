#include "manager/http/pistache_reactor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "manager/http/asio_handover.h"
#include "manager/http/http_text.h"
#include "manager/http/response_head.h"

namespace imgrec::manager {
namespace {

namespace Http = Pistache::Http;
using Pistache::Polling::Event;
using Pistache::Polling::NotifyOn;
using Pistache::Polling::Tag;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSweepInterval{500};

// Pistache sends only headers of its own types, so each of ours becomes one.
class TextHeader final : public Http::Header::Header {
 public:
  TextHeader(std::string name, std::string value)
      : name_(std::move(name)), value_(std::move(value)) {}

  const char* name() const override { return name_.c_str(); }
  void write(std::ostream& stream) const override { stream << value_; }
#ifdef SAFE_HEADER_CAST
  std::uint64_t hash() const override {
    return Pistache::Http::Header::detail::hash(name_.c_str());
  }
#endif

 private:
  std::string name_;
  std::string value_;
};

// Will the kernel take that many bytes at once? (Pistache would spin where it does not.)
bool has_room(int fd, std::size_t bytes) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t length = sizeof memory;
  if (::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory.data(), &length) != 0) return false;
  constexpr std::size_t kOverhead = 4096;  // bookkeeping of the kernel's buffers, with a margin
  const std::size_t needed = memory[SK_MEMINFO_WMEM_QUEUED] + bytes + bytes / 4 + kOverhead;
  return needed <= memory[SK_MEMINFO_SNDBUF];
}

// Pistache keeps headers by name: of two Set-Cookie it would send one.
bool has_repeated_header(const Headers& headers) {
  for (auto i = headers.begin(); i != headers.end(); ++i) {
    for (auto j = headers.begin(); j != i; ++j) {
      if (equals_ignoring_case(i->first, j->first)) return true;
    }
  }
  return false;
}

GuardLimits guard_limits(const HttpServerOptions& options) {
  GuardLimits limits;
  limits.max_header_bytes = options.max_header_bytes;
  limits.max_body_bytes = options.max_body_bytes;
  limits.idle_timeout = options.idle_timeout;
  return limits;
}

HttpResponse unknown_host() {
  return problem_response(
      421, "unknown_host",
      "this server does not answer to the name in the request's Host; add it to "
      "http.allowed-hosts if it should");
}

// What copies of one Responder share. Answers 500 where none of them was called.
class PendingAnswer {
 public:
  using Connection = PistacheHandler::Connection;

  PendingAnswer(PistacheHandler& handler, const std::shared_ptr<Connection>& connection,
                std::uint64_t serial)
      : handler_(handler), mailbox_(handler.mailbox()), connection_(connection), serial_(serial) {}
  PendingAnswer(const PendingAnswer&) = delete;
  PendingAnswer& operator=(const PendingAnswer&) = delete;

  ~PendingAnswer() {
    if (answered_) return;
    try {
      answer(problem_response(500, "internal", "the server did not answer this request"));
    } catch (const std::exception& error) {
      spdlog::error("http_answer_lost error=\"{}\"", error.what());
    }
  }

  void answer(HttpResponse response) {
    if (answered_.exchange(true)) return;
    // handler_ lives as long as its thread runs, and only that thread uses it.
    if (mailbox_->on_its_thread()) {
      if (const auto connection = connection_.lock()) {
        handler_.answer(connection, serial_, std::move(response));
      }
      return;
    }
    mailbox_->post([this_handler = &handler_, connection = connection_, serial = serial_,
                    response = std::move(response)] {
      if (const auto alive = connection.lock()) this_handler->answer(alive, serial, response);
    });
  }

 private:
  PistacheHandler& handler_;
  const std::shared_ptr<ReactorMailbox> mailbox_;
  const std::weak_ptr<Connection> connection_;
  const std::uint64_t serial_;
  std::atomic<bool> answered_{false};
};

}  // namespace

struct PistacheHandler::Connection {
  Connection(const std::shared_ptr<Pistache::Tcp::Peer>& the_peer, const GuardLimits& limits,
             PortState& port)
      : peer(the_peer),
        fd(the_peer->fd()),
        address(the_peer->address().host()),
        place(port.addresses->take(address)),
        guard(limits, Clock::now(), &port.bodies),
        parser(kMaxTargetBytes + 64) {}

  // A request that is being answered.
  struct Exchange {
    std::uint64_t serial;
    bool keep_alive;
    bool head_only;
    std::optional<Http::ResponseWriter> writer;
    std::optional<HttpResponse> answer;
  };

  std::weak_ptr<Pistache::Tcp::Peer> peer;
  int fd;
  std::string address;
  Place place;  // null: its address has too many connections
  InputGuard guard;
  Http::RequestParser parser;  // of request lines
  std::optional<Exchange> exchange;
  HttpRequest request;  // between the guard and onRequest()
  bool pumping = false;
  bool gone = false;  // the descriptor is no longer this connection's
};

PistacheHandler::PistacheHandler(std::shared_ptr<PortState> port)
    : port_(std::move(port)), mailbox_(std::make_shared<ReactorMailbox>()) {}

PistacheHandler::PistacheHandler(const PistacheHandler& other)
    : Http::Handler(other), port_(other.port_), mailbox_(std::make_shared<ReactorMailbox>()) {}

std::shared_ptr<PistacheHandler::Connection> PistacheHandler::find(int fd) const {
  const auto found = connections_.find(fd);
  return found == connections_.end() ? nullptr : found->second;
}

void PistacheHandler::onConnection(const std::shared_ptr<Pistache::Tcp::Peer>& peer) {
  const std::size_t open = ++port_->connections;
  const auto connection = std::make_shared<Connection>(peer, guard_limits(port_->options), *port_);
  connections_[peer->fd()] = connection;
  const int on = 1;
  ::setsockopt(peer->fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (port_->stopping || open > port_->options.max_connections || !connection->place) {
    auto refusal = problem_response(503, "too_many_connections",
                                    connection->place || port_->stopping
                                        ? "the server has no room for another connection"
                                        : "this address has too many connections open");
    make_sendable(refusal);
    send_here(*connection, response_head(refusal, false), refusal.body);
    ::shutdown(peer->fd(), SHUT_RDWR);
    connection->gone = true;
  }
}

void PistacheHandler::onDisconnection(const std::shared_ptr<Pistache::Tcp::Peer>& peer) {
  const auto connection = find(peer->fd());
  if (!connection) return;
  connection->gone = true;
  if (connection->exchange) --port_->exchanges;
  connection->exchange.reset();
  connections_.erase(peer->fd());
  --port_->connections;
}

void PistacheHandler::onInput(const char* bytes, std::size_t count,
                              const std::shared_ptr<Pistache::Tcp::Peer>& peer) {
  const auto connection = find(peer->fd());
  if (!connection || connection->gone) return;
  connection->guard.feed({bytes, count}, Clock::now());
  pump(connection);
  read_body(connection);
}

// Pistache reads 4 KiB at a time: 26 calls for a photo that has come as a whole. What has come of a
// body is read here; where the connection has ended Pistache finds it itself.
void PistacheHandler::read_body(const std::shared_ptr<Connection>& connection) {
  constexpr std::size_t kPiece = 64 << 10;
  piece_.resize(kPiece);
  while (!connection->gone) {
    const std::size_t wanted = std::min(connection->guard.missing_body(), kPiece);
    if (wanted == 0) return;
    const ssize_t got = ::recv(connection->fd, piece_.data(), wanted, MSG_DONTWAIT);
    if (got <= 0) return;
    connection->guard.feed({piece_.data(), static_cast<std::size_t>(got)}, Clock::now());
    pump(connection);
  }
}

// Does whatever the guard says, until it waits. Not entered twice: an answer given while the
// handler still runs is found by the loop.
void PistacheHandler::pump(const std::shared_ptr<Connection>& connection) {
  Connection& c = *connection;
  if (c.pumping) return;
  c.pumping = true;
  for (bool waiting = false; !waiting && !c.gone;) {
    if (c.exchange && c.exchange->answer) {
      finish_exchange(c);
      continue;
    }
    switch (c.guard.next(Clock::now())) {
      case InputGuard::Decision::kWait:
        waiting = true;
        break;
      case InputGuard::Decision::kContinue:
        send_here(c, "HTTP/1.1 100 Continue\r\n\r\n", nullptr);
        break;
      case InputGuard::Decision::kRequest:
        begin_exchange(c);
        break;
      case InputGuard::Decision::kUpgrade:
        upgrade(c);
        break;
      case InputGuard::Decision::kRefuse:
        refuse(c, c.guard.refusal());
        break;
      case InputGuard::Decision::kClose:
        detach(c);
        break;
    }
  }
  c.pumping = false;
}

// Pistache reads the request line too. The fields it is spared: its typed headers refuse what
// browsers and other programs send (a cookie without '=', the Accept of Java).
void PistacheHandler::begin_exchange(Connection& c) {
  InputGuard::Guarded guarded = c.guard.take();
  ++port_->exchanges;
  c.exchange.emplace();
  c.exchange->serial = ++last_serial_;
  c.exchange->keep_alive = guarded.head.keep_alive;
  c.exchange->head_only = guarded.head.request.method == "HEAD";
  c.request = std::move(guarded.head.request);
  c.request.peer = c.address;

  const std::string line = c.request.method + " " + guarded.head.raw_path + " HTTP/1." +
                           std::to_string(guarded.head.minor_version) + "\r\n\r\n";
  if (!port_->hosts.allows(c.request.header("host"))) {
    c.exchange->keep_alive = false;
    c.exchange->answer = unknown_host();
    return;
  }
  bool understood = false;
  try {
    understood = c.parser.feed(line.data(), line.size()) &&
                 c.parser.parse() == Http::Private::State::Done &&
                 c.request.method == Http::methodString(c.parser.request.method()) &&
                 guarded.head.raw_path == c.parser.request.resource();
    if (understood) {
      onRequest(c.parser.request,
                Http::ResponseWriter(c.parser.request.version(), transport(), this, c.peer));
    }
  } catch (const std::exception& error) {
    spdlog::warn("http_request_line_refused error=\"{}\"", error.what());
    understood = false;
  }
  c.parser.reset();
  if (!understood && c.exchange && !c.exchange->answer) {
    c.exchange->keep_alive = false;
    c.exchange->answer = problem_response(400, "bad_request", "the request line is not understood");
  }
}

void PistacheHandler::onRequest(const Http::Request&, Http::ResponseWriter writer) {
  const auto peer = writer.getPeer();
  const auto connection = peer ? find(peer->fd()) : nullptr;
  if (!connection || !connection->exchange) return;
  connection->exchange->writer.emplace(std::move(writer));
  auto pending = std::make_shared<PendingAnswer>(*this, connection, connection->exchange->serial);
  HttpRequest request = std::move(connection->request);
  const std::string what = request.method + " " + request.path;
  try {
    port_->handler(std::move(request),
                   [pending](HttpResponse response) { pending->answer(std::move(response)); });
  } catch (const std::exception& error) {
    spdlog::error("http_handler_threw request={} error=\"{}\"", json_quote(what), error.what());
    pending->answer(problem_response(500, "internal", "the server failed on this request"));
  }
}

void PistacheHandler::answer(const std::shared_ptr<Connection>& connection, std::uint64_t serial,
                             HttpResponse response) {
  Connection& c = *connection;
  if (c.gone || !c.exchange || c.exchange->serial != serial || c.exchange->answer) return;
  c.exchange->answer = std::move(response);
  pump(connection);
}

void PistacheHandler::finish_exchange(Connection& c) {
  HttpResponse response = *std::move(c.exchange->answer);
  make_sendable(response);
  const bool keep_alive = c.exchange->keep_alive && !port_->stopping;
  send(c, std::move(response), keep_alive,
       c.exchange->head_only || !status_has_body(response.status));
  c.exchange.reset();
  --port_->exchanges;
  if (c.gone) return;
  if (!keep_alive) ::shutdown(c.fd, SHUT_WR);
  c.guard.response_sent(keep_alive, Clock::now());
}

void PistacheHandler::send(Connection& c, HttpResponse response, bool keep_alive,
                           bool without_body) {
  const std::size_t body_bytes = without_body || !response.body ? 0 : response.body->size();
  const auto body = body_bytes > 0 ? response.body : nullptr;
  constexpr std::size_t kHeadBytes = 2048;  // ample
  const bool room =
      body_bytes <= port_->options.handover_bytes && has_room(c.fd, kHeadBytes + body_bytes);
  if (!room && !port_->unsent->take(body_bytes)) {
    // Those that read nothing hold all that may be held for such: a small answer goes at once.
    auto busy = problem_response(503, "overloaded",
                                 "so many answers wait for their readers that there is no room for "
                                 "this one: try again in a moment");
    make_sendable(busy);
    send_here(c, response_head(busy, false), without_body ? nullptr : busy.body);
    if (!c.gone) detach(c);
  } else if (!room) {
    // Released when the answer has gone, or its reader has.
    const Place held(port_->unsent.get(), [unsent = port_->unsent, body_bytes, place = c.place](
                                              const void*) { unsent->give_back(body_bytes); });
    std::string head = response_head(response, false);
    if (auto socket = detach(c)) {
      send_and_close(port_->io, std::move(socket), std::move(head), body, {}, held);
    }
  } else if (without_body || !c.exchange->writer || has_repeated_header(response.headers)) {
    send_here(c, response_head(response, keep_alive), body);
  } else {
    send_by_pistache(c, response, keep_alive);
  }
}

void PistacheHandler::send_by_pistache(Connection& c, const HttpResponse& response,
                                       bool keep_alive) {
  try {
    Http::ResponseWriter& writer = c.exchange->writer.value();
    const auto add = [&](std::string name, std::string value) {
      writer.headers().add(std::make_shared<TextHeader>(std::move(name), std::move(value)));
    };
    add("Date", http_date());
    add("Server", "imgrec");
    if (!response.content_type.empty()) add("Content-Type", response.content_type);
    for (const auto& [name, value] : response.headers) add(name, value);
    add("Connection", keep_alive ? "keep-alive" : "close");
    static const std::string kEmpty;
    const std::string& body = response.body ? *response.body : kEmpty;
    writer.send(static_cast<Http::Code>(response.status), body.data(), body.size())
        .then([](ssize_t) {}, [](std::exception_ptr) {});
    // Now, not in a later turn: until then the descriptor could become another connection's.
    transport()->flush();
  } catch (const std::exception& error) {
    spdlog::error("http_send_failed error=\"{}\"", error.what());
    detach(c);
  }
}

void PistacheHandler::send_here(Connection& c, std::string head,
                                const std::shared_ptr<const std::string>& body) {
  std::array<iovec, 2> pieces{};
  pieces[0] = {head.data(), head.size()};
  pieces[1] = {body ? const_cast<char*>(body->data()) : nullptr, body ? body->size() : 0};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  const std::size_t total = pieces[0].iov_len + pieces[1].iov_len;
  const ssize_t sent = ::sendmsg(c.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(total)) detach(c);  // cut off rather than out of step
}

void PistacheHandler::refuse(Connection& c, const Refusal& refusal) {
  spdlog::debug("http_refused peer={} status={} code={}", c.address, refusal.status, refusal.code);
  auto response = problem_response(refusal.status, refusal.code, refusal.detail);
  if (refusal.status == 503) response.headers.emplace_back("Retry-After", "5");
  make_sendable(response);
  send_here(c, response_head(response, false), response.body);
  if (!c.gone) ::shutdown(c.fd, SHUT_WR);
}

void PistacheHandler::upgrade(Connection& c) {
  InputGuard::Guarded guarded = c.guard.take();
  guarded.head.request.peer = c.address;
  const bool known_host = port_->hosts.allows(guarded.head.request.header("host"));
  auto socket = detach(c);
  if (!socket) return;
  if (known_host) {
    hand_over_upgrade(port_->io, std::move(socket), std::move(guarded.head.request),
                      std::move(guarded.raw_head), c.place, port_->upgrade);
  } else {
    auto refusal = unknown_host();
    make_sendable(refusal);
    send_and_close(port_->io, std::move(socket), response_head(refusal, false), refusal.body, {},
                   c.place);
  }
}

// Takes the socket out of Pistache. A dead socket takes its place under the same number: Pistache
// reads the end of that one and tidies up as after any disconnection.
UniqueFd PistacheHandler::detach(Connection& c) {
  c.gone = true;
  std::array<int, 2> dead{-1, -1};
  UniqueFd socket(::fcntl(c.fd, F_DUPFD_CLOEXEC, 3));
  if (socket &&
      ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, dead.data()) == 0) {
    const UniqueFd end(dead[0]);
    ::close(dead[1]);
    try {
      transport()->reactor()->removeFd(transport()->key(), c.fd);
      if (::dup3(end.get(), c.fd, O_CLOEXEC) == c.fd) {
        transport()->reactor()->registerFd(transport()->key(), c.fd, NotifyOn::Read,
                                           Pistache::Polling::Mode::Edge);
        return socket;
      }
    } catch (const std::exception& error) {
      spdlog::error("http_detach_failed error=\"{}\"", error.what());
    }
  }
  ::shutdown(c.fd, SHUT_RDWR);  // out of descriptors: all that is left is to close it
  return {};
}

void PistacheHandler::sweep() {
  const auto now = Clock::now();
  std::vector<std::shared_ptr<Connection>> due;
  for (const auto& [fd, connection] : connections_) {
    if (!connection->gone && connection->guard.deadline() <= now) due.push_back(connection);
  }
  for (const auto& connection : due) pump(connection);
}

void PistacheHandler::close(Which which) {
  for (const auto& [fd, connection] : connections_) {
    if (connection->gone) continue;
    if (which == Which::kAll || connection->guard.idle()) detach(*connection);
  }
}

PistacheTransport::PistacheTransport(std::shared_ptr<PistacheHandler> handler,
                                     std::shared_ptr<Registry> registry)
    : Transport(handler), handler_(std::move(handler)), registry_(std::move(registry)) {}

std::shared_ptr<Pistache::Aio::Handler> PistacheTransport::clone() const {
  auto handler = std::make_shared<PistacheHandler>(*handler_);
  registry_->push_back(handler);
  return std::make_shared<PistacheTransport>(std::move(handler), registry_);
}

void PistacheTransport::registerPoller(Pistache::Polling::Epoll& poller) {
  Transport::registerPoller(poller);
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer_) throw std::system_error(errno, std::generic_category(), "timerfd_create");
  const timespec interval{0, std::chrono::nanoseconds(kSweepInterval).count()};
  const itimerspec period{interval, interval};
  ::timerfd_settime(timer_.get(), 0, &period, nullptr);
  for (const int fd : {timer_.get(), handler_->mailbox()->fd()}) {
    poller.addFd(fd, Pistache::Flags<NotifyOn>(NotifyOn::Read),
                 Tag(static_cast<std::uint64_t>(fd)));
  }
}

// Events go to Pistache one by one, so that what it throws at one (an event of a connection that
// the event before has closed) costs no other its turn, nor the process its life.
void PistacheTransport::onReady(const Pistache::Aio::FdSet& fds) {
  handler_->mailbox()->bind_to_this_thread();
  for (const auto& entry : fds) {
    try {
      if (entry.getTag().value() == static_cast<std::uint64_t>(handler_->mailbox()->fd())) {
        handler_->mailbox()->run();
      } else if (entry.getTag().value() == static_cast<std::uint64_t>(timer_.get())) {
        std::uint64_t ignored = 0;
        [[maybe_unused]] const auto read = ::read(timer_.get(), &ignored, sizeof ignored);
        handler_->sweep();
      } else {
        Event event(entry.getTag());
        if (entry.isReadable()) event.flags.setFlag(NotifyOn::Read);
        if (entry.isWritable()) event.flags.setFlag(NotifyOn::Write);
        if (entry.isHangup()) event.flags.setFlag(NotifyOn::Hangup);
        Transport::onReady(Pistache::Aio::FdSet({event}));
      }
    } catch (const std::exception& error) {
      spdlog::debug("http_event_dropped error=\"{}\"", error.what());
    }
  }
}

}  // namespace imgrec::manager
