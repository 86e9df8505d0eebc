#include "manager/net/worker_lanes.h"

#include <algorithm>
#include <utility>

#include "net/random_id.h"

namespace imgrec::manager {
namespace {

constexpr std::chrono::seconds kPatience{10};

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
  if (asked_ || count_ == 0) return std::nullopt;
  asked_ = true;
  key_ = net::random_id();
  given_up_at_ = now + kPatience;
  return proto::Lanes{static_cast<std::uint16_t>(count_), key_};
}

bool WorkerLanes::add(std::shared_ptr<net::Stream> lane) {
  lanes_.push_back({.stream = std::move(lane), .tuner = net::TcpTuner(tuning_)});
  lanes_.back().tuner.begin(lanes_.back().stream->socket().native_handle());
  if (lanes_.size() < count_) return false;
  key_.clear();
  std::vector<std::shared_ptr<net::Stream>> streams;
  for (const Lane& each : lanes_) streams.push_back(each.stream);
  sender_ = std::make_shared<net::LaneSender>(std::move(streams));
  return true;
}

void WorkerLanes::on_time(TimePoint now) {
  if (key_.empty() || now < given_up_at_) return;
  close();
  lanes_.clear();
}

net::TcpFigures WorkerLanes::follow(net::TcpFigures own) {
  for (Lane& lane : lanes_) {
    if (lane.stream->socket().is_open()) {
      const int fd = lane.stream->socket().native_handle();
      lane.figures = net::read_tcp_figures(fd);
      if (lane.figures) lane.tuner.follow(fd, *lane.figures);
    }
    if (!lane.figures) continue;
    if (lane.figures->least_rtt && (!own.least_rtt || lane.figures->least_rtt < own.least_rtt)) {
      own.least_rtt = lane.figures->least_rtt;
    }
    add_up(own.counters, lane.figures->counters);
    if (!sender_) continue;  // nothing is sent over it yet
    ++own.connections;
    if (lane.figures->rtt && (!own.rtt || lane.figures->rtt < own.rtt)) own.rtt = lane.figures->rtt;
    add_up(own.delivery_bits_per_s, lane.figures->delivery_bits_per_s);
    add_up(own.unacknowledged_bytes, lane.figures->unacknowledged_bytes);
    add_up(own.congestion_window_bytes, lane.figures->congestion_window_bytes);
  }
  return own;
}

void WorkerLanes::close() {
  key_.clear();
  for (Lane& lane : lanes_) lane.stream->close();
}

}  // namespace imgrec::manager
