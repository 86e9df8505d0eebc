// Any bytes, in any slices, to frames, to messages and back to bytes.
// Input: one byte that chooses the slices, then the stream.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/frame.h"
#include "proto/message_codec.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec;
using imgrec::fuzz::require;

struct Decoded {
  std::vector<proto::Frame> frames;
  std::string error;  // "" where the stream was good to its end
};

// Takes what is complete. False: the stream has failed.
bool drain(proto::FrameDecoder& decoder, Decoded& decoded) {
  for (;;) {
    auto frame = decoder.next();
    if (!frame.ok()) {
      decoded.error = frame.status().to_string();
      return false;
    }
    if (!*frame) return true;
    decoded.frames.push_back(std::move(**frame));
  }
}

Decoded decode_whole(std::string_view stream) {
  Decoded decoded;
  proto::FrameDecoder decoder;
  decoder.feed(stream);
  drain(decoder, decoded);
  return decoded;
}

Decoded decode_sliced(std::string_view stream, std::uint8_t seed) {
  Decoded decoded;
  proto::FrameDecoder decoder;
  for (fuzz::Slicer slices(stream, seed); !slices.done();) {
    decoder.feed(slices.next());
    if (!drain(decoder, decoded)) break;
  }
  return decoded;
}

std::string bytes_of(const proto::OutgoingFrame& frame) {
  return frame.body ? frame.head + *frame.body : frame.head;
}

// Messages without text or scores have one encoding only; the others may have been cleaned.
bool has_one_encoding(proto::FrameType type) {
  switch (type) {
    case proto::FrameType::kWelcome:
    case proto::FrameType::kAssign:
    case proto::FrameType::kCancel:
    case proto::FrameType::kPing:
    case proto::FrameType::kPong:
      return true;
    default:
      return false;
  }
}

void check_frame(const proto::Frame& frame) {
  const std::string original =
      bytes_of(proto::make_frame(frame.type, frame.flags, frame.id, *frame.payload));
  const auto message = proto::decode(frame);
  if (!message.ok()) {
    require(!message.status().message().empty());
    return;
  }
  const std::string again = bytes_of(proto::encode(*message));
  if (has_one_encoding(frame.type)) require(again == original);
  // Cleaned once, it stays as it is.
  const Decoded twice = decode_whole(again);
  require(twice.error.empty() && twice.frames.size() == 1);
  const auto message_again = proto::decode(twice.frames.front());
  require(message_again.ok());
  require(bytes_of(proto::encode(*message_again)) == again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ByteSource input(data, size);
  const std::uint8_t seed = input.byte();
  const std::string_view stream = input.rest();
  const Decoded whole = decode_whole(stream);
  const Decoded sliced = decode_sliced(stream, seed);
  require(whole.error == sliced.error);
  require(whole.frames.size() == sliced.frames.size());
  for (std::size_t i = 0; i < whole.frames.size(); ++i) {
    require(whole.frames[i].type == sliced.frames[i].type);
    require(whole.frames[i].id == sliced.frames[i].id);
    require(*whole.frames[i].payload == *sliced.frames[i].payload);
    check_frame(whole.frames[i]);
  }
  return 0;
}
