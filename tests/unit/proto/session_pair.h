// A manager's and a worker's session face to face, on time that only moves when told to.
//
// Thread rule: not shared.
// Owns: both sessions and every message that they delivered.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "proto/session.h"
#include "tests/unit/proto/samples.h"

namespace imgrec::proto::testing {

inline const TimePoint kStart = TimePoint(std::chrono::hours(1000));

template <class T>
std::vector<T> only(const std::vector<Message>& messages) {
  std::vector<T> found;
  for (const Message& message : messages) {
    if (const auto* t = std::get_if<T>(&message)) found.push_back(*t);
  }
  return found;
}

inline std::vector<Message> decode_all(std::string_view bytes) {
  FrameDecoder decoder;
  decoder.feed(bytes);
  std::vector<Message> messages;
  for (;;) {
    auto frame = decoder.next();
    EXPECT_TRUE(frame.ok()) << frame.status().to_string();
    if (!frame.ok() || !*frame) break;
    auto message = decode(std::move(**frame));
    EXPECT_TRUE(message.ok()) << message.status().to_string();
    if (message.ok()) messages.push_back(std::move(*message));
  }
  EXPECT_TRUE(decoder.at_boundary());
  return messages;
}

// What a session has sent since it was last asked.
inline std::vector<Message> sent(Session& session) {
  return decode_all(bytes_of(session.take_output()));
}

class SessionPair : public ::testing::Test {
 protected:
  SessionPair() { start({}, {}); }

  void start(SessionOptions manager_options, SessionOptions worker_options,
             const Hello& hello = sample_hello()) {
    manager_.emplace(manager_options, now_);
    worker_.emplace(worker_options, hello, now_);
    to_manager_.clear();
    to_worker_.clear();
  }

  // Carries bytes both ways until nothing is left; takes `trip` each way.
  void exchange(std::chrono::microseconds trip = {}) {
    for (;;) {
      const std::string up = bytes_of(worker_->take_output());
      const std::string down = bytes_of(manager_->take_output());
      if (up.empty() && down.empty()) break;
      now_ += trip;
      manager_->feed(up, now_);
      worker_->feed(down, now_);
      collect();
    }
  }

  void collect() {
    for (Message& message : manager_->take_messages()) to_manager_.push_back(std::move(message));
    for (Message& message : worker_->take_messages()) to_worker_.push_back(std::move(message));
  }

  // HELLO and WELCOME.
  void register_worker() {
    exchange();
    ASSERT_EQ(only<Hello>(to_manager_).size(), 1u);
    manager_->welcome(WorkerId{5}, "manager-1", now_);
    exchange();
    ASSERT_EQ(manager_->state(), SessionState::kReady);
    ASSERT_EQ(worker_->state(), SessionState::kReady);
  }

  // Time passes; both keep their deadlines; bytes go to and fro where `connected`.
  void wait(std::chrono::milliseconds time, bool connected = true) {
    const TimePoint end = now_ + time;
    while (now_ < end) {
      TimePoint next = end;
      if (const auto due = manager_->next_deadline()) next = std::min(next, *due);
      if (const auto due = worker_->next_deadline()) next = std::min(next, *due);
      now_ = std::max(next, now_);
      manager_->on_tick(now_);
      worker_->on_tick(now_);
      if (connected) {
        exchange();
      } else {
        lost_ += bytes_of(manager_->take_output()) + bytes_of(worker_->take_output());
      }
    }
  }

  TimePoint now_ = kStart;
  std::optional<ManagerSession> manager_;
  std::optional<WorkerSession> worker_;
  std::vector<Message> to_manager_;
  std::vector<Message> to_worker_;
  std::string lost_;  // what was sent while not connected
};

}  // namespace imgrec::proto::testing
