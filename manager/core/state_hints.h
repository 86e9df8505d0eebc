// States of images that pages are told only of images that are not settled a moment later: most are
// settled before anybody could read that they were under way, and each message costs both ends.
//
// Thread rule: confined to one thread. Owns: its entries, one for each image at most.
#pragma once

#include <chrono>
#include <cstdint>
#include <iterator>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "manager/core/image_record.h"

namespace imgrec::manager {

struct StateHint {
  ImageId id;
  SessionId session;
  ImageState state = ImageState::kQueued;
  std::uint32_t attempts = 0;
  std::string worker;
};

class StateHints {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // `lasts`: how long after an image's first news what is newest of it is due.
  explicit StateHints(std::chrono::milliseconds lasts) : lasts_(lasts) {}

  void note(StateHint hint, TimePoint now) {
    if (const auto known = by_image_.find(hint.id); known != by_image_.end()) {
      known->second->hint = std::move(hint);
      return;
    }
    const ImageId id = hint.id;
    by_age_.push_back({std::move(hint), now + lasts_});
    by_image_.emplace(id, std::prev(by_age_.end()));
  }

  // The image is settled, or gone.
  void forget(const ImageId& id) {
    const auto known = by_image_.find(id);
    if (known == by_image_.end()) return;
    by_age_.erase(known->second);
    by_image_.erase(known);
  }

  std::optional<TimePoint> next() const {
    if (by_age_.empty()) return std::nullopt;
    return by_age_.front().due;
  }

  // Takes out the first hint that is due.
  std::optional<StateHint> pop_due(TimePoint now) {
    if (by_age_.empty() || by_age_.front().due > now) return std::nullopt;
    StateHint hint = std::move(by_age_.front().hint);
    by_image_.erase(hint.id);
    by_age_.pop_front();
    return hint;
  }

 private:
  struct Entry {
    StateHint hint;
    TimePoint due;
  };
  const std::chrono::milliseconds lasts_;
  std::list<Entry> by_age_;  // oldest first
  std::unordered_map<ImageId, std::list<Entry>::iterator> by_image_;
};

}  // namespace imgrec::manager
