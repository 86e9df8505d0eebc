#include "worker/net/lane_dialer.h"

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"
#include "net/tcp_figures.h"
#include "proto/message_codec.h"

namespace imgrec::worker {
namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

LaneDialer::LaneDialer(asio::any_io_executor executor, LaneDialerOptions options,
                       proto::Lanes lanes)
    : executor_(std::move(executor)), options_(std::move(options)), end_(executor_) {
  for (std::uint16_t i = 0; i < lanes.count; ++i) {
    lanes_.push_back({.stream = nullptr,
                      .earlier = {},
                      .greeting = proto::encode(proto::Lane{i, lanes.key}).head,
                      .step = Step::kWaiting,
                      .tries = 0,
                      .timer = asio::steady_timer(executor_)});
  }
}

void LaneDialer::start() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) connect(i);
  end_.expires_after(options_.give_up_after);
  end_.async_wait([self = shared_from_this()](const ErrorCode& error) {
    if (!error) self->stop();
  });
}

bool LaneDialer::current(std::size_t lane, const Stream& stream) const {
  return !stopped_ && lanes_[lane].stream == stream;
}

void LaneDialer::connect(std::size_t index) {
  Lane& lane = lanes_[index];
  ++lane.tries;
  if (lane.step == Step::kSaid) {
    lane.earlier.push_back(std::move(lane.stream));
  } else if (lane.stream) {
    lane.stream->close();
  }
  lane.step = Step::kConnecting;
  lane.stream = std::make_shared<net::Stream>(net::Stream::Tcp::socket(executor_), options_.tls);
  lane.stream->socket().async_connect(
      options_.manager,
      [self = shared_from_this(), index, stream = lane.stream](const ErrorCode& error) {
        if (!self->current(index, stream)) return;
        if (error) return self->try_later(index, error.message());
        self->secure(index);
      });
  hurry(index, options_.connect_patience * lane.tries);
}

void LaneDialer::hurry(std::size_t index, std::chrono::milliseconds patience) {
  Lane& lane = lanes_[index];
  lane.timer.expires_after(patience);
  lane.timer.async_wait([self = shared_from_this(), index, stream = lane.stream,
                         step = lane.step](const ErrorCode& error) {
    if (error || !self->current(index, stream) || self->lanes_[index].step != step) return;
    if (!self->said_and_heard(index)) self->connect(index);
  });
}

bool LaneDialer::said_and_heard(std::size_t index) const {
  const Lane& lane = lanes_[index];
  if (lane.step != Step::kSaid) return false;
  const auto backlog = net::read_backlog(lane.stream->socket().native_handle());
  return !backlog || backlog->unacknowledged == 0;
}

void LaneDialer::secure(std::size_t index) {
  lanes_[index].step = Step::kSecuring;
  hurry(index, options_.word_patience);
  const auto stream = lanes_[index].stream;
  net::TcpTuner(options_.tuning).begin(stream->socket().native_handle());
  stream->handshake(options_.tls_server_name,
                    [self = shared_from_this(), index, stream](const Status& status) {
                      if (!self->current(index, stream)) return;
                      if (!status.ok()) return self->try_later(index, status.message());
                      self->introduce(index);
                    });
}

void LaneDialer::introduce(std::size_t index) {
  const auto stream = lanes_[index].stream;
  stream->write({asio::buffer(lanes_[index].greeting)},
                [self = shared_from_this(), index, stream](const ErrorCode& error, std::size_t) {
                  if (!self->current(index, stream)) return;
                  if (error) return self->try_later(index, stream->explain(error, "the manager"));
                  self->lanes_[index].step = Step::kSaid;
                  self->hurry(index, self->options_.word_patience);
                  self->watch(index);
                });
}

// Before all are in use nothing comes on a lane but its end, or the manager's REFUSE. What comes
// afterwards stays where it is, for whoever takes the lanes.
void LaneDialer::watch(std::size_t index) {
  const auto stream = lanes_[index].stream;
  stream->socket().async_wait(net::Stream::Tcp::socket::wait_read,
                              [self = shared_from_this(), index, stream](const ErrorCode& error) {
                                if (!self->current(index, stream)) return;
                                ErrorCode closed;
                                if (error || (stream->socket().available(closed) == 0) || closed) {
                                  self->try_later(index, "the manager closed it");
                                }
                              });
}

void LaneDialer::try_later(std::size_t index, const std::string& why) {
  spdlog::debug("lane_failed lane={} error={}", index, log_text(why));
  Lane& lane = lanes_[index];
  lane.step = Step::kWaiting;
  lane.timer.expires_after(options_.connect_patience * lane.tries);
  lane.timer.async_wait(
      [self = shared_from_this(), index, stream = lane.stream](const ErrorCode& error) {
        if (!error && self->current(index, stream)) self->connect(index);
      });
}

bool LaneDialer::complete() const {
  return !stopped_ && std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
    return lane.step == Step::kSaid || !lane.earlier.empty();
  });
}

std::vector<std::shared_ptr<net::Stream>> LaneDialer::take() {
  std::vector<Stream> streams;
  for (Lane& lane : lanes_) {
    streams.insert(streams.end(), lane.earlier.begin(), lane.earlier.end());
    lane.earlier.clear();
    if (lane.step == Step::kSaid) streams.push_back(std::move(lane.stream));
  }
  for (const Stream& stream : streams) {
    ErrorCode ignored;
    stream->socket().cancel(ignored);  // the watch
  }
  stop();
  return streams;
}

void LaneDialer::stop() {
  stopped_ = true;
  end_.cancel();
  for (Lane& lane : lanes_) {
    lane.timer.cancel();
    if (lane.stream) lane.stream->close();
    for (const Stream& stream : lane.earlier) stream->close();
  }
}

}  // namespace imgrec::worker
