// The frame: fixed header, payload, two CRC-32C sums. proto/PROTOCOL.md is the authority.
//
// Thread rule: not shared; one decoder per connection.
// Owns: the bytes of at most one incomplete frame, never more than the limit allows.
#pragma once

#include <cstdint>
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
};

struct Frame {
  FrameType type = FrameType::kBye;
  std::uint16_t flags = 0;
  std::uint64_t id = 0;  // job id or correlation id
  // Shared so that an image can leave the decoder without a copy.
  std::shared_ptr<std::string> payload;
};

// Bytes ready to be written with one gathered write: `head`, then `body` where there is one.
struct OutgoingFrame {
  std::string head;  // header and the small part of the payload
  SharedBytes body;  // the image, or null
  std::size_t size() const { return head.size() + (body ? body->size() : 0); }
};

// Bytes in, frames out; moves bytes and nothing else.
class FrameDecoder {
 public:
  explicit FrameDecoder(std::uint32_t max_payload_bytes = kDefaultMaxPayloadBytes);

  // Lowers or raises the limit for frames that have not begun (small before the handshake).
  void set_max_payload_bytes(std::uint32_t bytes);

  // Takes over bytes as they came; any slicing gives the same frames.
  void feed(std::string_view bytes);

  // nullopt: more bytes are needed. An error is final: the stream cannot be trusted any more.
  // The header's sum and the length limit are checked before anything is allocated.
  Result<std::optional<Frame>> next();

  // True between frames: a connection that ends here was not cut in the middle of one.
  bool at_boundary() const;

 private:
  std::uint32_t max_payload_bytes_;
  std::string buffer_;            // unread bytes
  std::size_t read_ = 0;          // of those, consumed
  std::optional<Frame> partial_;  // header accepted, payload incomplete
  std::size_t partial_bytes_ = 0;
  std::uint32_t partial_crc_ = 0;
  std::optional<Status> failed_;
};

}  // namespace imgrec::proto
