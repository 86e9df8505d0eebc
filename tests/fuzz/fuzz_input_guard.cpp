// Any bytes, in any slices, through the guard of an HTTP connection, held against an independent
// reading of the same bytes. Input: one byte of habits, one that chooses the slices, then what the
// client sends.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manager/http/http_text.h"
#include "manager/http/input_guard.h"
#include "tests/fuzz/allocated.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec;
using namespace imgrec::manager;
using imgrec::fuzz::require;
using Decision = InputGuard::Decision;
using TimePoint = InputGuard::TimePoint;

const TimePoint kStart = TimePoint(std::chrono::hours(1));
// Decisions between two feeds: each but the last takes bytes or leaves a state for good.
constexpr int kMaxDecisions = 100'000;

GuardLimits small_limits() {
  GuardLimits limits;
  limits.max_header_bytes = 1024;
  limits.max_body_bytes = 4096;
  limits.max_lingering_bytes = 8192;
  limits.max_pipelined_bytes = 1 << 20;  // no input is longer: slices cannot make it overflow
  return limits;
}

// One thing that the guard decided, as far as it must not depend on the slices.
struct Event {
  Decision decision = Decision::kWait;
  std::string head;
  std::string body;
  std::string refusal;
  bool keep_alive = false;
  bool operator==(const Event&) const = default;
};

// A connection whose shell does what the reactor does. Answers keep the connection where the
// request allows it.
class Connection {
 public:
  explicit Connection(GuardLimits limits) : guard_(limits, kStart) {}

  void feed(std::string_view bytes, TimePoint now) {
    guard_.feed(bytes, now);
    decide(now);
  }

  void decide(TimePoint now) {
    for (int i = 0; i < kMaxDecisions; ++i) {
      const Decision decision = guard_.next(now);
      if (decision == Decision::kWait) return;
      require(!over_);
      if (decision == Decision::kClose) {
        over_ = true;
        return;
      }
      act(decision, now);
    }
    require(false);  // it spins
  }

  const std::vector<Event>& events() const { return events_; }
  const InputGuard& guard() const { return guard_; }
  bool over() const { return over_; }
  bool refused() const { return refused_; }

 private:
  void act(Decision decision, TimePoint now) {
    require(!refused_ && !upgraded_);  // nothing is read behind either
    Event event{decision, {}, {}, {}, false};
    if (decision == Decision::kRefuse) {
      const Refusal& refusal = guard_.refusal();
      require(refusal.status >= 400 && refusal.status < 600);
      require(!refusal.code.empty() && !refusal.detail.empty());
      event.refusal = std::to_string(refusal.status) + " " + refusal.code;
      refused_ = true;
    } else if (decision == Decision::kContinue) {
      return;  // a client that sends its body at once may get it or not
    } else {
      InputGuard::Guarded guarded = guard_.take();
      event.head = guarded.raw_head;
      event.body = guarded.head.request.body;
      event.keep_alive = guarded.head.keep_alive;
      upgraded_ = decision == Decision::kUpgrade;
      require(upgraded_ || event.body.size() == guarded.head.content_length);
      require(!guarded.head.request.path.empty() && guarded.head.request.path.front() == '/');
      if (!upgraded_) {
        guard_.response_sent(event.keep_alive, now);
        refused_ = !event.keep_alive;  // nothing more is read then
      }
    }
    events_.push_back(std::move(event));
  }

  InputGuard guard_;
  std::vector<Event> events_;
  bool over_ = false;
  bool refused_ = false;
  bool upgraded_ = false;
};

// ---- the oracle: the same bytes, read without the guard's code ------------------------------

struct OracleRequest {
  std::string_view head;
  std::string_view body;
};

// What a plain reader that trusts nothing but CRLF CRLF and one Content-Length takes for the next
// request. nullopt: there is no whole one, or the head is one that must never be answered.
std::optional<OracleRequest> next_request(std::string_view& rest) {
  while (rest.substr(0, 2) == "\r\n") rest.remove_prefix(2);
  const auto end = rest.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  OracleRequest request{rest.substr(0, end + 4), {}};
  std::optional<std::uint64_t> length;
  for (std::size_t at = request.head.find("\r\n") + 2; at < end + 2;) {
    const auto line_end = request.head.find("\r\n", at);
    const std::string_view line = request.head.substr(at, line_end - at);
    at = line_end + 2;
    std::string name;
    for (const char c : line.substr(0, line.find(':'))) name += static_cast<char>(c | 0x20);
    if (name == "transfer-encoding") return std::nullopt;
    if (name != "content-length") continue;
    std::string digits;
    for (const char c : line.substr(std::min(line.find(':') + 1, line.size()))) {
      if (c != ' ' && c != '\t') digits += c;
    }
    if (length || digits.empty() || digits.size() > 18) return std::nullopt;
    if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    length = std::stoull(digits);
  }
  rest.remove_prefix(request.head.size());
  if (length.value_or(0) > rest.size()) return std::nullopt;
  request.body = rest.substr(0, length.value_or(0));
  rest.remove_prefix(request.body.size());
  return request;
}

bool has_lone_line_end_or_control(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    const auto byte = static_cast<unsigned char>(head[i]);
    if (byte == '\r' && (i + 1 == head.size() || head[i + 1] != '\n')) return true;
    if (byte == '\n' && (i == 0 || head[i - 1] != '\r')) return true;
    if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f) return true;
  }
  return false;
}

// A head so plain that refusing it would be a fault: GET, a path of letters, one Host.
bool must_be_taken(std::string_view head) {
  constexpr std::string_view kBegin = "GET /";
  constexpr std::string_view kEnd = " HTTP/1.1\r\nHost: x\r\n\r\n";
  if (head.substr(0, kBegin.size()) != kBegin || head.size() < kBegin.size() + kEnd.size()) {
    return false;
  }
  if (head.substr(head.size() - kEnd.size()) != kEnd || head.size() > 1000) return false;
  const auto path = head.substr(kBegin.size(), head.size() - kBegin.size() - kEnd.size());
  return std::all_of(path.begin(), path.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

void check_against_oracle(std::string_view stream, const std::vector<Event>& events) {
  std::string_view rest = stream;
  for (const Event& event : events) {
    const std::string_view before = rest;
    const auto expected = next_request(rest);
    if (event.decision == Decision::kRefuse) {
      require(!expected || !must_be_taken(expected->head));
      return;
    }
    if (event.decision == Decision::kUpgrade) {  // the head and all that came behind it
      require(before.substr(before.find_first_not_of("\r\n")).substr(0, event.head.size()) ==
              event.head);
      return;
    }
    require(expected.has_value());
    require(!has_lone_line_end_or_control(expected->head));
    require(event.head == expected->head);
    require(event.body == expected->body);
    if (!event.keep_alive) return;
  }
  // Nothing that should have been answered is left over.
  if (rest.size() > 8192) return;  // may be refused for its size with the next byte
  const auto more = next_request(rest);
  require(!more || !must_be_taken(more->head));
}

// ---- the two ways of running ------------------------------------------------------------------

std::vector<Event> run_whole(std::string_view stream) {
  Connection connection(small_limits());
  connection.feed(stream, kStart);
  return connection.events();
}

std::vector<Event> run_sliced(std::string_view stream, std::uint8_t seed) {
  Connection connection(small_limits());
  for (fuzz::Slicer slices(stream, seed); !slices.done();) {
    connection.feed(slices.next(), kStart);
  }
  return connection.events();
}

// An upgrade takes along what came in the same slice, so only its head is the same in any slices.
std::vector<Event> without_followers(std::vector<Event> events) {
  for (Event& event : events) {
    if (event.decision == Decision::kUpgrade) {
      event.head.resize(event.head.find("\r\n\r\n") + 4);
    }
  }
  return events;
}

// Time passes, the queue is small, answers come late or never: the guard stays within its limits
// and every connection comes to its end.
void run_slowly(std::string_view stream, std::uint8_t seed) {
  GuardLimits limits = small_limits();
  limits.max_pipelined_bytes = 256;
  TimePoint now = kStart;
  const std::size_t before = fuzz::allocated_bytes();
  InputGuard guard(limits, now);
  // Strings double as they grow, and a request under way is held beside the queue.
  const std::size_t most =
      4 * (limits.max_header_bytes + limits.max_body_bytes + limits.max_pipelined_bytes + 1024) +
      kMaxHeaderFields * 256;
  bool refused = false;
  bool answering = false;
  for (fuzz::Slicer slices(stream, seed); !slices.done();) {
    guard.feed(slices.next(), now);
    for (Decision d = guard.next(now); d != Decision::kWait; d = guard.next(now)) {
      if (d == Decision::kClose || d == Decision::kUpgrade) return;
      require(!refused && !answering);
      refused = d == Decision::kRefuse;
      if (d != Decision::kRequest) continue;
      (void)guard.take();
      answering = true;
    }
    require(fuzz::allocated_bytes() <= before + most);
    if (answering && slices.draw() % 3 == 0) {
      guard.response_sent(slices.draw() % 7 != 0, now);
      refused = refused || slices.draw() % 7 == 0;
      answering = false;
    }
    now += std::chrono::milliseconds(slices.draw() % 4096);
  }
  if (answering) guard.response_sent(true, now);
  for (int step = 0; step < 4; ++step) {
    Decision d = guard.next(now);
    for (int i = 0; d != Decision::kWait && d != Decision::kClose && i < 64; ++i) {
      if (d == Decision::kUpgrade) return;
      if (d == Decision::kRequest) guard.response_sent(false, now);
      d = guard.next(now);
    }
    if (d == Decision::kClose) return;
    require(d == Decision::kWait && guard.deadline() != TimePoint::max());
    now = std::max(now, guard.deadline());
  }
  require(false);  // it would wait for ever
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::ByteSource input(data, size);
  const std::uint8_t habits = input.byte();
  const std::uint8_t seed = input.byte();
  const std::string_view stream = input.rest();
  if (habits & 1) {
    run_slowly(stream, seed);
    return 0;
  }
  const std::vector<Event> whole = run_whole(stream);
  require(without_followers(whole) == without_followers(run_sliced(stream, seed)));
  check_against_oracle(stream, whole);
  return 0;
}
