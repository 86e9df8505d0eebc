// What must hold for one side of a worker connection after every call, whatever its peer sends and
// whatever its shell asks for: a second, simpler account of proto/PROTOCOL.md than the session's.
//
// Thread rule: not shared. Borrows the session for the length of a call.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/session.h"
#include "tests/fuzz/allocated.h"
#include "tests/fuzz/byte_source.h"

namespace imgrec::fuzz {

enum class Side { kManager, kWorker };

class SessionWatch {
 public:
  explicit SessionWatch(Side side) : side_(side), heap_before_(allocated_bytes()) {}

  // Said before the call that it is about.
  void feeding(std::size_t bytes) { fed_ += bytes; }
  void giving(std::size_t bytes) { given_ += bytes; }  // what the shell wants sent
  void disconnecting() { disconnected_ = true; }

  // After every call on the session. Returns what it wrote.
  std::string check(proto::Session& session, proto::TimePoint now) {
    ++calls_;
    const bool was_closed = before_ == proto::SessionState::kClosed;
    auto messages = session.take_messages();
    auto output = session.take_output();
    if (was_closed) require(messages.empty() && output.empty());
    for (proto::Message& message : messages) on_delivered(message);
    std::string written;
    for (const proto::OutgoingFrame& frame : output) {
      const std::string bytes = frame.body ? frame.head + *frame.body : frame.head;
      on_sent(bytes);
      written += bytes;
    }
    check_state(session, now);
    check_size(written.size());
    before_ = session.state();
    return written;
  }

  // Whole frames, but for PING and PONG, in order: what was sent, and what was handed to the shell.
  const std::vector<std::string>& sent() const { return sent_; }
  const std::vector<std::string>& delivered() const { return delivered_; }

 private:
  using Type = proto::FrameType;

  void on_delivered(const proto::Message& message) {
    const Type type = type_of(message);
    require(!ended_);  // REFUSE and BYE are the last
    require(type != Type::kPing && type != Type::kPong);
    if (type == Type::kBye) {
      ended_ = true;
    } else if (side_ == Side::kManager) {
      delivered_to_manager(message, type);
    } else {
      delivered_to_worker(message, type);
    }
    delivered_.push_back(bytes_of(message));
  }

  void delivered_to_manager(const proto::Message& message, Type type) {
    if (const auto* hello = std::get_if<proto::Hello>(&message)) {
      require(!hello_ && !hello->labels.empty() && hello->credit > 0 && hello->streams > 0);
      hello_ = true;
      labels_ = hello->labels.size();
      return;
    }
    require(type == Type::kOutcome || type == Type::kFail || type == Type::kDrain);
    require(welcome_);
    if (const auto* outcome = std::get_if<proto::Outcome>(&message)) {
      require(!outcome->top.empty());
      for (const proto::ScoredClass& scored : outcome->top) {
        require(scored.index < labels_ && scored.score >= 0 && scored.score <= 1);
      }
    }
  }

  void delivered_to_worker(const proto::Message& message, Type type) {
    if (type == Type::kWelcome || type == Type::kRefuse) {
      require(!welcome_);
      welcome_ = type == Type::kWelcome;
      ended_ = type == Type::kRefuse;
      return;
    }
    require(type == Type::kAssign || type == Type::kCancel || type == Type::kDrain);
    require(welcome_);
    if (const auto* assign = std::get_if<proto::Assign>(&message)) {
      require(assign->image != nullptr && assign->job.value != 0 && assign->attempt > 0);
    }
  }

  // Every frame is one that its reader would take here and now.
  void on_sent(const std::string& bytes) {
    require(!final_);
    reader_.feed(bytes);
    auto frame = reader_.next();
    require(frame.ok() && *frame && reader_.at_boundary());
    const Type type = (*frame)->type;
    const auto message = proto::decode(std::move(**frame));
    require(message.ok());
    final_ = type == Type::kBye || type == Type::kRefuse;
    if (side_ == Side::kManager) {
      sent_by_manager(type);
    } else {
      sent_by_worker(type);
    }
    if (type != Type::kPing && type != Type::kPong) sent_.push_back(bytes);
  }

  void sent_by_manager(Type type) {
    switch (type) {
      case Type::kWelcome:
        require(hello_ && !welcome_);
        welcome_ = true;
        return;
      case Type::kRefuse:
        return require(!welcome_);
      case Type::kBye:
        return;
      case Type::kAssign:  // never to a side that drains
        return require(before_ == proto::SessionState::kReady);
      default:
        require(type == Type::kCancel || type == Type::kPing || type == Type::kPong ||
                type == Type::kDrain);
        return require(welcome_);
    }
  }

  void sent_by_worker(Type type) {
    if (type == Type::kHello) {
      require(!hello_);
      hello_ = true;
      return;
    }
    require(hello_);
    if (type == Type::kBye) return;
    require(type == Type::kOutcome || type == Type::kFail || type == Type::kPing ||
            type == Type::kPong || type == Type::kDrain);
    require(welcome_);
  }

  void check_state(const proto::Session& session, proto::TimePoint now) {
    using proto::SessionState;
    const SessionState state = session.state();
    require(state >= before_);  // a call may pass through several states, never back
    const bool registered = state == SessionState::kReady || state == SessionState::kDraining;
    if (registered) require(welcome_ && !final_ && !ended_);
    const auto due = session.next_deadline();
    require(due.has_value() == (state != SessionState::kClosed));
    if (due) require(*due <= now + proto::kMaxHeartbeat);
    if (state == SessionState::kClosed) {  // and whoever could be told was told
      require(final_ || ended_ || disconnected_);
      if (!session.close_reason().ok()) require(!session.close_reason().message().empty());
    } else {
      require(!final_ && !ended_ && !disconnected_);
    }
    if (session.rtt()) require(session.rtt()->count() >= 0);
  }

  // No peer makes a session write or hold much more than it took the trouble to send.
  void check_size(std::size_t written) {
    constexpr std::size_t kPerCall = 1200;  // a PING; a farewell with the longest text
    written_ += written;
    require(written_ <= fed_ + given_ + calls_ * kPerCall);
    require(allocated_bytes() <= heap_before_ + (4u << 20) + 16 * (fed_ + given_) + calls_ * 4096);
  }

  static std::string bytes_of(const proto::Message& message) {
    const proto::OutgoingFrame frame = proto::encode(message);
    return frame.body ? frame.head + *frame.body : frame.head;
  }

  Side side_;
  proto::SessionState before_ = proto::SessionState::kHandshake;
  proto::FrameDecoder reader_;
  bool hello_ = false;    // manager: delivered; worker: sent
  bool welcome_ = false;  // manager: sent; worker: delivered
  bool final_ = false;    // REFUSE or BYE sent
  bool ended_ = false;    // REFUSE or BYE delivered
  bool disconnected_ = false;
  std::size_t labels_ = 0;
  std::size_t calls_ = 0;
  std::size_t fed_ = 0;
  std::size_t given_ = 0;
  std::size_t written_ = 0;
  std::size_t heap_before_;
  std::vector<std::string> sent_;
  std::vector<std::string> delivered_;
};

}  // namespace imgrec::fuzz
