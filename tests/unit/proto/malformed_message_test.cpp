// Payloads that no honest peer sends: each is refused with a reason, none does harm.
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/message_codec.h"
#include "tests/unit/proto/samples.h"

namespace imgrec::proto {
namespace {

using ::testing::AllOf;
using testing::fitting_id;
using testing::frame_of;
using ::testing::HasSubstr;
using testing::payload_of;
using testing::sample_messages;

// Where the fields of HELLO are that come before its strings.
constexpr std::size_t kMinVersionAt = 0;
constexpr std::size_t kMaxVersionAt = 1;
constexpr std::size_t kStreamsAt = 2;
constexpr std::size_t kCreditAt = 4;
constexpr std::size_t kUnsureBelowAt = 6;

// What decode() says of a payload; "" where it takes it.
std::string complaint(FrameType type, const std::string& payload) {
  const auto decoded = decode(frame_of(type, payload, fitting_id(type)));
  if (decoded.ok()) return "";
  EXPECT_EQ(decoded.status().code(), StatusCode::kInvalidArgument);
  return decoded.status().message();
}

template <class T>
std::string with_number(std::string payload, std::size_t at, T value) {
  store_big_endian(value, payload.data() + at);
  return payload;
}

std::string with_real(std::string payload, std::size_t at, float value) {
  return with_number(std::move(payload), at, std::bit_cast<std::uint32_t>(value));
}

template <class T>
std::string complaint(const T& message) {
  return complaint(type_of(message), payload_of(message));
}

TEST(MalformedMessage, EveryPrefixOfEveryPayloadIsAnErrorThatSaysWhereItEnds) {
  for (const Message& message : sample_messages()) {
    const FrameType type = type_of(message);
    const std::string payload = payload_of(message);
    for (std::size_t length = 0; length < payload.size(); ++length) {
      // An image may have any length: of ASSIGN only the fields can be cut.
      if (type == FrameType::kAssign && length >= kAssignFieldBytes) continue;
      if (type == FrameType::kFill) continue;  // nor has it any field
      const std::string text = complaint(type, payload.substr(0, length));
      EXPECT_THAT(text, HasSubstr(std::string(to_string(type)) + ": ")) << length;
    }
    EXPECT_EQ(complaint(type, payload), "");
  }
}

TEST(MalformedMessage, BytesLeftOverAreAnError) {
  for (const Message& message : sample_messages()) {
    const FrameType type = type_of(message);
    if (type == FrameType::kAssign || type == FrameType::kFill) continue;  // they are its body
    EXPECT_THAT(complaint(type, payload_of(message) + "xyz"),
                HasSubstr("has 3 bytes after its last field"));
  }
}

TEST(MalformedMessage, NoSingleByteMakesAnyPayloadHarmful) {
  for (const Message& message : sample_messages()) {
    const FrameType type = type_of(message);
    const std::string good = payload_of(message);
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const int flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x7F, 0xFF}) {
        std::string payload = good;
        payload[at] = static_cast<char>(payload[at] ^ flip);
        auto decoded = decode(frame_of(type, std::move(payload), fitting_id(type)));
        // What is taken can be sent on and is taken again.
        if (decoded.ok()) {
          const std::string again = payload_of(*decoded);
          ASSERT_TRUE(decode(frame_of(type, again, fitting_id(type))).ok())
              << to_string(type) << " byte " << at << " flipped by " << flip;
        }
      }
    }
  }
}

TEST(MalformedMessage, FlagsAndUnknownTypesAreUnsupported) {
  Frame frame = frame_of(FrameType::kBye, payload_of(Bye{"x"}));
  frame.flags = 1;
  EXPECT_EQ(decode(frame).status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(decode(frame_of(static_cast<FrameType>(0), "")).status().code(),
            StatusCode::kUnsupported);
  EXPECT_EQ(decode(frame_of(static_cast<FrameType>(200), "")).status().code(),
            StatusCode::kUnsupported);
}

TEST(MalformedMessage, AFrameWithoutAPayloadIsAnEmptyOne) {
  EXPECT_FALSE(decode(Frame{FrameType::kBye, 0, 0, nullptr}).ok());
  EXPECT_FALSE(decode(Frame{FrameType::kAssign, 0, 1, nullptr}).ok());
}

TEST(MalformedMessage, TheFramesIdFitsTheMessage) {
  for (const Message& message : sample_messages()) {
    const FrameType type = type_of(message);
    const bool correlated = type == FrameType::kPing || type == FrameType::kPong;
    const std::uint64_t wrong = fitting_id(type) == 0 ? 5 : 0;
    EXPECT_EQ(decode(frame_of(type, payload_of(message), wrong)).ok(), correlated)
        << to_string(type);
  }
}

TEST(MalformedMessage, HelloFieldsOutOfRange) {
  const std::string hello = payload_of(testing::sample_hello());
  const auto type = FrameType::kHello;
  using u8 = std::uint8_t;
  using u16 = std::uint16_t;
  EXPECT_THAT(complaint(type, with_number<u8>(hello, kMinVersionAt, 0)), HasSubstr("min_version"));
  EXPECT_THAT(complaint(type, with_number<u8>(hello, kMinVersionAt, 2)),
              HasSubstr("min_version is above max_version"));
  EXPECT_EQ(complaint(type, with_number<u8>(hello, kMaxVersionAt, 255)), "");
  EXPECT_THAT(complaint(type, with_number<u16>(hello, kStreamsAt, 0)), HasSubstr("streams is 0"));
  EXPECT_THAT(complaint(type, with_number<u16>(hello, kCreditAt, 0)), HasSubstr("credit is 0"));
  for (const float bad : {-0.1f, 1.1f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(complaint(type, with_real(hello, kUnsureBelowAt, bad)), HasSubstr("unsure_below"));
  }
}

TEST(MalformedMessage, HelloIdsAreIds) {
  Hello hello = testing::sample_hello();
  hello.instance_id = "";
  EXPECT_THAT(complaint(hello), HasSubstr("instance_id is empty"));
  hello.instance_id = "with space";
  EXPECT_THAT(complaint(hello), HasSubstr("instance_id has characters other than"));
  hello = testing::sample_hello();
  hello.model_digest = "\xC3\xA9";
  EXPECT_THAT(complaint(hello), HasSubstr("model_digest"));
}

TEST(MalformedMessage, OpenFieldsOutOfRange) {
  const std::string open = payload_of(testing::sample_open());
  const auto type = FrameType::kOpen;
  EXPECT_THAT(complaint(type, with_number<std::uint8_t>(open, kMinVersionAt, 0)),
              HasSubstr("min_version is 0"));
  EXPECT_THAT(complaint(type, with_number<std::uint8_t>(open, kMinVersionAt, 2)),
              HasSubstr("min_version is above max_version"));
  Open nameless = testing::sample_open();
  nameless.instance_id = "";
  EXPECT_THAT(complaint(nameless), HasSubstr("instance_id is empty"));
}

// HELLO with strings and a label count of our choice, which encode() would not send.
std::string hello_payload(const std::string& name, std::uint32_t label_count,
                          const std::string& label) {
  Writer out;
  out.number<std::uint8_t>(1);
  out.number<std::uint8_t>(1);
  out.number<std::uint16_t>(1);
  out.number<std::uint16_t>(1);
  out.real(0);
  out.text(name, 60'000);
  for (const char* text : {"instance", "model", "digest"}) out.text(text, 100);
  out.number(label_count);
  out.text(label, 60'000);
  return out.take();
}

TEST(MalformedMessage, StringsOverTheirLimit) {
  const auto type = FrameType::kHello;
  EXPECT_EQ(complaint(type, hello_payload(std::string(256, 'n'), 1, std::string(512, 'l'))), "");
  EXPECT_THAT(complaint(type, hello_payload(std::string(257, 'n'), 1, "l")),
              HasSubstr("name has 257 bytes; at most 256"));
  EXPECT_THAT(complaint(type, hello_payload("n", 1, std::string(513, 'l'))),
              HasSubstr("a label has 513 bytes; at most 512"));
  Writer bye;
  bye.text(std::string(1025, 'r'), 60'000);
  EXPECT_THAT(complaint(FrameType::kBye, bye.take()),
              HasSubstr("reason has 1025 bytes; at most 1024"));
}

TEST(MalformedMessage, MoreLabelsThanThereAre) {
  const auto type = FrameType::kHello;
  EXPECT_THAT(complaint(type, hello_payload("n", 65537, "l")), HasSubstr("above 65536"));
  EXPECT_THAT(complaint(type, hello_payload("n", 0xFFFFFFFF, "l")), HasSubstr("above 65536"));
  EXPECT_THAT(complaint(type, hello_payload("n", 60'000, "l")),
              HasSubstr("more than the payload has"));
  EXPECT_THAT(complaint(type, hello_payload("n", 0, "l")), HasSubstr("after its last field"));
}

TEST(MalformedMessage, WelcomeFieldsOutOfRange) {
  const auto complaint_with = [](auto change) {
    Welcome welcome = testing::sample_welcome();
    change(welcome);
    return complaint(welcome);
  };
  using namespace std::chrono_literals;
  EXPECT_EQ(complaint_with([](Welcome&) {}), "");
  EXPECT_THAT(complaint_with([](Welcome& w) { w.version = 0; }), HasSubstr("version is 0"));
  EXPECT_THAT(complaint_with([](Welcome& w) { w.worker = WorkerId{0}; }), HasSubstr("worker is 0"));
  EXPECT_THAT(complaint_with([](Welcome& w) { w.heartbeat = 0ms; }), HasSubstr("heartbeat"));
  EXPECT_THAT(complaint_with([](Welcome& w) { w.heartbeat = 11min; }), HasSubstr("heartbeat"));
  EXPECT_THAT(complaint_with([](Welcome& w) { w.max_payload_bytes = 65535; }),
              HasSubstr("max_payload_bytes"));
  EXPECT_THAT(complaint_with([](Welcome& w) { w.manager_id = ""; }), HasSubstr("manager_id"));
}

TEST(MalformedMessage, ResultFieldsOutOfRange) {
  const auto complaint_with = [](std::vector<ScoredClass> top) {
    Outcome outcome = testing::sample_outcome();
    outcome.top = std::move(top);
    return complaint(outcome);
  };
  EXPECT_EQ(complaint_with({{0, 1.0f}}), "");
  EXPECT_THAT(complaint_with({}), HasSubstr("the number of classes"));
  EXPECT_THAT(complaint_with({{0, std::nanf("")}}), HasSubstr("not a finite number"));
  EXPECT_THAT(complaint_with({{0, 1.001f}}), HasSubstr("not within 0 and 1"));
  EXPECT_THAT(complaint_with({{0, -0.001f}}), HasSubstr("not within 0 and 1"));
  // 1001 classes, which encode() would cut.
  const std::string good = payload_of(testing::sample_outcome());
  constexpr std::size_t kCountAt = 17;
  EXPECT_THAT(complaint(FrameType::kOutcome, with_number<std::uint16_t>(good, kCountAt, 1001)),
              HasSubstr("the number of classes is not within 1 and 1000"));
}

TEST(MalformedMessage, AssignAsksForSomeClasses) {
  Assign assign = testing::sample_assign();
  for (const int top_k : {0, 1001}) {
    assign.top_k = static_cast<std::uint16_t>(top_k);
    EXPECT_THAT(complaint(assign), HasSubstr("top_k"));
  }
}

TEST(MalformedMessage, FlagsAreZeroOrOne) {
  std::string fail = payload_of(testing::sample_fail());
  constexpr std::size_t kRetriableAt = 6;
  EXPECT_THAT(complaint(FrameType::kFail, with_number<std::uint8_t>(fail, kRetriableAt, 2)),
              HasSubstr("retriable is neither 0 nor 1"));
}

TEST(MalformedMessage, CodesThatVersion1DoesNotKnow) {
  const std::string fail = payload_of(testing::sample_fail());
  const std::string cancel = payload_of(Cancel{JobId{7}, 1, CancelReason::kDeleted});
  constexpr std::size_t kCodeAt = 4;
  for (const int code : {0, 9, 65535}) {
    const auto value = static_cast<std::uint16_t>(code);
    EXPECT_THAT(complaint(FrameType::kFail, with_number(fail, kCodeAt, value)),
                AllOf(HasSubstr("code"), HasSubstr("does not know")));
  }
  EXPECT_THAT(complaint(FrameType::kCancel, with_number<std::uint16_t>(cancel, kCodeAt, 4)),
              HasSubstr("reason has a value"));
}

TEST(MalformedMessage, ARefusalOfALaterVersionIsStillUnderstood) {
  std::string refuse =
      payload_of(Refuse{RefuseCode::kFull, true, std::chrono::milliseconds(5), "something new"});
  store_big_endian<std::uint16_t>(99, refuse.data());
  const auto decoded = decode(frame_of(FrameType::kRefuse, refuse));
  ASSERT_TRUE(decoded.ok());
  const auto& got = std::get<Refuse>(*decoded);
  EXPECT_EQ(got.code, RefuseCode::kBadHello);
  EXPECT_TRUE(got.retry);
  EXPECT_EQ(got.reason, "something new");
}

TEST(PeekVersions, ReadsTheFirstTwoBytesWhateverFollows) {
  const auto versions = peek_versions(frame_of(FrameType::kHello, "\x03\x09 something new"));
  ASSERT_TRUE(versions);
  EXPECT_EQ(versions->min, 3);
  EXPECT_EQ(versions->max, 9);
  EXPECT_FALSE(peek_versions(frame_of(FrameType::kHello, "\x03")));
}

}  // namespace
}  // namespace imgrec::proto
