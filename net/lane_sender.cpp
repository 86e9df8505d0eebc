#include "net/lane_sender.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <boost/asio/error.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/tcp_figures.h"
#include "net/tcp_tuner.h"
#include "proto/chunk.h"

namespace imgrec::net {
namespace asio = boost::asio;

namespace {

using std::chrono::microseconds;
using Clock = std::chrono::steady_clock;

// Two segments, as over IPv6 with time stamps and TLS: what a window has that losses have made
// small.
constexpr std::size_t kPieceBytes = 2 * 1428 - 22 - proto::kChunkHeaderBytes;
constexpr std::size_t kMostUnderWay = 1u << 20;  // on a lane
constexpr std::chrono::milliseconds kLookEvery{5};

// A socket with unsent bytes is not writable.
void be_writable_when_all_is_sent(int fd) {
  const int bytes = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

microseconds least_round_trip(const std::vector<std::shared_ptr<Stream>>& lanes) {
  std::optional<microseconds> least;
  for (const auto& lane : lanes) {
    const auto figures = read_tcp_figures(lane->socket().native_handle());
    if (!figures || !figures->least_rtt) continue;
    if (!least || *figures->least_rtt < *least) least = figures->least_rtt;
  }
  return least.value_or(microseconds(0));
}

// Longer than an answer takes where nothing is lost.
microseconds patience(microseconds round_trip) { return 2 * round_trip + TcpTuner::kAcknowledge; }

}  // namespace

LaneSender::LaneSender(std::vector<std::shared_ptr<Stream>> lanes)
    : ledger_(lanes.size(), patience(least_round_trip(lanes))),
      timer_(lanes.front()->socket().get_executor()),
      end_(timer_.get_executor()) {
  for (auto& stream : lanes) {
    be_writable_when_all_is_sent(stream->socket().native_handle());
    lanes_.push_back({.stream = std::move(stream)});
  }
}

void LaneSender::write(const std::vector<asio::const_buffer>& buffers, Stream::IoHandler handler) {
  buffers_ = buffers;
  next_ = 0;
  bytes_ = asio::buffer_size(buffers);
  writing_ = true;
  end_.expires_at(Clock::time_point::max());
  end_.async_wait([self = shared_from_this(), handler = std::move(handler)](
                      const Stream::ErrorCode&) { handler(self->error_, self->sent_); });
  if (broken_) return broke(broken_);
  skip_what_is_taken();
  if (all_taken()) return ended(0);
  offer();
}

void LaneSender::skip_what_is_taken() {
  while (!all_taken() && buffers_[next_].size() == 0) ++next_;
}

// To every lane that is free and might have something to do.
void LaneSender::offer() {
  const auto now = Clock::now();
  for (std::size_t i = 0; i < lanes_.size() && !broken_; ++i) {
    if (lanes_[i].busy || ledger_.bytes_on(i) > kMostUnderWay) continue;
    if (all_taken() && !ledger_.to_repeat(i, now).bytes) continue;
    lanes_[i].busy = true;
    lanes_[i].stream->socket().async_wait(
        Stream::Tcp::socket::wait_write,
        [self = shared_from_this(), i](const Stream::ErrorCode& error) {
          if (error) return self->broke(error);
          self->fill(i);
        });
  }
}

// What holds up the stream goes before what continues it.
void LaneSender::fill(std::size_t lane) {
  if (broken_) return;
  LaneLedger::Piece piece = ledger_.to_repeat(lane, Clock::now());
  if (!piece.bytes) piece = next_piece();
  if (piece.bytes) return send(lane, piece);
  lanes_[lane].busy = false;  // others were quicker
}

LaneLedger::Piece LaneSender::next_piece() {
  if (all_taken()) return {};
  auto bytes = std::make_shared<std::string>(proto::kChunkHeaderBytes, '\0');
  constexpr std::size_t kWhole = proto::kChunkHeaderBytes + kPieceBytes;
  bytes->reserve(kWhole);
  while (!all_taken() && bytes->size() < kWhole) {
    asio::const_buffer& buffer = buffers_[next_];
    const std::size_t count = std::min(buffer.size(), kWhole - bytes->size());
    bytes->append(static_cast<const char*>(buffer.data()), count);
    buffer += count;
    skip_what_is_taken();
  }
  const std::size_t length = bytes->size() - proto::kChunkHeaderBytes;
  const auto header = proto::chunk_header(position_, static_cast<std::uint32_t>(length));
  std::copy(header.begin(), header.end(), bytes->begin());
  const LaneLedger::Piece piece{position_, std::move(bytes)};
  position_ += length;
  if (all_taken()) ended(bytes_);
  return piece;
}

void LaneSender::send(std::size_t lane, const LaneLedger::Piece& piece) {
  ledger_.handed(lane, piece.position, piece.bytes, Clock::now());
  lanes_[lane].stream->write(
      {asio::buffer(*piece.bytes)}, [self = shared_from_this(), lane, bytes = piece.bytes](
                                        const Stream::ErrorCode& error, std::size_t) {
        if (error) return self->broke(error);
        if (self->broken_) return;
        const auto given = read_backlog(self->lanes_[lane].stream->socket().native_handle());
        // Not known: taken for acknowledged, which saves it from being sent again.
        self->ledger_.written(lane, given ? given->acknowledged + given->unacknowledged : 0);
        self->lanes_[lane].busy = false;
        self->look_again_soon();
        self->offer();
      });
}

void LaneSender::look_again_soon() {
  if (looking_ || broken_ || ledger_.quiet()) return;
  looking_ = true;
  timer_.expires_after(kLookEvery);
  timer_.async_wait([self = shared_from_this()](const Stream::ErrorCode& error) {
    self->looking_ = false;
    if (error || self->broken_) return;
    self->read_acknowledgements();
    self->shut_down_if_idle();
    self->offer();
    self->look_again_soon();
  });
}

void LaneSender::read_acknowledgements() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (ledger_.bytes_on(i) == 0) continue;
    const auto acknowledged = read_acknowledged_bytes(lanes_[i].stream->socket().native_handle());
    if (acknowledged) ledger_.acknowledged(i, *acknowledged);
  }
}

void LaneSender::ended(std::size_t bytes) {
  if (!std::exchange(writing_, false)) return;
  error_ = broken_;
  sent_ = bytes;
  end_.cancel();
}

void LaneSender::broke(const Stream::ErrorCode& error) {
  if (!broken_) broken_ = error;
  next_ = buffers_.size();
  timer_.cancel();
  ended(0);
}

void LaneSender::follow(microseconds round_trip) { ledger_.set_patience(patience(round_trip)); }

void LaneSender::shut_down_sending() {
  shutting_down_ = true;
  shut_down_if_idle();
}

void LaneSender::shut_down_if_idle() {
  if (!shutting_down_ || !ledger_.idle()) return;
  for (Lane& lane : lanes_) lane.stream->shut_down_sending();
}

void LaneSender::close() {
  broke(asio::error::operation_aborted);
  for (Lane& lane : lanes_) lane.stream->close();
}

}  // namespace imgrec::net
