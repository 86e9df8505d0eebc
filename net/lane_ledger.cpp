#include "net/lane_ledger.h"

#include <algorithm>
#include <utility>

namespace imgrec::net {
namespace {

constexpr std::size_t kMostLookedAt = 64;

}  // namespace

void LaneLedger::handed(std::size_t lane, std::uint64_t position, Bytes bytes, TimePoint now) {
  lanes_[lane].under_way.push_back(
      {.position = position, .end = kNotWritten, .size = bytes->size(), .at = now});
  lanes_[lane].bytes += bytes->size();
  Sent& piece = pieces_[position];
  piece.bytes = std::move(bytes);
  ++piece.copies;
  piece.last = now;
}

void LaneLedger::written(std::size_t lane, std::uint64_t end) {
  lanes_[lane].under_way.back().end = end;
}

void LaneLedger::acknowledged(std::size_t lane, std::uint64_t up_to) {
  Lane& on = lanes_[lane];
  while (!on.under_way.empty() && on.under_way.front().end <= up_to) {
    pieces_.erase(on.under_way.front().position);  // its copies are of no use any more
    on.bytes -= on.under_way.front().size;
    on.under_way.pop_front();
  }
}

LaneLedger::Piece LaneLedger::to_repeat(std::size_t lane, TimePoint now) const {
  const auto& under_way = lanes_[lane].under_way;
  if (!under_way.empty() && now - under_way.front().at >= patience_) return {};
  std::size_t left = kMostLookedAt;
  for (const auto& [position, piece] : pieces_) {
    if (left-- == 0) break;
    if (piece.copies >= kMostCopies || now - piece.last < patience_) continue;
    return {position, piece.bytes};
  }
  return {};
}

bool LaneLedger::quiet() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return lane.under_way.empty(); });
}

}  // namespace imgrec::net
