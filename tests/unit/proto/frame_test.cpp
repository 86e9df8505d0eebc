#include "proto/frame.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/crc32c.h"
#include "tests/unit/proto/samples.h"

namespace imgrec::proto {
namespace {

using testing::bytes_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::mend_sums;
using ::testing::Not;
using testing::raw_header;
using testing::sample_assign;
using testing::sample_messages;

// Feeds in slices of `chunk`, taking frames after each; what came out as bytes again.
std::vector<std::string> frames_in_chunks(std::string_view bytes, std::size_t chunk) {
  FrameDecoder decoder;
  std::vector<std::string> frames;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(chunk, bytes.size()))) {
    decoder.feed(bytes.substr(0, chunk));
    for (;;) {
      auto frame = decoder.next();
      if (!frame.ok()) {
        frames.push_back(frame.status().to_string());
        return frames;
      }
      if (!*frame) break;
      frames.push_back(
          bytes_of(make_frame((*frame)->type, (*frame)->flags, (*frame)->id, *(*frame)->payload)));
    }
  }
  EXPECT_TRUE(decoder.at_boundary());
  return frames;
}

Status error_of(std::string_view bytes, FrameDecoder decoder = FrameDecoder()) {
  decoder.feed(bytes);
  return decoder.next().status();
}

TEST(Frame, IsLaidOutAsDocumented) {
  const OutgoingFrame frame = make_frame(FrameType::kFail, 0x0102, 0x1112131415161718, "fields",
                                         std::make_shared<const std::string>("body"));
  const std::string& head = frame.head;
  EXPECT_EQ(head.substr(0, 4), "IMGR");
  EXPECT_EQ(head[4], 1);
  EXPECT_EQ(head[5], 6);
  EXPECT_EQ(head.substr(6, 2), "\x01\x02");
  EXPECT_EQ(head.substr(8, 4), std::string("\0\0\0\x0A", 4));
  EXPECT_EQ(load_big_endian<std::uint32_t>(&head[12]), crc32c("fieldsbody"));
  EXPECT_EQ(head.substr(16, 8), "\x11\x12\x13\x14\x15\x16\x17\x18");
  EXPECT_EQ(load_big_endian<std::uint32_t>(&head[24]), crc32c(head.substr(0, 24)));
  EXPECT_EQ(head.substr(28), "fields");
  EXPECT_EQ(frame.size(), kHeaderBytes + 10);
}

TEST(FrameDecoder, GivesTheSameFramesForAnySlicing) {
  std::vector<std::string> expected;
  std::string stream;
  for (const Message& message : sample_messages()) {
    expected.push_back(bytes_of(message));
    stream += expected.back();
  }
  for (std::size_t chunk = 1; chunk <= stream.size(); ++chunk) {
    ASSERT_EQ(frames_in_chunks(stream, chunk), expected) << "chunks of " << chunk;
  }
}

TEST(FrameDecoder, TakesAllThatWasFedBeforeNextIsCalled) {
  FrameDecoder decoder;
  std::string stream;
  for (const Message& message : sample_messages()) stream += bytes_of(message);
  for (const char byte : stream) decoder.feed({&byte, 1});
  for (const Message& message : sample_messages()) {
    const auto frame = decoder.next();
    ASSERT_TRUE(frame.ok() && *frame);
    EXPECT_EQ((*frame)->type, type_of(message));
  }
  EXPECT_TRUE(decoder.at_boundary());
}

TEST(FrameDecoder, KnowsWhetherItIsBetweenFrames) {
  const std::string bytes = bytes_of(Message(Bye{"so long"}));
  FrameDecoder decoder;
  EXPECT_TRUE(decoder.at_boundary());
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    decoder.feed(bytes.substr(i, 1));
    EXPECT_FALSE(*decoder.next());
    EXPECT_FALSE(decoder.at_boundary()) << "after byte " << i;
  }
  decoder.feed(bytes.substr(bytes.size() - 1));
  EXPECT_TRUE(*decoder.next());
  EXPECT_TRUE(decoder.at_boundary());
}

TEST(FrameDecoder, TellsAStrangerFromTheFirstFourBytes) {
  EXPECT_THAT(error_of("GET / HTTP/1.1\r\n").message(),
              HasSubstr("bad magic 0x47455420 (\"GET \"): this port speaks the imgrec worker "
                        "protocol, not HTTP"));
  EXPECT_THAT(error_of("HTTP").message(), HasSubstr("0x48545450 (\"HTTP\")"));
  EXPECT_THAT(error_of("\x16\x03\x01\x02").message(), HasSubstr("TLS"));
  EXPECT_THAT(error_of("SSH-2.0").message(), HasSubstr("SSH"));
  EXPECT_EQ(error_of(std::string(4, '\0')).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(error_of("GET").ok()) << "three bytes are not enough to say";
}

TEST(FrameDecoder, RefusesAnotherFrameVersionByItsFifthByte) {
  const Status status = error_of("IMGR\x02");
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("frame version 2"));
}

TEST(FrameDecoder, RefusesUnknownTypes) {
  for (const int type : {0, 20, 31, 32, 255}) {
    const Status status = error_of(raw_header(static_cast<std::uint8_t>(type), 0));
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    EXPECT_THAT(status.message(), HasSubstr("unknown frame type " + std::to_string(type)));
  }
}

TEST(FrameDecoder, FindsEveryFlippedBit) {
  const std::string good = bytes_of(Message(testing::sample_fail()));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const Status status = error_of(bytes);
    ASSERT_FALSE(status.ok()) << "bit " << bit;
    const bool magic_or_version = bit / 8 < 5;
    EXPECT_EQ(status.code() == StatusCode::kDataLoss, !magic_or_version) << status.to_string();
  }
}

TEST(FrameDecoder, NamesTheFrameWhosePayloadIsDamaged) {
  std::string bytes = bytes_of(Message(testing::sample_outcome()));
  bytes.back() = '\x7F';
  EXPECT_THAT(error_of(bytes).message(), HasSubstr("RESULT frame with id 9"));
}

TEST(FrameDecoder, RefusesPayloadOverTheLimitBeforeAllocating) {
  FrameDecoder decoder(1000);
  EXPECT_TRUE(error_of(raw_header(4, 1000), decoder).ok());
  decoder.feed(raw_header(4, 1001));  // and not one byte of payload
  const Status status = decoder.next().status();
  EXPECT_LE(decoder.memory_bytes(), 1024u);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(),
              HasSubstr("ASSIGN payload of 1001 bytes exceeds the limit of 1000"));
}

TEST(FrameDecoder, HoldsEachTypeToItsOwnLimit) {
  for (const Message& message : sample_messages()) {
    const FrameType type = type_of(message);
    const auto number = static_cast<std::uint8_t>(type);
    const std::uint32_t limit = std::min(payload_limit(type), kDefaultMaxPayloadBytes);
    EXPECT_TRUE(error_of(raw_header(number, limit)).ok()) << to_string(type);
    EXPECT_EQ(error_of(raw_header(number, limit + 1)).code(), StatusCode::kResourceExhausted)
        << to_string(type);
    EXPECT_EQ(error_of(raw_header(number, 0xFFFFFFFF)).code(), StatusCode::kResourceExhausted);
  }
}

TEST(FrameDecoder, AppliesANewLimitToTheFramesThatFollow) {
  FrameDecoder decoder(10);
  decoder.feed(bytes_of(Message(Bye{"small"})) + bytes_of(Message(sample_assign())));
  ASSERT_TRUE(*decoder.next());
  decoder.set_max_payload_bytes(1000);
  const auto frame = decoder.next();
  ASSERT_TRUE(frame.ok()) << frame.status().to_string();
  EXPECT_EQ((*frame)->type, FrameType::kAssign);
}

TEST(FrameDecoder, RefusesTypesThatAreNotAcceptedByTheirHeaderAlone) {
  FrameDecoder decoder;
  decoder.accept_only({FrameType::kHello, FrameType::kBye}, "a manager that waits for HELLO");
  EXPECT_TRUE(error_of(raw_header(1, 100), decoder).ok());
  const Status status = error_of(raw_header(4, 100), decoder);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "unexpected ASSIGN: a manager that waits for HELLO takes only HELLO, BYE");
}

TEST(FrameDecoder, StaysFailed) {
  FrameDecoder decoder;
  decoder.feed("HTTP/1.1");
  const Status first = decoder.next().status();
  decoder.feed(bytes_of(Message(Bye{})));
  EXPECT_EQ(decoder.next().status().message(), first.message());
}

TEST(FrameDecoder, DoesNotBelieveALengthFarAheadOfItsBytes) {
  constexpr std::size_t kMiB = 1u << 20;
  constexpr std::size_t kSlack = 1024;  // the header's buffer
  FrameDecoder decoder;
  decoder.feed(raw_header(4, 64 * kMiB));
  ASSERT_FALSE(*decoder.next());
  EXPECT_LE(decoder.memory_bytes(), kSlack) << "a header alone costs nothing";
  const std::string piece(64 * 1024, 'x');
  for (std::size_t arrived = piece.size(); arrived < 64 * kMiB; arrived += piece.size()) {
    decoder.feed(piece);
    ASSERT_TRUE(decoder.next().ok());
    ASSERT_LE(decoder.memory_bytes(), std::max(kMiB, 4 * arrived) + kSlack) << arrived;
    ASSERT_LE(decoder.memory_bytes(), 64 * kMiB + kSlack) << arrived;
  }
}

TEST(FrameDecoder, KeepsNoMemoryOfFramesThatHaveLeft) {
  const std::string bytes = bytes_of(Message(sample_assign(std::string(5'000'000, 'x'))));
  FrameDecoder decoder;
  decoder.feed(bytes);
  ASSERT_TRUE(*decoder.next());
  EXPECT_LE(decoder.memory_bytes(), 256u * 1024);
}

TEST(FrameDecoder, StaysSmallThoughEveryFeedEndsInsideAHeader) {
  const std::string ping = bytes_of(Message(Ping{}));
  FrameDecoder decoder;
  decoder.feed(ping.substr(0, 5));
  for (int i = 0; i < 10'000; ++i) {
    decoder.feed(ping.substr(5) + ping.substr(0, 5));
    ASSERT_TRUE(*decoder.next());
    ASSERT_FALSE(*decoder.next());
  }
  EXPECT_LE(decoder.memory_bytes(), 1024u);
}

TEST(FrameTypeSet, NamesWhatItHolds) {
  EXPECT_EQ((FrameTypeSet{FrameType::kPong, FrameType::kOutcome}).names(), "RESULT, PONG");
  EXPECT_THAT(FrameTypeSet::all().names(), Not(IsEmpty()));
}

}  // namespace
}  // namespace imgrec::proto
