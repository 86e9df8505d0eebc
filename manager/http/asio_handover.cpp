#include "manager/http/asio_handover.h"

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

namespace imgrec::manager {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

// nullopt: no socket of TCP; the descriptor is closed.
std::optional<tcp::socket> adopt(asio::io_context& io, UniqueFd fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  tcp::socket socket(io);
  error_code ec;
  socket.assign(address.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), fd.get(), ec);
  if (ec) {
    spdlog::error("http_handover_failed error=\"{}\"", ec.message());
    return {};
  }
  fd.release();
  return socket;
}

// One response on its way. Only the io_context's thread touches it after start().
class Sending : public std::enable_shared_from_this<Sending> {
 public:
  Sending(tcp::socket socket, std::string head, std::shared_ptr<const std::string> body,
          HandoverLimits limits, Place place)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        head_(std::move(head)),
        body_(std::move(body)),
        limits_(limits),
        place_(std::move(place)),
        began_(std::chrono::steady_clock::now()) {}

  void write() {
    const std::array<asio::const_buffer, 2> rest = remaining();
    if (asio::buffer_size(rest) == 0) return linger();
    arm(patience());
    // One write_some a turn, so that each piece the reader takes sets the clock back.
    socket_.async_write_some(rest, [self = shared_from_this()](error_code ec, std::size_t bytes) {
      if (ec) return self->finish();
      self->sent_ += bytes;
      self->write();
    });
  }

 private:
  std::array<asio::const_buffer, 2> remaining() const {
    const asio::const_buffer head = asio::buffer(head_) + sent_;
    const asio::const_buffer body = body_ ? asio::buffer(*body_) : asio::const_buffer();
    return {head, body + (sent_ > head_.size() ? sent_ - head_.size() : 0)};
  }

  // Until the next byte, but no longer than a reader would need that is as slow as one may be.
  std::chrono::milliseconds patience() const {
    const std::chrono::milliseconds earned(sent_ * 1000 /
                                           std::max<std::size_t>(limits_.min_rate, 1));
    const auto end = began_ + limits_.stall + earned;
    return std::min(limits_.stall, std::chrono::duration_cast<std::chrono::milliseconds>(
                                       end - std::chrono::steady_clock::now()));
  }

  // Closing with unread bytes would reset the connection and lose what is still under way.
  void linger() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    arm(limits_.lingering);
    drop();
  }

  void drop() {
    socket_.async_read_some(asio::buffer(dropped_),
                            [self = shared_from_this()](error_code ec, std::size_t) {
                              if (ec) return self->finish();
                              self->drop();
                            });
  }

  void arm(std::chrono::milliseconds limit) {
    timer_.expires_after(limit);
    timer_.async_wait([weak = weak_from_this()](error_code ec) {
      if (ec) return;
      if (const auto self = weak.lock()) self->finish();
    });
  }

  void finish() {
    error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  const std::string head_;
  const std::shared_ptr<const std::string> body_;
  const HandoverLimits limits_;
  const Place place_;
  const std::chrono::steady_clock::time_point began_;
  std::size_t sent_ = 0;
  std::array<char, 4096> dropped_;
};

}  // namespace

void send_and_close(asio::io_context& io, UniqueFd fd, std::string head,
                    std::shared_ptr<const std::string> body, HandoverLimits limits, Place place) {
  auto socket = adopt(io, std::move(fd));
  if (!socket) return;
  auto sending = std::make_shared<Sending>(*std::move(socket), std::move(head), std::move(body),
                                           limits, std::move(place));
  asio::post(io, [sending = std::move(sending)] { sending->write(); });
}

void hand_over_upgrade(asio::io_context& io, UniqueFd fd, HttpRequest request, std::string raw_head,
                       Place place, const HttpServer::UpgradeHandler& handler) {
  auto socket = adopt(io, std::move(fd));
  if (!socket) return;
  asio::post(io, [upgrade = UpgradeRequest{*std::move(socket), std::move(request),
                                           std::move(raw_head), std::move(place)},
                  handler]() mutable {
    try {
      handler(std::move(upgrade));
    } catch (const std::exception& error) {
      spdlog::error("upgrade_handler_threw error=\"{}\"", error.what());
    }
  });
}

}  // namespace imgrec::manager
