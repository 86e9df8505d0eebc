// Status and Result<T>: how imgrec reports failures that are expected.
//
// Thread rule: plain values; share them as you would share an int.
// Owns: its message text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace imgrec {

// A small, closed set. One function per edge maps it outwards (to HTTP, to the wire).
enum class StatusCode {
  kOk,
  kInvalidArgument,     // the caller's input is wrong and will stay wrong
  kNotFound,            // what was named does not exist
  kAlreadyExists,       // it exists already, with other content
  kFailedPrecondition,  // right input at the wrong time or in the wrong state
  kResourceExhausted,   // a stated limit is reached (size, count, disk)
  kUnsupported,         // well-formed, but of a kind we do not take
  kUnavailable,         // try again later
  kDeadlineExceeded,    // it took too long
  kCancelled,           // someone asked for it to stop
  kDataLoss,            // stored or sent bytes are damaged
  kInternal,            // a bug of ours or a failure of the machine
};

// The code's name in snake_case, for logs: "invalid_argument".
std::string_view to_string(StatusCode code);

// Either OK, or a code with a sentence that says what happened, where, and what to do.
class [[nodiscard]] Status {
 public:
  Status() = default;
  // REQUIRES: code != kOk.
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  explicit operator bool() const { return ok(); }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // "invalid_argument: frame of 17 MiB exceeds the limit of 16 MiB"
  std::string to_string() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// A T, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}  // NOLINT: implicit by intent, as in std::optional
  // REQUIRES: !status.ok().
  Result(Status status) : state_(std::move(status)) {}  // NOLINT

  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok().
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // OK when a value is held.
  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace imgrec
