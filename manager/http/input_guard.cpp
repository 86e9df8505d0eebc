#include "manager/http/input_guard.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace imgrec::manager {
namespace {

// Memory for a body grows with what has come, not with what a head promises.
constexpr std::size_t kFirstBodyReserve = 256 * 1024;

std::string mebibytes(std::uint64_t bytes) {
  return bytes >= (1u << 20) ? std::to_string(bytes >> 20) + " MiB"
                             : std::to_string(bytes) + " bytes";
}

}  // namespace

InputGuard::InputGuard(GuardLimits limits, TimePoint now, ByteBudget* budget)
    : limits_(limits), budget_(budget), began_(now), last_byte_(now) {}

InputGuard::~InputGuard() { give_back(); }

// What a body takes up, not what has come of it, is charged.
void InputGuard::append_body(std::string_view part) {
  if (over_budget_) return;
  std::string& body = guarded_.head.request.body;
  if (body.size() + part.size() > body.capacity()) grow_body(body.size() + part.size());
  body.append(part);
  if (budget_ == nullptr || body.capacity() <= charged_) return;
  over_budget_ = !budget_->take(body.capacity() - charged_);
  if (!over_budget_) charged_ = body.capacity();
}

// As a string grows by itself, but not beyond the body's length: an image stays in memory as it was
// received. (reserve() would double what is there, whatever it is asked for.)
void InputGuard::grow_body(std::size_t wanted) {
  std::string& body = guarded_.head.request.body;
  const auto length = static_cast<std::size_t>(guarded_.head.content_length);
  std::string larger;
  larger.reserve(std::min(std::max(wanted, 2 * body.capacity()), length));
  larger.append(body);
  body = std::move(larger);
}

void InputGuard::give_back() {
  if (budget_ != nullptr) budget_->give_back(std::exchange(charged_, 0));
  over_budget_ = false;
}

void InputGuard::feed(std::string_view bytes, TimePoint now) {
  if (bytes.empty()) return;
  last_byte_ = now;
  switch (state_) {
    case State::kHead:
      if (pending_.empty()) began_ = now;
      pending_.append(bytes);
      return;
    case State::kBody: {
      const auto part = bytes.substr(0, missing_body());
      append_body(part);
      pending_.append(bytes.substr(part.size()));
      return;
    }
    case State::kAnswering:
      if (overflowed_ || bytes.size() > limits_.max_pipelined_bytes - pending_.size()) {
        overflowed_ = true;
        std::string().swap(pending_);
      } else {
        pending_.append(bytes);
      }
      return;
    case State::kLingering:
      dropped_ += bytes.size();
      return;
    case State::kUpgraded:
    case State::kOver:
      return;
  }
}

InputGuard::Decision InputGuard::next(TimePoint now) {
  if (now >= deadline()) return expire(now);
  switch (state_) {
    case State::kHead:
      if (!overflowed_) return read_head(now);
      return refuse({400, "pipeline_overflow", "too much was sent ahead of the last answer"}, now);
    case State::kBody:
      return read_body(now);
    case State::kLingering:
      if (dropped_ <= limits_.max_lingering_bytes) return Decision::kWait;
      state_ = State::kOver;
      return Decision::kClose;
    case State::kOver:
      return Decision::kClose;
    case State::kAnswering:
    case State::kUpgraded:
      break;
  }
  return Decision::kWait;
}

// Looks at every byte of a head once, in whatever pieces it comes. Line ends are CR LF, no other
// control characters but tab; empty lines before the request line are skipped (RFC 9112, 2.2).
InputGuard::Scan InputGuard::scan_head() {
  for (; scanned_ < pending_.size(); ++scanned_) {
    if (scanned_ >= limits_.max_header_bytes) {
      refusal_ = {431, "header_too_large",
                  "the request line and header fields exceed " +
                      std::to_string(limits_.max_header_bytes) + " bytes"};
      return Scan::kRefused;
    }
    const auto byte = static_cast<unsigned char>(pending_[scanned_]);
    const bool after_return = scanned_ > 0 && pending_[scanned_ - 1] == '\r';
    if (after_return != (byte == '\n')) {
      refusal_ = {400, "bad_request", "a line of the request's head does not end with CR LF"};
      return Scan::kRefused;
    }
    if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f) {
      refusal_ = {400, "bad_request", "the request's head holds a control character"};
      return Scan::kRefused;
    }
    if (byte == '\n') {
      if (line_empty_ && head_begun_) {
        ++scanned_;
        return Scan::kComplete;
      }
      line_empty_ = true;
    } else if (byte != '\r') {
      line_empty_ = false;
      head_begun_ = true;
    }
  }
  return Scan::kMore;
}

InputGuard::Decision InputGuard::read_head(TimePoint now) {
  switch (scan_head()) {
    case Scan::kMore:
      return Decision::kWait;
    case Scan::kRefused:
      return refuse(std::move(refusal_), now);
    case Scan::kComplete:
      break;
  }
  const std::size_t begin = pending_.find_first_not_of("\r\n");
  guarded_.raw_head.assign(pending_, begin, scanned_ - begin);
  pending_.erase(0, scanned_);
  scanned_ = 0;
  line_empty_ = true;
  head_begun_ = false;
  auto parsed = parse_request_head(guarded_.raw_head);
  if (auto* refusal = std::get_if<Refusal>(&parsed)) return refuse(std::move(*refusal), now);
  guarded_.head = std::get<RequestHead>(std::move(parsed));
  guarded_.head.request.received = began_;
  if (guarded_.head.content_length > limits_.max_body_bytes) {
    return refuse({413, "body_too_large",
                   "the body of " + mebibytes(guarded_.head.content_length) +
                       " exceeds the limit of " + mebibytes(limits_.max_body_bytes)},
                  now);
  }
  if (guarded_.head.websocket) {
    guarded_.raw_head += std::exchange(pending_, {});
    state_ = State::kUpgraded;
    return Decision::kUpgrade;
  }
  state_ = State::kBody;
  began_ = now;
  const std::uint64_t length = guarded_.head.content_length;
  guarded_.head.request.body.reserve(std::min<std::uint64_t>(length, kFirstBodyReserve));
  const std::size_t here = std::min<std::uint64_t>(length, pending_.size());
  append_body(std::string_view(pending_).substr(0, here));
  pending_.erase(0, here);
  if (!over_budget_ && guarded_.head.expects_continue && length > 0) return Decision::kContinue;
  return read_body(now);
}

InputGuard::Decision InputGuard::read_body(TimePoint now) {
  if (over_budget_) {
    return refuse({503, "overloaded",
                   "so many uploads are under way that there is no room for this one: try again in "
                   "a moment"},
                  now);
  }
  if (guarded_.head.request.body.size() < guarded_.head.content_length) return Decision::kWait;
  state_ = State::kAnswering;
  began_ = now;
  if (pending_.size() > limits_.max_pipelined_bytes) {
    overflowed_ = true;
    std::string().swap(pending_);
  }
  return Decision::kRequest;
}

void InputGuard::response_sent(bool keep_alive, TimePoint now) {
  if (state_ != State::kAnswering) return;
  give_back();
  if (!keep_alive) return linger(now);
  state_ = State::kHead;
  began_ = now;
  last_byte_ = now;
}

InputGuard::TimePoint InputGuard::deadline() const {
  using std::chrono::milliseconds;
  switch (state_) {
    case State::kHead:
      return began_ + (pending_.empty() ? limits_.unused_timeout : limits_.idle_timeout);
    case State::kBody: {
      const std::size_t received = guarded_.head.request.body.size();
      const milliseconds earned(received * 1000 / std::max<std::size_t>(limits_.min_body_rate, 1));
      return std::min(last_byte_ + limits_.idle_timeout, began_ + limits_.idle_timeout + earned);
    }
    case State::kLingering:
      return began_ + limits_.lingering_timeout;
    case State::kAnswering:
    case State::kUpgraded:
    case State::kOver:
      break;
  }
  return TimePoint::max();
}

InputGuard::Decision InputGuard::expire(TimePoint now) {
  if (state_ == State::kBody || (state_ == State::kHead && !pending_.empty())) {
    return refuse({408, "request_timeout", "the request did not arrive in time"}, now);
  }
  state_ = State::kOver;
  return Decision::kClose;
}

InputGuard::Decision InputGuard::refuse(Refusal refusal, TimePoint now) {
  refusal_ = std::move(refusal);
  linger(now);
  return Decision::kRefuse;
}

// Nothing that comes from here on is a request: after a refusal nobody knows where one would begin.
void InputGuard::linger(TimePoint now) {
  state_ = State::kLingering;
  began_ = now;
  dropped_ = pending_.size();
  std::string().swap(pending_);
  guarded_ = {};
  give_back();
}

}  // namespace imgrec::manager
