#include "link/app/link.h"

namespace imgrec::link {
namespace {

// Between two looks at what is due: few, so that reading much holds up no delivery.
constexpr std::size_t kBatch = 32;

TimePoint clock_now() { return std::chrono::steady_clock::now(); }

}  // namespace

Result<std::unique_ptr<Link>> Link::open(const LinkConfig& config, std::size_t max_packets) {
  auto a = TunDevice::open(config.a, config.mtu);
  if (!a.ok()) return a.status();
  auto b = TunDevice::open(config.b, config.mtu);
  if (!b.ok()) return b.status();
  return std::unique_ptr<Link>(new Link(config, *std::move(a), *std::move(b), max_packets));
}

Link::Link(const LinkConfig& config, TunDevice a, TunDevice b, std::size_t max_packets)
    : config_(config),
      devices_{std::move(a), std::move(b)},
      directions_{Direction(config.a_to_b, config.seed * 2, config.mtu, max_packets),
                  Direction(config.b_to_a, config.seed * 2 + 1, config.mtu, max_packets)} {}

bool Link::take_in(std::size_t end) {
  Direction& direction = directions_[end];
  for (std::size_t i = 0; i < kBatch && !broken_; ++i) {
    std::size_t bytes = 0;
    const auto outcome = devices_[end].read(direction.buffer(), &bytes);
    if (outcome == TunDevice::Outcome::kNothing) return false;
    broken_ = outcome == TunDevice::Outcome::kGone;
    if (!broken_) direction.offer(clock_now(), bytes);
  }
  return !broken_;
}

void Link::take_in_waiting() {
  for (std::size_t end = 0; end < 2; ++end) {
    // Bounded, as somebody may send faster than can be read.
    for (std::size_t taken = 0; taken < TunDevice::kKernelQueue; taken += kBatch) {
      if (!take_in(end)) break;
    }
  }
}

bool Link::give_out() {
  bool more = false;
  for (std::size_t end = 0; end < 2; ++end) {
    std::size_t given = 0;
    while (given < kBatch && !broken_ && give_one(end)) ++given;
    more = more || given == kBatch;
  }
  return more && !broken_;
}

bool Link::give_one(std::size_t end) {
  const TimePoint now = clock_now();
  const auto packet = directions_[end].due(now);
  if (!packet) return false;
  const auto outcome = devices_[1 - end].write(packet->bytes);
  directions_[end].settle(now, outcome == TunDevice::Outcome::kDone);
  broken_ = outcome == TunDevice::Outcome::kGone;
  return true;
}

std::optional<TimePoint> Link::next_wake() const {
  if (broken_) return std::nullopt;
  const auto there = directions_[0].next_wake();
  const auto back = directions_[1].next_wake();
  if (!there || !back) return there ? there : back;
  return std::min(*there, *back);
}

void Link::reset_counters() {
  for (std::size_t end = 0; end < 2; ++end) {
    directions_[end].reset_counters();
    devices_[end].forget_unread();
  }
}

}  // namespace imgrec::link
