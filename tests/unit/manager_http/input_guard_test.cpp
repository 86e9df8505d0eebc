#include "manager/http/input_guard.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
using Decision = InputGuard::Decision;

const InputGuard::TimePoint kStart{};

GuardLimits small_limits() {
  GuardLimits limits;
  limits.max_header_bytes = 400;
  limits.max_body_bytes = 1000;
  limits.max_pipelined_bytes = 2000;
  limits.max_lingering_bytes = 500;
  return limits;
}

// What happened on one connection, one line for each decision. Each request is answered at once.
class Trace {
 public:
  explicit Trace(GuardLimits limits = small_limits()) : guard_(limits, kStart) {}

  void feed(std::string_view bytes) {
    if (!lines_.empty() && lines_.back() == "over") return;
    guard_.feed(bytes, kStart);
    for (auto decision = guard_.next(kStart); decision != Decision::kWait;
         decision = guard_.next(kStart)) {
      note(decision);
      if (decision == Decision::kClose) break;
    }
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  void note(Decision decision) {
    switch (decision) {
      case Decision::kContinue:
        lines_.push_back("continue");
        break;
      case Decision::kRequest: {
        const auto guarded = guard_.take();
        const HttpRequest& got = guarded.head.request;
        lines_.push_back(got.method + " " + got.path + "?" + got.query + " [" + got.body + "]" +
                         (guarded.head.keep_alive ? "" : " close"));
        guard_.response_sent(guarded.head.keep_alive, kStart);
        break;
      }
      case Decision::kUpgrade:
        lines_.emplace_back("upgrade ").append(guard_.take().head.request.path);
        break;
      case Decision::kRefuse:
        lines_.push_back(std::to_string(guard_.refusal().status) + " " + guard_.refusal().code);
        break;
      case Decision::kClose:
        lines_.push_back("over");
        break;
      case Decision::kWait:
        break;
    }
  }

  InputGuard guard_;
  std::vector<std::string> lines_;
};

std::vector<std::string> trace(std::string_view bytes) {
  Trace trace;
  trace.feed(bytes);
  return trace.lines();
}

using Lines = std::vector<std::string>;

std::string request(std::string_view line, std::string_view fields, std::string_view body) {
  std::string text(line);
  return text.append(" HTTP/1.1\r\nHost: h\r\n").append(fields).append("\r\n").append(body);
}

std::string get(std::string_view fields = "", std::string_view target = "/") {
  return request(std::string("GET ").append(target), fields, "");
}

std::string post(std::string_view fields, std::string_view body) {
  return request("POST /p", fields, body);
}

TEST(InputGuard, PassesRequestsInOrder) {
  EXPECT_EQ(trace(get("", "/a%20b?q=1%202") + post("Content-Length: 3\r\n", "xyz") + get()),
            (Lines{"GET /a b?q=1%202 []", "POST /p? [xyz]", "GET /? []"}));
}

// Two requests, a refused one, and bytes behind it that look like a request.
TEST(InputGuard, DecidesTheSameInEverySlicing) {
  const std::vector<std::string> conversations = {
      "\r\n" + get("", "/a?x") + post("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello") +
          post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n") + get("", "/smuggled"),
      get() + get("X: \x01\r\n") + get(),
      post("Content-Length: 2000\r\n", get("", "/smuggled")),
      get("Connection: close\r\n") + get("", "/late"),
      get("Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n", "/ws") + "frame",
      get() + std::string(600, 'x'),
      get() + "GET / HTTP/1.1\nHost: h\n\n",
  };
  for (const std::string& bytes : conversations) {
    const Lines whole = trace(bytes);
    ASSERT_FALSE(whole.empty());
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      Trace sliced;
      for (std::size_t at = 0; at < bytes.size(); at += size) sliced.feed(bytes.substr(at, size));
      ASSERT_EQ(sliced.lines(), whole) << "slices of " << size << " of " << bytes;
    }
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      Trace sliced;
      sliced.feed(bytes.substr(0, cut));
      sliced.feed(bytes.substr(cut));
      ASSERT_EQ(sliced.lines(), whole) << "cut at " << cut << " of " << bytes;
    }
  }
}

struct Case {
  const char* name;
  std::string bytes;
  std::string expected;
};

TEST(InputGuard, RefusesWhatIsMalformedOrAmbiguous) {
  const std::vector<Case> cases = {
      {"chunked", post("Transfer-Encoding: chunked\r\n", ""), "411 length_required"},
      {"identity", post("Transfer-Encoding: identity\r\n", ""), "411 length_required"},
      {"both", post("Content-Length: 1\r\nTransfer-Encoding: x\r\n", ""), "411 length_required"},
      {"bad length", post("Content-Length: abc\r\n", ""), "400 bad_request"},
      {"no length", post("Content-Length:\r\n", ""), "400 bad_request"},
      {"signed length", post("Content-Length: +3\r\n", "xyz"), "400 bad_request"},
      {"negative length", post("Content-Length: -3\r\n", ""), "400 bad_request"},
      {"hexadecimal length", post("Content-Length: 0x3\r\n", ""), "400 bad_request"},
      {"list of lengths", post("Content-Length: 3, 3\r\n", ""), "400 bad_request"},
      {"two lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", ""), "400 bad_request"},
      {"huge length", post("Content-Length: 18446744073709551617\r\n", ""), "400 bad_request"},
      {"large length", post("Content-Length: 999999999999999999\r\n", ""), "413 body_too_large"},
      {"one over the limit", post("Content-Length: 1001\r\n", ""), "413 body_too_large"},
      {"NUL", get("", std::string_view("/a\0b", 4)), "400 bad_request"},
      {"control byte", get("X: a\x02\r\n"), "400 bad_request"},
      {"bare CR", get("X: a\rb\r\n"), "400 bad_request"},
      {"bare LF", get("X: a\nb\r\n"), "400 bad_request"},
      {"folded", get("X: a\r\n b\r\n"), "400 bad_request"},
      {"space before colon", get("X : a\r\n"), "400 bad_request"},
      {"no colon", get("X\r\n"), "400 bad_request"},
      {"no name", get(": a\r\n"), "400 bad_request"},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "400 bad_request"},
      {"two hosts", get("Host: x\r\n"), "400 bad_request"},
      {"unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "501 method_unknown"},
      {"lower-case method", "get / HTTP/1.1\r\nHost: h\r\n\r\n", "501 method_unknown"},
      {"trace", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "405 method_not_allowed"},
      {"no version", "GET /\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"version 2", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505 version_not_supported"},
      {"bad version", "GET / HTTP/11\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"relative", get("", "a"), "400 bad_request"},
      {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "400 bad_request"},
      {"encoded NUL", get("", "/a%00b"), "400 bad_request"},
      {"encoded line end", get("", "/a%0d%0ab"), "400 bad_request"},
      {"half an escape", get("", "/a%4"), "400 bad_request"},
      {"raw UTF-8", get("", "/caf\xc3\xa9"), "400 bad_request"},
      {"fragment", get("", "/a#b"), "400 bad_request"},
      {"other expectation", post("Expect: gold\r\nContent-Length: 1\r\n", "x"),
       "417 expectation_failed"},
      {"upgrade with body",
       get("Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1\r\n"),
       "400 bad_request"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(trace(test.bytes), Lines{test.expected}) << test.name;
  }
}

TEST(InputGuard, LimitsTheHead) {
  EXPECT_EQ(trace(get("X: " + std::string(300, 'x') + "\r\n")).front().substr(0, 3), "GET");
  EXPECT_EQ(trace(get("X: " + std::string(400, 'x') + "\r\n")), Lines{"431 header_too_large"});
  EXPECT_EQ(trace(std::string(401, 'x')), Lines{"431 header_too_large"});
  std::string empty_lines;
  for (int i = 0; i < 201; ++i) empty_lines += "\r\n";
  EXPECT_EQ(trace(empty_lines), Lines{"431 header_too_large"});
}

TEST(InputGuard, LimitsTheNumberOfFields) {
  GuardLimits limits;
  Trace many(limits);
  std::string fields;
  for (std::size_t i = 0; i < kMaxHeaderFields - 1; ++i) fields += "a: b\r\n";
  many.feed(get(fields));
  EXPECT_EQ(many.lines(), Lines{"GET /? []"});
  many.feed(get(fields + "a: b\r\n"));
  EXPECT_EQ(many.lines().back(), "431 header_too_large");
}

TEST(InputGuard, LimitsTheTarget) {
  GuardLimits limits;
  Trace trace(limits);
  trace.feed(get("", "/" + std::string(kMaxTargetBytes, 'a')));
  EXPECT_EQ(trace.lines(), Lines{"414 uri_too_long"});
}

TEST(InputGuard, RefusesALargeBodyBeforeItIsSent) {
  EXPECT_EQ(trace("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n"),
            Lines{"413 body_too_large"});
}

TEST(InputGuard, NeverReadsARequestBehindARefusal) {
  EXPECT_EQ(trace(post("Content-Length: 1001\r\n", get("", "/smuggled") + get())),
            Lines{"413 body_too_large"});
}

TEST(InputGuard, DropsABoundedNumberOfBytesAfterARefusal) {
  InputGuard guard(small_limits(), kStart);
  guard.feed(post("Content-Length: 1001\r\n", ""), kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kRefuse);
  guard.feed(std::string(500, 'x'), kStart);
  EXPECT_EQ(guard.next(kStart), Decision::kWait);
  guard.feed("x", kStart);
  EXPECT_EQ(guard.next(kStart), Decision::kClose);
  EXPECT_EQ(guard.next(kStart), Decision::kClose);
}

TEST(InputGuard, AsksForTheBodyWhereTheClientWaits) {
  EXPECT_EQ(trace(post("Content-Length: 3\r\nExpect: 100-Continue\r\n", "abc")),
            (Lines{"continue", "POST /p? [abc]"}));
  EXPECT_EQ(trace(post("Content-Length: 1001\r\nExpect: 100-continue\r\n", "")),
            Lines{"413 body_too_large"});
  EXPECT_EQ(trace("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx"),
            Lines{"POST /? [x] close"});
}

TEST(InputGuard, FollowsKeepAliveOfEitherVersion) {
  EXPECT_EQ(trace(get()), Lines{"GET /? []"});
  EXPECT_EQ(trace(get("Connection: x, Close\r\n")), Lines{"GET /? [] close"});
  EXPECT_EQ(trace(get("Connection: x\r\nConnection: close\r\n")), Lines{"GET /? [] close"});
  EXPECT_EQ(trace("GET / HTTP/1.0\r\n\r\n"), Lines{"GET /? [] close"});
  EXPECT_EQ(trace("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), Lines{"GET /? []"});
}

TEST(InputGuard, AcceptsTheAbsoluteForm) {
  EXPECT_EQ(trace(get("", "http://example.org/a?b")), Lines{"GET /a?b []"});
  EXPECT_EQ(trace(get("", "http://example.org")), Lines{"GET /? []"});
}

TEST(InputGuard, HoldsPipelinedRequestsUntilTheAnswerHasGone) {
  InputGuard guard(small_limits(), kStart);
  guard.feed(get("", "/1") + get("", "/2"), kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kRequest);
  EXPECT_EQ(guard.take().head.request.path, "/1");
  EXPECT_EQ(guard.next(kStart), Decision::kWait);
  guard.feed(get("", "/3"), kStart);
  EXPECT_EQ(guard.next(kStart), Decision::kWait);
  guard.response_sent(true, kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kRequest);
  EXPECT_EQ(guard.take().head.request.path, "/2");
  guard.response_sent(true, kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kRequest);
  EXPECT_EQ(guard.take().head.request.path, "/3");
}

TEST(InputGuard, BoundsWhatIsPipelined) {
  InputGuard guard(small_limits(), kStart);
  guard.feed(get(), kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kRequest);
  for (int i = 0; i < 100; ++i) guard.feed(get(), kStart);
  EXPECT_EQ(guard.next(kStart), Decision::kWait);  // the answer comes first
  guard.response_sent(true, kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kRefuse);
  EXPECT_EQ(guard.refusal().code, "pipeline_overflow");
}

TEST(InputGuard, HandsOverAnUpgradeWithEverythingReceived) {
  const std::string head = get("Upgrade: WebSocket\r\nConnection: Upgrade\r\n", "/ws?after=3");
  InputGuard guard(small_limits(), kStart);
  guard.feed(head + "early frame", kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kUpgrade);
  const auto guarded = guard.take();
  EXPECT_EQ(guarded.raw_head, head + "early frame");
  EXPECT_EQ(guarded.head.request.query, "after=3");
  guard.feed(get(), kStart);
  EXPECT_EQ(guard.next(kStart), Decision::kWait);
}

TEST(InputGuard, TreatsOtherUpgradesAsPlainRequests) {
  EXPECT_EQ(trace(get("Upgrade: h2c\r\nConnection: Upgrade\r\n")), Lines{"GET /? []"});
  EXPECT_EQ(trace(get("Upgrade: websocket\r\n")), Lines{"GET /? []"});
}

TEST(InputGuard, GivesUpOnAHeadThatDripsIn) {
  InputGuard guard(small_limits(), kStart);
  auto now = kStart + 10s;
  guard.feed("G", now);
  for (int second = 1; second < 60; ++second) {
    guard.feed("E", now + std::chrono::seconds(second));
    ASSERT_EQ(guard.next(now + std::chrono::seconds(second)), Decision::kWait);
  }
  EXPECT_EQ(guard.deadline(), now + 60s);
  ASSERT_EQ(guard.next(now + 60s), Decision::kRefuse);
  EXPECT_EQ(guard.refusal().status, 408);
  EXPECT_EQ(guard.next(now + 71s), Decision::kClose);
}

TEST(InputGuard, KnowsHowMuchOfABodyIsToCome) {
  InputGuard guard(small_limits(), kStart);
  EXPECT_EQ(guard.missing_body(), 0u) << "before a request";
  guard.feed(post("Content-Length: 10\r\n", "abc"), kStart);
  EXPECT_EQ(guard.missing_body(), 0u) << "the head has not been read";
  ASSERT_EQ(guard.next(kStart), Decision::kWait);
  EXPECT_EQ(guard.missing_body(), 7u);
  guard.feed("defg", kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kWait);
  EXPECT_EQ(guard.missing_body(), 3u);
  guard.feed("hij" + get(), kStart);
  EXPECT_EQ(guard.missing_body(), 0u);
  ASSERT_EQ(guard.next(kStart), Decision::kRequest);
  EXPECT_EQ(guard.take().head.request.body, "abcdefghij");
  EXPECT_EQ(guard.missing_body(), 0u) << "while it is answered";
}

// An image is kept as it was received: its body must not lie in twice the memory.
TEST(InputGuard, ABodyTakesNoMoreMemoryThanItHasBytes) {
  GuardLimits limits = small_limits();
  limits.max_body_bytes = 1'000'000;
  for (const std::size_t length : {150'000u, 64u << 10, 999'999u}) {
    InputGuard guard(limits, kStart);
    guard.feed(post("Content-Length: " + std::to_string(length) + "\r\n", ""), kStart);
    auto decision = guard.next(kStart);
    while (decision == Decision::kWait) {
      guard.feed(std::string(std::min<std::size_t>(guard.missing_body(), 4096), 'x'), kStart);
      decision = guard.next(kStart);
    }
    ASSERT_EQ(decision, Decision::kRequest);
    const std::string body = guard.take().head.request.body;
    EXPECT_EQ(body, std::string(length, 'x'));
    EXPECT_EQ(body.capacity(), length);
  }
}

TEST(InputGuard, NothingIsToComeOfABodyThatIsRefused) {
  InputGuard guard(small_limits(), kStart);
  guard.feed(post("Content-Length: 2000\r\n", "abc"), kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kRefuse);
  EXPECT_EQ(guard.missing_body(), 0u);
}

TEST(InputGuard, GivesUpOnABodyThatStops) {
  InputGuard guard(small_limits(), kStart);
  guard.feed(post("Content-Length: 900\r\n", std::string(400, 'x')), kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kWait);
  EXPECT_EQ(guard.next(kStart + 59s), Decision::kWait);
  EXPECT_EQ(guard.next(kStart + 60s), Decision::kRefuse);
}

TEST(InputGuard, GivesUpOnABodyThatDripsIn) {
  InputGuard guard(small_limits(), kStart);
  guard.feed(post("Content-Length: 900\r\n", ""), kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kWait);
  for (int second = 1; second <= 60; ++second) {
    guard.feed("x", kStart + std::chrono::seconds(second));
    ASSERT_EQ(guard.next(kStart + std::chrono::seconds(second)), Decision::kWait) << second;
  }
  EXPECT_EQ(guard.next(kStart + 61s), Decision::kRefuse);
}

TEST(InputGuard, LeavesTheHandlerAllTheTimeItWants) {
  InputGuard guard(small_limits(), kStart);
  guard.feed(get(), kStart);
  ASSERT_EQ(guard.next(kStart), Decision::kRequest);
  EXPECT_EQ(guard.deadline(), InputGuard::TimePoint::max());
  EXPECT_EQ(guard.next(kStart + 24h), Decision::kWait);
}

TEST(InputGuard, ClosesConnectionsThatNobodyUses) {
  InputGuard guard(small_limits(), kStart);
  EXPECT_EQ(guard.next(kStart + 74s), Decision::kWait);
  EXPECT_EQ(guard.next(kStart + 75s), Decision::kClose);
}

TEST(InputGuardBudget, BodiesThatWouldTakeMoreThanAllMayHaveAreRefused) {
  ByteBudget budget(1500);
  GuardLimits limits;
  InputGuard one(limits, kStart, &budget);
  InputGuard two(limits, kStart, &budget);
  const auto post = [](std::size_t length) {
    return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
  };
  one.feed(post(1000) + std::string(500, 'a'), kStart);
  EXPECT_EQ(one.next(kStart), Decision::kWait);
  two.feed(post(1000), kStart);
  EXPECT_EQ(two.next(kStart), Decision::kRefuse) << "by what it would take up, not what has come";
  EXPECT_EQ(two.refusal().status, 503);
  one.feed(std::string(500, 'a'), kStart);
  EXPECT_EQ(one.next(kStart), Decision::kRequest);
  EXPECT_EQ(one.take().head.request.body.size(), 1000u);
  EXPECT_GT(budget.used(), 0u) << "held while the handler has it";
  one.response_sent(true, kStart);
  EXPECT_EQ(budget.used(), 0u);
}

TEST(InputGuardBudget, ABodyThatIsCutOffGivesBackWhatItHad) {
  ByteBudget budget(1u << 20);
  {
    InputGuard guard({}, kStart, &budget);
    guard.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc", kStart);
    EXPECT_EQ(guard.next(kStart), Decision::kWait);
    EXPECT_GT(budget.used(), 0u);
  }
  EXPECT_EQ(budget.used(), 0u);
  InputGuard late({}, kStart, &budget);
  late.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nabc", kStart);
  EXPECT_EQ(late.next(kStart), Decision::kWait);
  EXPECT_EQ(late.next(kStart + 61s), Decision::kRefuse);
  EXPECT_EQ(budget.used(), 0u) << "a time-out too";
}

}  // namespace
}  // namespace imgrec::manager
