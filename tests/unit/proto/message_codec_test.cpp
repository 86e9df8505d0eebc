#include "proto/message_codec.h"

#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proto/samples.h"

namespace imgrec::proto {
namespace {

using testing::bytes_of;
using testing::payload_of;
using testing::sample_messages;
using ::testing::SizeIs;

// To the wire and back, through the decoder.
template <class T>
T round_trip(const T& message) {
  FrameDecoder decoder;
  decoder.feed(bytes_of(Message(message)));
  auto frame = decoder.next();
  EXPECT_TRUE(frame.ok() && *frame) << frame.status().to_string();
  auto decoded = decode(std::move(**frame));
  EXPECT_TRUE(decoded.ok()) << decoded.status().to_string();
  return std::get<T>(*decoded);
}

TEST(MessageCodec, CarriesHello) {
  const Hello sent = testing::sample_hello();
  const Hello got = round_trip(sent);
  EXPECT_EQ(got.min_version, sent.min_version);
  EXPECT_EQ(got.max_version, sent.max_version);
  EXPECT_EQ(got.name, sent.name);
  EXPECT_EQ(got.instance_id, sent.instance_id);
  EXPECT_EQ(got.model_name, sent.model_name);
  EXPECT_EQ(got.model_digest, sent.model_digest);
  EXPECT_EQ(got.labels, sent.labels);
  EXPECT_EQ(got.unsure_below, sent.unsure_below);
  EXPECT_EQ(got.streams, sent.streams);
  EXPECT_EQ(got.credit, sent.credit);
}

TEST(MessageCodec, CarriesWelcome) {
  const Welcome sent = testing::sample_welcome();
  const Welcome got = round_trip(sent);
  EXPECT_EQ(got.version, sent.version);
  EXPECT_EQ(got.worker, sent.worker);
  EXPECT_EQ(got.manager_id, sent.manager_id);
  EXPECT_EQ(got.heartbeat, sent.heartbeat);
  EXPECT_EQ(got.max_payload_bytes, sent.max_payload_bytes);
}

TEST(MessageCodec, CarriesRefuse) {
  for (int code = 1; code <= 7; ++code) {
    const Refuse sent{static_cast<RefuseCode>(code), code % 2 == 0, std::chrono::milliseconds(code),
                      "reason"};
    const Refuse got = round_trip(sent);
    EXPECT_EQ(got.code, sent.code);
    EXPECT_EQ(got.retry, sent.retry);
    EXPECT_EQ(got.retry_after, sent.retry_after);
    EXPECT_EQ(got.reason, sent.reason);
  }
}

TEST(MessageCodec, CarriesAssign) {
  const Assign sent = testing::sample_assign();
  const Assign got = round_trip(sent);
  EXPECT_EQ(got.job, sent.job);
  EXPECT_EQ(got.attempt, sent.attempt);
  EXPECT_EQ(got.deadline, sent.deadline);
  EXPECT_EQ(got.top_k, sent.top_k);
  EXPECT_EQ(*got.image, *sent.image);
}

TEST(MessageCodec, CarriesResult) {
  const Outcome sent = testing::sample_outcome();
  const Outcome got = round_trip(sent);
  EXPECT_EQ(got.job, sent.job);
  EXPECT_EQ(got.attempt, sent.attempt);
  EXPECT_EQ(got.timing.decode, sent.timing.decode);
  EXPECT_EQ(got.timing.queue, sent.timing.queue);
  EXPECT_EQ(got.timing.inference, sent.timing.inference);
  EXPECT_EQ(got.from_cache, sent.from_cache);
  ASSERT_EQ(got.top.size(), sent.top.size());
  for (std::size_t i = 0; i < got.top.size(); ++i) {
    EXPECT_EQ(got.top[i].index, sent.top[i].index);
    EXPECT_EQ(got.top[i].score, sent.top[i].score);
  }
}

TEST(MessageCodec, CarriesFail) {
  for (int code = 1; code <= 8; ++code) {
    const Fail sent{JobId{10}, 2, static_cast<FailCode>(code), code % 2 == 0, "what happened"};
    const Fail got = round_trip(sent);
    EXPECT_EQ(got.job, sent.job);
    EXPECT_EQ(got.attempt, sent.attempt);
    EXPECT_EQ(got.code, sent.code);
    EXPECT_EQ(got.retriable, sent.retriable);
    EXPECT_EQ(got.text, sent.text);
  }
}

TEST(MessageCodec, CarriesCancel) {
  for (int reason = 1; reason <= 3; ++reason) {
    const Cancel got = round_trip(Cancel{JobId{11}, 4, static_cast<CancelReason>(reason)});
    EXPECT_EQ(got.job, JobId{11});
    EXPECT_EQ(got.attempt, 4u);
    EXPECT_EQ(got.reason, static_cast<CancelReason>(reason));
  }
}

TEST(MessageCodec, CarriesPingAndPong) {
  const Ping ping = round_trip(Ping{12, 0xFFFFFFFFFFFFFFFF, {6, 1}});
  EXPECT_EQ(ping.id, 12u);
  EXPECT_EQ(ping.sent_us, 0xFFFFFFFFFFFFFFFF);
  EXPECT_EQ(ping.load.queued, 6);
  EXPECT_EQ(ping.load.running, 1);
  const Pong pong = round_trip(Pong{0xFFFFFFFFFFFFFFFF, 5, {0xFFFF, 2}});
  EXPECT_EQ(pong.id, 0xFFFFFFFFFFFFFFFF);
  EXPECT_EQ(pong.sent_us, 5u);
  EXPECT_EQ(pong.load.queued, 0xFFFF);
  EXPECT_EQ(pong.load.running, 2);
}

TEST(MessageCodec, CarriesDrainAndBye) {
  const Drain drain = round_trip(Drain{std::chrono::milliseconds(20'000), "leaving"});
  EXPECT_EQ(drain.deadline, std::chrono::milliseconds(20'000));
  EXPECT_EQ(drain.reason, "leaving");
  EXPECT_EQ(round_trip(Bye{"done"}).reason, "done");
}

TEST(MessageCodec, CarriesWhatTheJoinTokenNeedsAsOpaqueBytes) {
  const Open sent = testing::sample_open();
  const Open open = round_trip(sent);
  EXPECT_EQ(open.min_version, sent.min_version);
  EXPECT_EQ(open.max_version, sent.max_version);
  EXPECT_EQ(open.instance_id, sent.instance_id);
  EXPECT_EQ(open.nonce, sent.nonce);
  const std::string bytes = std::string("\0\xFF\x80\n", 4) + std::string(28, 'b');
  const Challenge challenge = round_trip(Challenge{bytes, sent.nonce});
  EXPECT_EQ(challenge.nonce, bytes);
  EXPECT_EQ(challenge.proof, sent.nonce);
  EXPECT_EQ(round_trip(Proof{bytes}).proof, bytes);
}

TEST(MessageCodec, GivesTheSameMessagesForAnySlicing) {
  for (const Message& message : sample_messages()) {
    const std::string bytes = bytes_of(message);
    for (std::size_t chunk = 1; chunk <= bytes.size(); ++chunk) {
      FrameDecoder decoder;
      std::optional<Message> decoded;
      for (std::size_t at = 0; at < bytes.size(); at += chunk) {
        decoder.feed(std::string_view(bytes).substr(at, chunk));
        auto frame = decoder.next();
        ASSERT_TRUE(frame.ok()) << frame.status().to_string();
        if (!*frame) continue;
        auto result = decode(std::move(**frame));
        ASSERT_TRUE(result.ok()) << result.status().to_string();
        decoded = std::move(*result);
      }
      ASSERT_TRUE(decoded);
      ASSERT_EQ(bytes_of(*decoded), bytes) << to_string(type_of(message)) << " by " << chunk;
    }
  }
}

TEST(MessageCodec, LendsTheImageToTheFrameUncopied) {
  const Assign assign = testing::sample_assign();
  const OutgoingFrame frame = encode(assign);
  EXPECT_EQ(frame.body, assign.image);
  EXPECT_EQ(frame.head.size(), kHeaderBytes + kAssignFieldBytes);
}

TEST(MessageCodec, TakesTheImageOutOfTheFramesOwnPayload) {
  FrameDecoder decoder;
  decoder.feed(bytes_of(Message(testing::sample_assign(std::string(100'000, 'x')))));
  auto frame = decoder.next();
  const std::string* payload = (*frame)->payload.get();
  const auto decoded = decode(std::move(**frame));
  EXPECT_EQ(std::get<Assign>(*decoded).image.get(), payload);
}

TEST(MessageCodec, LeavesAPayloadAloneThatSomebodyElseHolds) {
  FrameDecoder decoder;
  decoder.feed(bytes_of(Message(testing::sample_assign("pixels"))));
  const Frame frame = **decoder.next();
  const std::string before = *frame.payload;
  const auto decoded = decode(frame);
  EXPECT_EQ(*frame.payload, before);
  EXPECT_EQ(*std::get<Assign>(*decoded).image, "pixels");
}

TEST(MessageCodec, TakesAnAssignWithoutAnImageForAnEmptyOne) {
  Assign assign = testing::sample_assign();
  assign.image = nullptr;
  const Assign got = round_trip(assign);
  ASSERT_TRUE(got.image);
  EXPECT_TRUE(got.image->empty());
}

TEST(MessageCodec, CutsStringsThatAreTooLongBetweenCharacters) {
  Hello hello = testing::sample_hello();
  hello.name = std::string(255, 'n') + "\xC3\xA9";  // the limit falls inside the last character
  hello.model_name = std::string(1000, 'm');
  hello.labels = {std::string(600, 'l')};
  const Hello got = round_trip(hello);
  EXPECT_EQ(got.name, std::string(255, 'n'));
  EXPECT_EQ(got.model_name, std::string(256, 'm'));
  EXPECT_EQ(got.labels, std::vector{std::string(512, 'l')});
  EXPECT_THAT(round_trip(Bye{std::string(5000, 'r')}).reason, SizeIs(1024));
  EXPECT_THAT(round_trip(Fail{JobId{1}, 1, FailCode::kInternal, true, std::string(5000, 'f')}).text,
              SizeIs(1024));
}

TEST(MessageCodec, SendsTheLargestMessagesWithinTheirLimits) {
  Hello hello = testing::sample_hello();
  hello.labels.assign(kMaxLabels, std::string(60, 'l'));
  EXPECT_THAT(round_trip(hello).labels, SizeIs(kMaxLabels));
  Outcome outcome = testing::sample_outcome();
  outcome.top.assign(kMaxTop, {1, 0.5f});
  EXPECT_THAT(round_trip(outcome).top, SizeIs(kMaxTop));
}

TEST(MessageCodec, SaturatesDurations) {
  using namespace std::chrono_literals;
  EXPECT_EQ(round_trip(Drain{-5ms, ""}).deadline, 0ms);
  EXPECT_EQ(round_trip(Drain{24h * 365, ""}).deadline, std::chrono::milliseconds(0xFFFFFFFF));
  Outcome outcome = testing::sample_outcome();
  outcome.timing = {-1us, 2h, std::chrono::microseconds::max()};
  const WorkTiming timing = round_trip(outcome).timing;
  EXPECT_EQ(timing.decode, 0us);
  EXPECT_EQ(timing.queue, std::chrono::microseconds(0xFFFFFFFF));
  EXPECT_EQ(timing.inference, std::chrono::microseconds(0xFFFFFFFF));
}

TEST(MessageCodec, MakesTextFromOutsideFitToBeShown) {
  Hello hello = testing::sample_hello();
  hello.name = "evil\x1B[2J\nname\xFF";
  hello.model_name = std::string("net\0work", 8);
  hello.labels = {"caf\xE9"};
  const Hello got = round_trip(hello);
  EXPECT_EQ(got.name, "evil\xEF\xBF\xBD[2J name\xEF\xBF\xBD");
  EXPECT_EQ(got.model_name, "net\xEF\xBF\xBDwork");
  EXPECT_EQ(got.labels[0], "caf\xEF\xBF\xBD");
  EXPECT_EQ(round_trip(Bye{"\xC0"}).reason, "\xEF\xBF\xBD");
  EXPECT_EQ(round_trip(Fail{JobId{1}, 1, FailCode::kInternal, true, "a\xFFz"}).text,
            "a\xEF\xBF\xBDz");
}

TEST(MessageCodec, TakesScoresALittleAboveOneAsOne) {
  Outcome outcome = testing::sample_outcome();
  outcome.top = {{0, 1.00005f}, {1, -0.0f}};
  const Outcome got = round_trip(outcome);
  EXPECT_EQ(got.top[0].score, 1.0f);
  EXPECT_FALSE(std::signbit(got.top[1].score));
}

}  // namespace
}  // namespace imgrec::proto
