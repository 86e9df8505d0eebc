// The frame: fixed header, payload, two CRC-32C sums. proto/PROTOCOL.md is the authority.
//
// Thread rule: not shared; one decoder per connection.
// Owns: the bytes of at most one incomplete frame, never more than the limit allows, and what was
// fed since next() last answered nullopt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::proto {

inline constexpr std::uint32_t kMagic = 0x494D4752;  // "IMGR"
inline constexpr std::uint8_t kFrameVersion = 1;     // layout of the header, not of the messages
inline constexpr std::size_t kHeaderBytes = 28;
inline constexpr std::uint32_t kDefaultMaxPayloadBytes = 64u << 20;

enum class FrameType : std::uint8_t {
  kHello = 1,
  kWelcome = 2,
  kRefuse = 3,
  kAssign = 4,
  kOutcome = 5,  // RESULT on the wire
  kFail = 6,
  kCancel = 7,
  kPing = 8,
  kPong = 9,
  kDrain = 10,
  kBye = 11,
  kOpen = 12,
  kChallenge = 13,
  kProof = 14,
  kFill = 15,
  kLanes = 16,
  kLane = 17,
  kSpread = 18,
  kBatch = 19,
};

// The name on the wire: "RESULT"; "unknown" for a number that is no type.
std::string_view to_string(FrameType type);
bool is_known(FrameType type);

// The largest payload that a type may ever have. ASSIGN has none of its own: its limit is the one
// that the connection agreed on. REQUIRES: is_known(type).
std::uint32_t payload_limit(FrameType type);

class FrameTypeSet {
 public:
  constexpr FrameTypeSet(std::initializer_list<FrameType> types) {
    for (const FrameType type : types) bits_ |= bit(type);
  }
  static constexpr FrameTypeSet all() {
    FrameTypeSet set{};
    set.bits_ = ~std::uint32_t{0};
    return set;
  }
  // REQUIRES: is_known(type).
  constexpr bool contains(FrameType type) const { return (bits_ & bit(type)) != 0; }
  std::string names() const;  // "HELLO, BYE"

 private:
  static constexpr std::uint32_t bit(FrameType type) {
    return std::uint32_t{1} << static_cast<unsigned>(type);
  }
  std::uint32_t bits_ = 0;
};

struct Frame {
  FrameType type = FrameType::kBye;
  std::uint16_t flags = 0;
  std::uint64_t id = 0;  // job id or correlation id
  // Shared so that an image can leave the decoder without a copy. Never null in a decoder's frame.
  std::shared_ptr<std::string> payload;
};

// Bytes ready to be written with one gathered write: `head`, then `body` where there is one.
struct OutgoingFrame {
  std::string head;  // header and the small part of the payload
  SharedBytes body;  // the image, or null
  std::size_t size() const { return head.size() + (body ? body->size() : 0); }
};

// Frames a payload of `fields` followed by `body` (may be null), which is summed but not copied.
// REQUIRES: together they are smaller than 4 GiB.
OutgoingFrame make_frame(FrameType type, std::uint16_t flags, std::uint64_t id,
                         std::string_view fields, SharedBytes body = nullptr);

// Bytes in, frames out; moves bytes and nothing else. Whatever a header claims, a payload's room is
// at most 1 MiB or four times what has arrived of it, and never more than the payload.
class FrameDecoder {
 public:
  explicit FrameDecoder(std::uint32_t max_payload_bytes = kDefaultMaxPayloadBytes);

  // The limit of every frame that has not begun; types that have a lower limit of their own
  // (payload_limit) keep it.
  void set_max_payload_bytes(std::uint32_t bytes);

  // Frames of other types that have not begun are errors, by their header alone. `reader` says in
  // error texts who takes only these: "a manager that waits for HELLO".
  void accept_only(FrameTypeSet types, std::string reader);

  // Takes over bytes as they came; any slicing gives the same frames. Call next() until nullopt
  // after each feed, so that a large payload goes straight to its place.
  void feed(std::string_view bytes);

  // nullopt: more bytes are needed. An error is final: the stream cannot be trusted any more.
  // The header's sum, type and limits are checked before anything is allocated.
  //   kInvalidArgument     not our protocol at all (magic)
  //   kUnsupported         frame version or type that we do not know
  //   kDataLoss            a sum does not match: damaged on the way
  //   kResourceExhausted   payload over its limit
  //   kFailedPrecondition  a type that is not accepted here
  Result<std::optional<Frame>> next();

  // The type of the frame that was an error because it is not accepted here; nullopt for every
  // other error and for none. For texts that say more than that.
  std::optional<FrameType> unaccepted() const { return unaccepted_; }

  // True between frames: a connection that ends here was not cut in the middle of one.
  bool at_boundary() const;

  // What it takes up at present, room for what is still to come included.
  std::size_t memory_bytes() const;

 private:
  struct Header {
    Frame frame;
    std::uint32_t payload_bytes = 0;
    std::uint32_t payload_crc = 0;
  };

  std::string_view unread() const { return std::string_view(buffer_).substr(read_); }
  void consume(std::size_t count);
  Status check_prefix() const;
  Result<Header> read_header();
  void take_payload(std::string_view bytes);
  std::size_t payload_missing() const;

  std::uint32_t max_payload_bytes_;
  FrameTypeSet accepted_ = FrameTypeSet::all();
  std::string reader_;
  std::string buffer_;             // bytes that came, headers for the most part
  std::size_t read_ = 0;           // of those, consumed
  std::optional<Header> partial_;  // header accepted; while its payload is incomplete, buffer_ is
                                   // empty and feed() writes to the payload
  std::uint32_t partial_crc_ = 0;  // of the payload so far
  std::optional<Status> failed_;
  std::optional<FrameType> unaccepted_;
};

}  // namespace imgrec::proto
