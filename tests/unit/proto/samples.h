// Messages and bytes that the protocol's tests and the fuzz corpora share.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/crc32c.h"
#include "proto/frame.h"
#include "proto/message_codec.h"
#include "proto/messages.h"
#include "proto/wire.h"

namespace imgrec::proto::testing {

inline Hello sample_hello() {
  Hello hello;
  hello.name = "worker on b\xC3\xBCro-pc";
  hello.instance_id = "0123456789abcdef0123456789abcdef";
  hello.model_name = "bvlc_googlenet";
  hello.model_digest = std::string(64, 'd');
  hello.labels = {"n01440764 tench, Tinca tinca", "n01443537 goldfish", ""};
  hello.unsure_below = 0.25f;
  hello.streams = 2;
  hello.credit = 5;
  return hello;
}

inline Welcome sample_welcome() {
  return {.version = 1,
          .worker = WorkerId{77},
          .manager_id = "fedcba9876543210fedcba9876543210",
          .heartbeat = std::chrono::milliseconds(1500),
          .max_payload_bytes = 32u << 20};
}

inline Assign sample_assign(std::string image = "\x89PNG, or so it says") {
  return {.job = JobId{0x0102030405060708},
          .attempt = 3,
          .deadline = std::chrono::seconds(30),
          .top_k = 5,
          .image = std::make_shared<const std::string>(std::move(image))};
}

inline Outcome sample_outcome() {
  return {.job = JobId{9},
          .attempt = 1,
          .timing = {std::chrono::microseconds(11), std::chrono::microseconds(222),
                     std::chrono::microseconds(3333)},
          .from_cache = true,
          .top = {{1, 0.75f}, {0, 0.125f}, {2, 0.0f}}};
}

inline Fail sample_fail() {
  return {.job = JobId{10},
          .attempt = 2,
          .code = FailCode::kDamaged,
          .retriable = false,
          .text = "the JPEG ends in the middle"};
}

inline Open sample_open() {
  return {.min_version = 1,
          .max_version = 1,
          .instance_id = sample_hello().instance_id,
          .nonce = std::string("\x00\xFF any bytes, thirty-two of them", kJoinBytes)};
}

// One of each, in the order of the type numbers.
inline std::vector<Message> sample_messages() {
  return {sample_hello(),
          sample_welcome(),
          Refuse{RefuseCode::kModel, true, std::chrono::milliseconds(10'000), "another model"},
          sample_assign(),
          sample_outcome(),
          sample_fail(),
          Cancel{JobId{11}, 4, CancelReason::kDeleted},
          Ping{12, 987654321, {6, 1}},
          Pong{12, 987654321, {0, 2}},
          Drain{std::chrono::milliseconds(20'000), "the node is being emptied"},
          Bye{"done"},
          sample_open(),
          Challenge{std::string(kJoinBytes, '\x80'), std::string(kJoinBytes, '\0')},
          Proof{std::string(kJoinBytes, '\xFE')},
          Fill{std::make_shared<const std::string>("anything")},
          Lanes{8, sample_hello().instance_id},
          Lane{7, sample_hello().instance_id},
          Spread{},
          Batch{2}};
}

inline std::string bytes_of(const OutgoingFrame& frame) {
  return frame.body ? frame.head + *frame.body : frame.head;
}
inline std::string bytes_of(const Message& message) { return bytes_of(encode(message)); }
inline std::string bytes_of(const std::vector<OutgoingFrame>& frames) {
  std::string bytes;
  for (const OutgoingFrame& frame : frames) bytes += bytes_of(frame);
  return bytes;
}
inline std::string payload_of(const Message& message) {
  return bytes_of(message).substr(kHeaderBytes);
}

// A frame as a decoder would hand it over.
inline Frame frame_of(FrameType type, std::string payload, std::uint64_t id = 0) {
  return {type, 0, id, std::make_shared<std::string>(std::move(payload))};
}

// The id that a message of this type may have.
inline std::uint64_t fitting_id(FrameType type) {
  switch (type) {
    case FrameType::kAssign:
    case FrameType::kOutcome:
    case FrameType::kFail:
    case FrameType::kCancel:
    case FrameType::kPing:
    case FrameType::kPong:
      return 7;
    default:
      return 0;
  }
}

// A header with right sums over whatever fields are asked for; no payload follows.
inline std::string raw_header(std::uint8_t type, std::uint32_t payload_bytes,
                              std::uint32_t payload_crc = 0,
                              std::uint8_t frame_version = kFrameVersion,
                              std::uint32_t magic = kMagic) {
  std::string header(kHeaderBytes, '\0');
  store_big_endian(magic, header.data());
  store_big_endian(frame_version, header.data() + 4);
  store_big_endian(type, header.data() + 5);
  store_big_endian(payload_bytes, header.data() + 8);
  store_big_endian(payload_crc, header.data() + 12);
  store_big_endian(crc32c({header.data(), 24}), header.data() + 24);
  return header;
}

// Corrects both sums after a test changed something.
// REQUIRES: one whole frame.
inline void mend_sums(std::string& bytes) {
  store_big_endian(crc32c(std::string_view(bytes).substr(kHeaderBytes)), bytes.data() + 12);
  store_big_endian(crc32c({bytes.data(), 24}), bytes.data() + 24);
}

}  // namespace imgrec::proto::testing
