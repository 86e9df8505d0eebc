#include "worker/net/lane_dialer.h"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"
#include "proto/message_codec.h"

namespace imgrec::worker {
namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

constexpr unsigned kMostTries = 8;

}  // namespace

LaneDialer::LaneDialer(asio::any_io_executor executor, LaneDialerOptions options,
                       proto::Lanes lanes)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      greeting_(proto::encode(proto::Lane{lanes.key}).head) {
  for (unsigned i = 0; i < lanes.count; ++i) {
    lanes_.push_back({.stream = nullptr, .tries = 0, .timer = asio::steady_timer(executor_)});
  }
}

void LaneDialer::start() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) connect(i);
}

// A try that is overtaken by its successor ends with operation_aborted, and finds another stream in
// its place.
void LaneDialer::connect(std::size_t index) {
  Lane& lane = lanes_[index];
  if (stopped_ || lane.tries++ == kMostTries) return;
  if (lane.stream) lane.stream->close();
  lane.stream = std::make_shared<net::Stream>(net::Stream::Tcp::socket(executor_), options_.tls);
  lane.stream->socket().async_connect(
      options_.manager,
      [self = shared_from_this(), index, stream = lane.stream](const ErrorCode& error) {
        if (self->stopped_ || stream != self->lanes_[index].stream) return;
        self->lanes_[index].timer.cancel();
        if (error) return self->failed(index, error.message());
        self->secure(index);
      });
  lane.timer.expires_after(options_.connect_patience * lane.tries);
  lane.timer.async_wait(
      [self = shared_from_this(), index, stream = lane.stream](const ErrorCode& error) {
        if (!error && stream == self->lanes_[index].stream) self->connect(index);
      });
}

void LaneDialer::secure(std::size_t index) {
  const auto stream = lanes_[index].stream;
  net::TcpTuner(options_.tuning).begin(stream->socket().native_handle());
  stream->handshake(options_.tls_server_name,
                    [self = shared_from_this(), index, stream](const Status& status) {
                      if (self->stopped_ || stream != self->lanes_[index].stream) return;
                      if (!status.ok()) return self->failed(index, status.message());
                      self->introduce(index);
                    });
}

void LaneDialer::introduce(std::size_t index) {
  const auto stream = lanes_[index].stream;
  stream->write({asio::buffer(greeting_)},
                [self = shared_from_this(), index, stream](const ErrorCode& error, std::size_t) {
                  if (self->stopped_ || stream != self->lanes_[index].stream) return;
                  if (error) return self->failed(index, stream->explain(error, "the manager"));
                  ++self->done_;
                });
}

void LaneDialer::failed(std::size_t index, const std::string& what) {
  spdlog::debug("lane_failed lane={} error={}", index, log_text(what));
  Lane& lane = lanes_[index];
  lane.timer.expires_after(options_.connect_patience * lane.tries);
  lane.timer.async_wait([self = shared_from_this(), index](const ErrorCode& error) {
    if (!error) self->connect(index);
  });
}

std::vector<std::shared_ptr<net::Stream>> LaneDialer::take() {
  std::vector<std::shared_ptr<net::Stream>> streams;
  for (Lane& lane : lanes_) streams.push_back(std::move(lane.stream));
  stop();
  return streams;
}

void LaneDialer::stop() {
  stopped_ = true;
  for (Lane& lane : lanes_) {
    lane.timer.cancel();
    if (lane.stream) lane.stream->close();
  }
}

}  // namespace imgrec::worker
