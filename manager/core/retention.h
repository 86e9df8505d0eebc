// When stored images are removed for their age or for the room they take, and which. Pure: times
// and sizes in, decisions out; the storage removes.
//
// Thread rule: confined to one thread (the storage thread).
// Owns: its options and when to look next.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "manager/core/image_record.h"
#include "manager/core/scheduler.h"

namespace imgrec::manager {

struct RetentionOptions {
  std::chrono::milliseconds keep_for{0};  // since an image settled; 0: for ever
  std::uint64_t keep_bytes = 0;           // uploaded bytes kept in all; 0: without end
};

class Retention {
 public:
  // Images removed in one transaction: few, so that uploads in the same one hardly notice.
  static constexpr std::size_t kBatch = 32;

  explicit Retention(RetentionOptions options) : options_(options) {}

  bool enabled() const { return options_.keep_for.count() > 0 || options_.keep_bytes > 0; }

  // May the oldest settled image go? `stored_bytes`: of all images, those that are open included.
  bool expired(WallTime settled, WallTime now, std::uint64_t stored_bytes) const;

  // Is it time to look for expired images?
  bool due(TimePoint now, std::uint64_t stored_bytes) const;
  // When it is, should nothing else happen; nullopt: never.
  std::optional<TimePoint> next_look() const;

  // What a look came to: `removed` images, or (nullopt) the storage could not remove them.
  void looked(TimePoint now, std::optional<std::size_t> removed, std::uint64_t stored_bytes);

 private:
  bool too_much(std::uint64_t stored_bytes) const {
    return options_.keep_bytes > 0 && stored_bytes > options_.keep_bytes;
  }

  RetentionOptions options_;
  TimePoint next_look_{};   // for age; the first look is at once
  TimePoint not_before_{};  // however much is stored
};

}  // namespace imgrec::manager
