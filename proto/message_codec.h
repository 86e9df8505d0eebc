// Messages to frames and back.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "proto/frame.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::proto {

// Limits of the fields; strings in bytes.
inline constexpr std::size_t kMaxNameBytes = 256;   // name, model_name
inline constexpr std::uint16_t kMaxLanes = 16;      // of a worker's connection
inline constexpr std::uint16_t kMaxBatch = 16;      // attempts that a stream computes together
inline constexpr std::size_t kMaxIdBytes = 64;      // instance_id, manager_id, model_digest, key
inline constexpr std::size_t kJoinBytes = 32;       // nonces and proofs of the join token, exactly
inline constexpr std::size_t kMaxTextBytes = 1024;  // reasons, failure texts
inline constexpr std::size_t kMaxLabels = 65536;
inline constexpr std::size_t kMaxLabelBytes = 512;
inline constexpr std::size_t kMaxTop = 1000;     // classes of one answer
inline constexpr float kScoreTolerance = 1e-4f;  // a sum of floats may end a little above 1
inline constexpr std::chrono::milliseconds kMaxHeartbeat{600'000};
// A connection's payload limit is at least this, so that every small message always fits.
inline constexpr std::uint32_t kMinMaxPayloadBytes = 64 * 1024;
// What ASSIGN's payload has before the image.
inline constexpr std::size_t kAssignFieldBytes = 10;

FrameType type_of(const Message& message);

// REQUIRES: the message is within the limits of PROTOCOL.md (our own code made it); strings over
// their limit are cut, never sent too long, and durations saturate (negative ones to 0). An
// Assign's image becomes the frame's body, uncopied.
OutgoingFrame encode(const Message& message);

// kInvalidArgument where fields are missing, too long, out of range, or bytes are left over.
// kUnsupported for an unknown frame type, or flags, of which version 1 has none.
// Text that people read comes out clean (proto/text.h). An Assign's image is the frame's payload
// with the fields moved out of it; it is copied only where somebody else holds that payload.
Result<Message> decode(Frame frame);

struct VersionRange {
  std::uint8_t min = 0;
  std::uint8_t max = 0;
};
// The first two bytes of a HELLO or an OPEN, which mean the same in every protocol version, so that
// a peer can be told that versions do not match though the rest cannot be read. nullopt: too short.
// REQUIRES: frame.type is one of them.
std::optional<VersionRange> peek_versions(const Frame& frame);

}  // namespace imgrec::proto
