#include "manager/net/worker_lanes.h"

#include <algorithm>
#include <utility>

#include "net/random_id.h"

namespace imgrec::manager {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::seconds kPause{20};  // before they are asked for again

template <class T>
void add_up(std::optional<T>& sum, const std::optional<T>& more) {
  if (more) sum = sum.value_or(T{}) + *more;
}

void add_up(std::optional<net::TcpCounters>& sum, const std::optional<net::TcpCounters>& more) {
  if (!sum || !more) return;
  sum->payload_out += more->payload_out;
  sum->payload_in += more->payload_in;
  sum->payload_again += more->payload_again;
  sum->segments_out += more->segments_out;
  sum->segments_in += more->segments_in;
  sum->data_segments_out += more->data_segments_out;
  sum->retransmissions += more->retransmissions;
}

}  // namespace

WorkerLanes::WorkerLanes(unsigned count, net::SocketTuning tuning)
    : count_(count), tuning_(std::move(tuning)) {}

std::optional<proto::Lanes> WorkerLanes::ask(TimePoint now) {
  if (count_ == 0 || !key_.empty() || now < not_before_) return std::nullopt;
  key_ = net::random_id();
  given_up_at_ = now + kPatience;
  for (unsigned i = 0; i < count_; ++i) {
    lanes_.push_back({.stream = nullptr, .tuner = net::TcpTuner(tuning_)});
  }
  return proto::Lanes{static_cast<std::uint16_t>(count_), key_};
}

std::size_t WorkerLanes::missing() const {
  return static_cast<std::size_t>(std::count_if(
      lanes_.begin(), lanes_.end(), [](const Lane& lane) { return lane.stream == nullptr; }));
}

bool WorkerLanes::add(std::size_t index, std::shared_ptr<net::Stream> lane) {
  if (sender_ || index >= lanes_.size()) {
    lane->close();
    return false;
  }
  Lane& place = lanes_[index];
  if (place.stream) place.stream->close();
  place.stream = std::move(lane);
  place.tuner.begin(place.stream->socket().native_handle());
  if (missing() > 0) return false;
  std::vector<std::shared_ptr<net::Stream>> streams;
  for (const Lane& each : lanes_) streams.push_back(each.stream);
  sender_ = std::make_shared<net::LaneSender>(std::move(streams));
  return true;
}

bool WorkerLanes::on_time(TimePoint now) {
  if (key_.empty() || sender_ || now < given_up_at_) return false;
  close();
  lanes_.clear();
  not_before_ = now + kPause;
  return true;
}

net::TcpFigures WorkerLanes::follow(net::TcpFigures own) {
  if (!sender_) return own;
  for (Lane& lane : lanes_) {
    if (lane.stream->socket().is_open()) {
      const int fd = lane.stream->socket().native_handle();
      lane.figures = net::read_tcp_figures(fd);
      if (lane.figures) lane.tuner.follow(fd, *lane.figures);
    }
    ++own.connections;
    if (!lane.figures) continue;
    const net::TcpFigures& figures = *lane.figures;
    if (figures.least_rtt && (!own.least_rtt || figures.least_rtt < own.least_rtt)) {
      own.least_rtt = figures.least_rtt;
    }
    if (figures.rtt && (!own.rtt || figures.rtt < own.rtt)) own.rtt = figures.rtt;
    add_up(own.counters, figures.counters);
    add_up(own.delivery_bits_per_s, figures.delivery_bits_per_s);
    add_up(own.unacknowledged_bytes, figures.unacknowledged_bytes);
    add_up(own.congestion_window_bytes, figures.congestion_window_bytes);
  }
  if (own.least_rtt) sender_->follow(*own.least_rtt);
  return own;
}

void WorkerLanes::close() {
  key_.clear();
  if (sender_) sender_->close();
  for (Lane& lane : lanes_) {
    if (lane.stream) lane.stream->close();
  }
}

}  // namespace imgrec::manager
