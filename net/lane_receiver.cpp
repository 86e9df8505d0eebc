#include "net/lane_receiver.h"

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>

namespace imgrec::net {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kMostWaiting = 4u << 20;

}  // namespace

LaneReceiver::LaneReceiver(std::vector<std::shared_ptr<Stream>> lanes, std::size_t surplus)
    : surplus_(surplus) {
  for (auto& stream : lanes) {
    lanes_.push_back({.stream = std::move(stream), .buffer = std::string(kReadBytes, '\0')});
  }
}

void LaneReceiver::start(BytesHandler on_bytes, EndHandler on_end) {
  on_bytes_ = std::move(on_bytes);
  on_end_ = std::move(on_end);
  read();
}

// What is missing is on a lane that has not come so far yet, so there is always one to be read.
bool LaneReceiver::may_read(const Lane& lane) const {
  return !lane.reading && !lane.ended &&
         (stream_.memory_bytes() <= kMostWaiting || lane.chunks.position() <= stream_.position());
}

void LaneReceiver::read() {
  for (std::size_t i = 0; i < lanes_.size() && on_end_; ++i) {
    Lane& lane = lanes_[i];
    if (!may_read(lane)) continue;
    lane.reading = true;
    lane.stream->read_some(
        asio::buffer(lane.buffer),
        [self = shared_from_this(), i](const Stream::ErrorCode& error, std::size_t bytes) {
          self->on_read(i, error, bytes);
        });
  }
}

void LaneReceiver::on_read(std::size_t index, const Stream::ErrorCode& error, std::size_t bytes) {
  Lane& lane = lanes_[index];
  lane.reading = false;
  if (!on_end_) return;
  const bool none = error && !lane.begun && surplus_ > 0;
  if (none) --surplus_;
  if (none || Stream::is_end(error)) {
    lane.ended = true;
    const bool all =
        std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& each) { return each.ended; });
    if (!all) return read();
    return end(stream_.waiting_bytes() == 0
                   ? Status()
                   : Status(StatusCode::kUnavailable, "the manager closed a lane too early"));
  }
  if (error) {
    return end(Status(StatusCode::kUnavailable, lane.stream->explain(error, "the manager")));
  }
  lane.begun = true;
  if (const Status status = take_in(lane, {lane.buffer.data(), bytes}); !status.ok()) {
    return end(status);
  }
  const std::string due = stream_.take();
  const auto on_bytes = on_bytes_;  // close() may be called in it
  on_bytes(due);
  read();
}

Status LaneReceiver::take_in(Lane& lane, std::string_view bytes) {
  lane.chunks.feed(bytes);
  for (;;) {
    auto chunk = lane.chunks.next();
    if (!chunk.ok()) return chunk.status();
    if (!*chunk) return {};
    if (Status status = stream_.add(std::move(**chunk)); !status.ok()) return status;
  }
}

void LaneReceiver::end(const Status& why) {
  on_bytes_ = {};
  if (const auto on_end = std::exchange(on_end_, {})) on_end(why);
}

void LaneReceiver::close() {
  on_bytes_ = {};
  on_end_ = {};
  for (Lane& lane : lanes_) lane.stream->close();
}

}  // namespace imgrec::net
