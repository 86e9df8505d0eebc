// Strong identifiers, so that a job is never passed where a worker is meant.
//
// Thread rule: plain values. Owns nothing.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace imgrec {

template <class Tag>
struct NumericId {
  std::uint64_t value = 0;
  friend auto operator<=>(const NumericId&, const NumericId&) = default;
};

// A job: the recognition of one image. Numbered by one manager's store, never reused there,
// never shown to clients. 0 is no job.
using JobId = NumericId<struct JobTag>;

// A registered worker connection. A worker that reconnects gets a new one. 0 is no worker.
using WorkerId = NumericId<struct WorkerTag>;

template <class Tag>
struct TextId {
  std::string text;
  bool empty() const { return text.empty(); }
  friend auto operator<=>(const TextId&, const TextId&) = default;
};

// An image's public, unguessable id: 32 lower-case hex digits (128 random bits).
using ImageId = TextId<struct ImageTag>;

// The browser or client that uploads: 16 to 64 characters of [A-Za-z0-9_-]; ours are 32 hex digits.
using SessionId = TextId<struct SessionTag>;

}  // namespace imgrec

template <class Tag>
struct std::hash<imgrec::NumericId<Tag>> {
  std::size_t operator()(const imgrec::NumericId<Tag>& id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value);
  }
};

template <class Tag>
struct std::hash<imgrec::TextId<Tag>> {
  std::size_t operator()(const imgrec::TextId<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.text);
  }
};
