#include "proto/frame.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "proto/crc32c.h"
#include "proto/wire.h"

namespace imgrec::proto {
namespace {

// Where the header's fields are.
constexpr std::size_t kMagicAt = 0;
constexpr std::size_t kFrameVersionAt = 4;
constexpr std::size_t kTypeAt = 5;
constexpr std::size_t kFlagsAt = 6;
constexpr std::size_t kPayloadBytesAt = 8;
constexpr std::size_t kPayloadCrcAt = 12;
constexpr std::size_t kIdAt = 16;
constexpr std::size_t kHeaderCrcAt = 24;

// A claimed length is believed this far before its bytes have come.
constexpr std::size_t kFirstReserveBytes = 1u << 20;
// Then room grows by this factor: a 64 MiB payload moves a third of itself once more.
constexpr std::size_t kReserveFactor = 4;
// Above this an emptied read buffer gives its memory back.
constexpr std::size_t kKeptBufferBytes = 256 * 1024;

struct TypeTraits {
  FrameType type;
  std::string_view name;
  std::uint32_t payload_limit;
};

constexpr std::uint32_t kSmall = 4 * 1024;
constexpr std::uint32_t kReport = 64 * 1024;
constexpr std::uint32_t kLabels = 4u << 20;
constexpr std::uint32_t kAgreed = 0xFFFFFFFF;

constexpr std::array kTypes{
    TypeTraits{FrameType::kHello, "HELLO", kLabels},
    TypeTraits{FrameType::kWelcome, "WELCOME", kSmall},
    TypeTraits{FrameType::kRefuse, "REFUSE", kSmall},
    TypeTraits{FrameType::kAssign, "ASSIGN", kAgreed},
    TypeTraits{FrameType::kOutcome, "RESULT", kReport},
    TypeTraits{FrameType::kFail, "FAIL", kReport},
    TypeTraits{FrameType::kCancel, "CANCEL", kSmall},
    TypeTraits{FrameType::kPing, "PING", kSmall},
    TypeTraits{FrameType::kPong, "PONG", kSmall},
    TypeTraits{FrameType::kDrain, "DRAIN", kSmall},
    TypeTraits{FrameType::kBye, "BYE", kSmall},
    TypeTraits{FrameType::kOpen, "OPEN", kSmall},
    TypeTraits{FrameType::kChallenge, "CHALLENGE", kSmall},
    TypeTraits{FrameType::kProof, "PROOF", kSmall},
    TypeTraits{FrameType::kFill, "FILL", kReport},
    TypeTraits{FrameType::kLanes, "LANES", kSmall},
    TypeTraits{FrameType::kLane, "LANE", kSmall},
    TypeTraits{FrameType::kSpread, "SPREAD", kSmall},
    TypeTraits{FrameType::kBatch, "BATCH", kSmall},
};

const TypeTraits* find_type(FrameType type) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const TypeTraits& traits) { return traits.type == type; });
  return found == kTypes.end() ? nullptr : found;
}

std::string hex(std::uint32_t value) {
  std::array<char, 11> text{};
  std::snprintf(text.data(), text.size(), "0x%08X", value);
  return text.data();
}

// The stream does not begin as a frame must. Strangers find open ports: say who this one seems to
// be, for whoever reads the log.
Status bad_magic(std::string_view first_four) {
  const auto printable = [](char c) { return ' ' <= c && c <= '~'; };
  const bool is_text = std::all_of(first_four.begin(), first_four.end(), printable);
  std::string text = "bad magic " + hex(load_big_endian<std::uint32_t>(first_four.data()));
  if (is_text) text.append(" (\"").append(first_four).append("\")");
  text += ": this port speaks the imgrec worker protocol";
  constexpr std::array<std::string_view, 9> kHttp{"GET ", "HEAD", "POST", "PUT ", "DELE",
                                                  "OPTI", "CONN", "PATC", "HTTP"};
  if (std::find(kHttp.begin(), kHttp.end(), first_four) != kHttp.end()) {
    text += ", not HTTP";
  } else if (first_four.substr(0, 2) == "\x16\x03" || first_four.substr(0, 2) == "\x15\x03") {
    text += ", and the other side speaks TLS: configure it on both sides, or on none";
  } else if (first_four == "SSH-") {
    text += ", not SSH";
  }
  return Status(StatusCode::kInvalidArgument, std::move(text));
}

}  // namespace

std::string_view to_string(FrameType type) {
  const TypeTraits* traits = find_type(type);
  return traits ? traits->name : "unknown";
}

bool is_known(FrameType type) { return find_type(type) != nullptr; }

std::uint32_t payload_limit(FrameType type) { return find_type(type)->payload_limit; }

std::string FrameTypeSet::names() const {
  std::string names;
  for (const TypeTraits& traits : kTypes) {
    if (!contains(traits.type)) continue;
    if (!names.empty()) names += ", ";
    names += traits.name;
  }
  return names;
}

OutgoingFrame make_frame(FrameType type, std::uint16_t flags, std::uint64_t id,
                         std::string_view fields, SharedBytes body) {
  OutgoingFrame frame;
  const std::size_t payload_bytes = fields.size() + (body ? body->size() : 0);
  std::uint32_t payload_crc = crc32c(fields);
  if (body) payload_crc = crc32c(*body, payload_crc);
  frame.head.reserve(kHeaderBytes + fields.size());
  frame.head.resize(kHeaderBytes);
  char* const at = frame.head.data();
  store_big_endian(kMagic, at + kMagicAt);
  store_big_endian(kFrameVersion, at + kFrameVersionAt);
  store_big_endian(static_cast<std::uint8_t>(type), at + kTypeAt);
  store_big_endian(flags, at + kFlagsAt);
  store_big_endian(static_cast<std::uint32_t>(payload_bytes), at + kPayloadBytesAt);
  store_big_endian(payload_crc, at + kPayloadCrcAt);
  store_big_endian(id, at + kIdAt);
  store_big_endian(crc32c({at, kHeaderCrcAt}), at + kHeaderCrcAt);
  frame.head += fields;
  frame.body = std::move(body);
  return frame;
}

FrameDecoder::FrameDecoder(std::uint32_t max_payload_bytes)
    : max_payload_bytes_(max_payload_bytes) {}

void FrameDecoder::set_max_payload_bytes(std::uint32_t bytes) { max_payload_bytes_ = bytes; }

void FrameDecoder::accept_only(FrameTypeSet types, std::string reader) {
  accepted_ = types;
  reader_ = std::move(reader);
}

void FrameDecoder::feed(std::string_view bytes) {
  if (failed_) return;
  if (partial_) {
    const std::size_t count = std::min(payload_missing(), bytes.size());
    take_payload(bytes.substr(0, count));
    bytes.remove_prefix(count);
  }
  buffer_ += bytes;
}

Result<std::optional<Frame>> FrameDecoder::next() {
  if (failed_) return *failed_;
  if (!partial_) {
    if (Status status = check_prefix(); !status.ok()) {
      failed_ = status;
      return status;
    }
    if (unread().size() < kHeaderBytes) return std::optional<Frame>();
    Result<Header> header = read_header();
    if (!header.ok()) {
      failed_ = header.status();
      return *failed_;
    }
    consume(kHeaderBytes);
    partial_ = std::move(*header);
    partial_->frame.payload = std::make_shared<std::string>();
    partial_crc_ = 0;
    const std::size_t count = std::min(payload_missing(), unread().size());
    take_payload(unread().substr(0, count));
    consume(count);
  }
  if (payload_missing() > 0) return std::optional<Frame>();
  if (partial_crc_ != partial_->payload_crc) {
    failed_ = Status(StatusCode::kDataLoss,
                     std::string(to_string(partial_->frame.type)) + " frame with id " +
                         std::to_string(partial_->frame.id) + ": the payload's CRC-32C is " +
                         hex(partial_crc_) + ", its header says " + hex(partial_->payload_crc) +
                         ": damaged on the way");
    partial_.reset();
    return *failed_;
  }
  std::optional<Frame> frame = std::move(partial_->frame);
  partial_.reset();
  return frame;
}

bool FrameDecoder::at_boundary() const { return !partial_ && unread().empty(); }

std::size_t FrameDecoder::memory_bytes() const {
  return buffer_.capacity() + (partial_ ? partial_->frame.payload->capacity() : 0);
}

void FrameDecoder::consume(std::size_t count) {
  read_ += count;
  if (read_ < buffer_.size()) {
    // Moving what is left costs at most what was consumed since the last move.
    if (read_ < buffer_.size() / 2) return;
    buffer_.erase(0, read_);
  } else {
    buffer_.clear();
    if (buffer_.capacity() > kKeptBufferBytes) buffer_.shrink_to_fit();
  }
  read_ = 0;
}

// As soon as the bytes are there, so that a stranger who sends little is told apart at once.
Status FrameDecoder::check_prefix() const {
  const std::string_view bytes = unread();
  if (bytes.size() < kFrameVersionAt) return {};
  if (load_big_endian<std::uint32_t>(bytes.data()) != kMagic) return bad_magic(bytes.substr(0, 4));
  if (bytes.size() <= kFrameVersionAt) return {};
  const auto version = load_big_endian<std::uint8_t>(bytes.data() + kFrameVersionAt);
  if (version == kFrameVersion) return {};
  return Status(StatusCode::kUnsupported,
                "frame version " + std::to_string(version) + "; this program reads version " +
                    std::to_string(kFrameVersion) + ": use the same release on both sides");
}

// REQUIRES: kHeaderBytes are unread and check_prefix() was OK.
Result<FrameDecoder::Header> FrameDecoder::read_header() {
  const char* const at = buffer_.data() + read_;
  const auto claimed_crc = load_big_endian<std::uint32_t>(at + kHeaderCrcAt);
  const std::uint32_t crc = crc32c({at, kHeaderCrcAt});
  if (crc != claimed_crc) {
    return Status(StatusCode::kDataLoss, "the frame header's CRC-32C is " + hex(crc) +
                                             ", the header says " + hex(claimed_crc) +
                                             ": damaged on the way");
  }
  Header header;
  const auto type_number = load_big_endian<std::uint8_t>(at + kTypeAt);
  header.frame.type = static_cast<FrameType>(type_number);
  header.frame.flags = load_big_endian<std::uint16_t>(at + kFlagsAt);
  header.frame.id = load_big_endian<std::uint64_t>(at + kIdAt);
  header.payload_bytes = load_big_endian<std::uint32_t>(at + kPayloadBytesAt);
  header.payload_crc = load_big_endian<std::uint32_t>(at + kPayloadCrcAt);
  const TypeTraits* traits = find_type(header.frame.type);
  if (!traits) {
    return Status(StatusCode::kUnsupported, "unknown frame type " + std::to_string(type_number) +
                                                "; this program knows 1 to " +
                                                std::to_string(kTypes.size()));
  }
  if (!accepted_.contains(header.frame.type)) {
    unaccepted_ = header.frame.type;
    return Status(StatusCode::kFailedPrecondition, "unexpected " + std::string(traits->name) +
                                                       ": " + reader_ + " takes only " +
                                                       accepted_.names());
  }
  const std::uint32_t limit = std::min(traits->payload_limit, max_payload_bytes_);
  if (header.payload_bytes > limit) {
    return Status(StatusCode::kResourceExhausted, std::string(traits->name) + " payload of " +
                                                      std::to_string(header.payload_bytes) +
                                                      " bytes exceeds the limit of " +
                                                      std::to_string(limit));
  }
  return header;
}

// REQUIRES: bytes.size() <= payload_missing().
void FrameDecoder::take_payload(std::string_view bytes) {
  std::string& payload = *partial_->frame.payload;
  const std::size_t needed = payload.size() + bytes.size();
  if (needed > payload.capacity()) {
    // A new string: std::string::reserve may take twice its old capacity, over the limit.
    const std::size_t ahead = std::max(kFirstReserveBytes, kReserveFactor * payload.capacity());
    std::string larger;
    larger.reserve(std::min<std::size_t>(partial_->payload_bytes, std::max(needed, ahead)));
    larger += payload;
    payload.swap(larger);
  }
  payload += bytes;
  partial_crc_ = crc32c(bytes, partial_crc_);
}

std::size_t FrameDecoder::payload_missing() const {
  return partial_->payload_bytes - partial_->frame.payload->size();
}

}  // namespace imgrec::proto
