#include "link/core/direction.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace imgrec::link {
namespace {

// Different dice for loss and jitter, so that neither changes what the other throws.
std::uint64_t stream(std::uint64_t seed, std::uint64_t number) {
  Random random(seed + number * 0xD1B54A32D192ED03u);
  return random.next();
}

}  // namespace

Direction::Direction(const DirectionSettings& settings, std::uint64_t seed,
                     std::size_t max_packet_bytes, std::size_t max_packets)
    : settings_(settings),
      pool_(max_packet_bytes, max_packets),
      loss_(stream(seed, 1)),
      jitter_(stream(seed, 2)),
      overflow_(max_packet_bytes) {
  loss_.set(settings_);
}

void Direction::change(const DirectionSettings& settings, TimePoint now) {
  advance(now);
  const std::uint64_t old_rate = settings_.rate;
  settings_ = settings;
  loss_.set(settings_);
  if (settings_.down) {
    cut_all();
  } else if (!waiting_.empty() && settings_.rate != old_rate) {
    // What is left of the packet being sent goes at the new rate. (Where one waits, there was one.)
    const double left = static_cast<double>((first_is_sent_ - now).count());
    const double faster = static_cast<double>(settings_.rate) / static_cast<double>(old_rate);
    first_is_sent_ = now + Duration(settings_.rate == 0 ? 0 : std::llround(left / faster));
    carried_ = 0;
    advance(now);
  }
}

std::span<std::byte> Direction::buffer() {
  if (!buffer_) buffer_ = pool_.take();
  return buffer_ ? pool_.room(*buffer_) : std::span<std::byte>(overflow_);
}

void Direction::offer(TimePoint now, std::size_t bytes) {
  advance(now);
  const auto size = static_cast<std::uint32_t>(bytes);
  counters_.in.add(size);
  // Only a packet that is kept uses up its slot.
  if (settings_.down) return counters_.cut.add(size);
  if (!buffer_) return counters_.overflowed.add(size);
  if (!queue_has_room(size)) return counters_.dropped.add(size);
  const PacketPool::Slot slot = *buffer_;
  buffer_.reset();
  pool_.info(slot) = {now, size};
  waiting_.push(slot);
  if (waiting_.size() > 1) {
    waiting_bytes_ += size;
    return;
  }
  carried_ = 0;
  begin_sending(now);
  advance(now);
}

bool Direction::queue_has_room(std::uint32_t bytes) const {
  if (waiting_.size() <= 1) return true;
  if (settings_.queue.bytes != 0) return waiting_bytes_ + bytes <= settings_.queue.bytes;
  const double limit =
      static_cast<double>(settings_.rate) / 8e9 * static_cast<double>(settings_.queue.time.count());
  return static_cast<double>(waiting_bytes_ + bytes) <= limit;
}

Duration Direction::sending_time(std::uint32_t bytes) {
  if (settings_.rate == 0) return Duration(0);
  // 64 KiB in bits times 10^9 is far below 2^64.
  const std::uint64_t work = std::uint64_t{bytes} * 8 * 1'000'000'000 + carried_;
  carried_ = work % settings_.rate;
  return Duration(work / settings_.rate);
}

void Direction::begin_sending(TimePoint now) {
  first_is_sent_ = now + sending_time(pool_.info(waiting_.front()).bytes);
}

void Direction::advance(TimePoint now) {
  while (!waiting_.empty() && first_is_sent_ <= now) {
    const TimePoint when = first_is_sent_;
    const PacketPool::Slot slot = waiting_.front();
    waiting_.pop();
    if (!waiting_.empty()) {
      waiting_bytes_ -= pool_.info(waiting_.front()).bytes;
      begin_sending(when);
    }
    sent(slot, when);
  }
}

void Direction::sent(PacketPool::Slot slot, TimePoint when) {
  if (loss_.next()) return release(slot, counters_.lost);
  TimePoint due = when + draw_delay();
  if (!settings_.reorder) due = std::max(due, last_due_);
  last_due_ = std::max(due, last_due_);
  under_way_.push_back({due, next_number_++, slot});
  std::push_heap(under_way_.begin(), under_way_.end(), std::greater<>());
}

Duration Direction::draw_delay() {
  if (settings_.jitter == Duration(0)) return settings_.delay;
  const double off =
      settings_.jitter_shape == JitterShape::kNormal ? jitter_.normal() : jitter_.symmetric();
  const auto jitter = static_cast<double>(settings_.jitter.count());
  return std::max(Duration(0), settings_.delay + Duration(std::llround(off * jitter)));
}

std::optional<Direction::DuePacket> Direction::due(TimePoint now) {
  advance(now);
  if (under_way_.empty() || under_way_.front().due > now) return std::nullopt;
  const Arrival& first = under_way_.front();
  return DuePacket{pool_.room(first.slot).first(pool_.info(first.slot).bytes), first.due};
}

void Direction::settle(TimePoint now, bool taken) {
  std::pop_heap(under_way_.begin(), under_way_.end(), std::greater<>());
  const Arrival arrival = under_way_.back();
  under_way_.pop_back();
  if (taken) {
    const Duration sojourn = now - pool_.info(arrival.slot).arrived;
    counters_.sojourn_sum += sojourn;
    counters_.sojourn_max = std::max(counters_.sojourn_max, sojourn);
    counters_.lateness.add(now - arrival.due);
  }
  release(arrival.slot, taken ? counters_.delivered : counters_.refused);
}

std::optional<TimePoint> Direction::next_wake() const {
  std::optional<TimePoint> wake;
  if (!under_way_.empty()) wake = under_way_.front().due;
  if (!waiting_.empty()) {
    // The line needs no waking when it has sent a packet, only when that may be due: half the
    // wakes.
    const Duration least = settings_.jitter_shape == JitterShape::kNormal
                               ? std::max(Duration(0), settings_.delay - 4 * settings_.jitter)
                               : settings_.delay - settings_.jitter;
    const TimePoint earliest = first_is_sent_ + least;
    wake = wake ? std::min(*wake, earliest) : earliest;
  }
  return wake;
}

void Direction::cut_all() {
  for (; !waiting_.empty(); waiting_.pop()) release(waiting_.front(), counters_.cut);
  for (const Arrival& arrival : under_way_) release(arrival.slot, counters_.cut);
  under_way_.clear();
  waiting_bytes_ = 0;
  last_due_ = {};
}

void Direction::release(PacketPool::Slot slot, DirectionCounters::Count& count) {
  count.add(pool_.info(slot).bytes);
  pool_.give_back(slot);
}

void Direction::reset_counters() {
  counters_ = {};
  for (const Arrival& arrival : under_way_) counters_.in.add(pool_.info(arrival.slot).bytes);
  // A ring is walked by turning it round once.
  for (std::size_t i = waiting_.size(); i > 0; --i) {
    counters_.in.add(pool_.info(waiting_.front()).bytes);
    waiting_.push(waiting_.front());
    waiting_.pop();
  }
}

}  // namespace imgrec::link
