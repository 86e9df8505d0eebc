#include <algorithm>
#include <cctype>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "manager/http/http_server.h"
#include "manager/http/pistache_reactor.h"

namespace imgrec::manager {
namespace {

namespace Tcp = Pistache::Tcp;

std::optional<Pistache::Address> parse_address(const std::string& text, std::uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  sockaddr* address = nullptr;
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    address = reinterpret_cast<sockaddr*>(&v4);
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    address = reinterpret_cast<sockaddr*>(&v6);
  }
  if (!address) return std::nullopt;
  return Pistache::Address(Pistache::IP(address), Pistache::Port(port));
}

std::string endpoint_text(const HttpServerOptions& options) {
  const bool v6 = options.listen_address.find(':') != std::string::npos;
  return (v6 ? "[" + options.listen_address + "]" : options.listen_address) + ":" +
         std::to_string(options.port);
}

// True where `done` became true in time. Polls: this is the end of the program's life.
template <class Condition>
bool wait_until(std::chrono::steady_clock::time_point deadline, Condition done) {
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(std::shared_ptr<PortState> port) : port_(std::move(port)) {}
  ~Impl() { stop(std::chrono::milliseconds(0)); }

  Status start();
  std::uint16_t port() const { return bound_port_; }
  void stop(std::chrono::milliseconds grace);

 private:
  void close_connections(PistacheHandler::Which which);

  std::shared_ptr<PortState> port_;
  std::shared_ptr<PistacheTransport::Registry> handlers_ =
      std::make_shared<PistacheTransport::Registry>();
  std::unique_ptr<Tcp::Listener> listener_;
  std::uint16_t bound_port_ = 0;
};

Status HttpServer::Impl::start() {
  const HttpServerOptions& options = port_->options;
  const auto address = parse_address(options.listen_address, options.port);
  if (!address) {
    return Status(StatusCode::kInvalidArgument,
                  "'" + options.listen_address +
                      "' is no IP address to listen on; use 127.0.0.1, 0.0.0.0, ::1 or ::");
  }
  try {
    auto listener = std::make_unique<Tcp::Listener>(*address);
    auto flags = Pistache::Flags<Tcp::Options>(Tcp::Options::ReuseAddr);
    flags.setFlag(Tcp::Options::CloseOnExec);
    listener->init(std::max(1u, options.threads), flags, "http");
    auto prototype = std::make_shared<PistacheHandler>(port_);
    listener->setTransportFactory(
        [prototype, handlers = handlers_]() -> std::shared_ptr<Tcp::Transport> {
          return std::make_shared<PistacheTransport>(prototype, handlers);
        });
    listener->setHandler(prototype);
    listener->bind();
    bound_port_ = listener->getPort();
    listener->runThreaded();
    listener_ = std::move(listener);
  } catch (const std::exception& error) {
    std::string reason = error.what();
    if (!reason.empty()) reason[0] = static_cast<char>(std::tolower(reason[0]));
    return Status(StatusCode::kUnavailable,
                  "cannot listen on " + endpoint_text(options) + ": " + reason +
                      "; stop the other program or choose another port with --port");
  }
  return {};
}

void HttpServer::Impl::close_connections(PistacheHandler::Which which) {
  for (const auto& handler : *handlers_) {
    handler->mailbox()->post([raw = handler.get(), which] { raw->close(which); });
  }
}

void HttpServer::Impl::stop(std::chrono::milliseconds grace) {
  if (!listener_) return;
  using Clock = std::chrono::steady_clock;
  port_->stopping = true;  // new connections are turned away from here on
  close_connections(PistacheHandler::Which::kIdle);
  if (!wait_until(Clock::now() + grace, [this] { return port_->exchanges == 0; })) {
    spdlog::warn("http_stop_unanswered requests={}", port_->exchanges.load());
  }
  close_connections(PistacheHandler::Which::kAll);
  wait_until(Clock::now() + std::chrono::seconds(2), [this] { return port_->connections == 0; });
  for (const auto& handler : *handlers_) handler->mailbox()->close();
  try {
    listener_->shutdown();
  } catch (const std::exception& error) {
    spdlog::error("http_stop_failed error=\"{}\"", error.what());
  }
  listener_.reset();  // joins the threads
  handlers_->clear();
}

HttpServer::HttpServer(boost::asio::io_context& io, HttpServerOptions options, HttpHandler handler,
                       UpgradeHandler upgrade)
    : impl_(std::make_unique<Impl>(std::make_shared<PortState>(
          io, std::move(options), std::move(handler), std::move(upgrade)))) {}

HttpServer::~HttpServer() = default;

Status HttpServer::start() { return impl_->start(); }

std::uint16_t HttpServer::port() const { return impl_->port(); }

void HttpServer::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

}  // namespace imgrec::manager
