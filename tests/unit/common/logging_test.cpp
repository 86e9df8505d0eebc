#include "common/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace imgrec {
namespace {

TEST(LogText, LeavesPlainWordsAlone) {
  EXPECT_EQ(log_text("worker-1"), "worker-1");
  EXPECT_EQ(log_text("10.0.0.7:51324"), "10.0.0.7:51324");
  EXPECT_EQ(log_text("žluťoučký"), "žluťoučký");
}

TEST(LogText, QuotesWhatWouldBreakAField) {
  EXPECT_EQ(log_text(""), "\"\"");
  EXPECT_EQ(log_text("two words"), "\"two words\"");
  EXPECT_EQ(log_text("a=b"), "\"a=b\"");
  EXPECT_EQ(log_text("say \"hi\" \\"), "\"say \\\"hi\\\" \\\\\"");
}

TEST(LogText, EscapesControlCharactersSoThatOneEventStaysOneLine) {
  EXPECT_EQ(log_text("a\nb\r\t"), "\"a\\nb\\r\\t\"");
  EXPECT_EQ(log_text(std::string_view("\x1b[31m\0\x7f", 7)), "\"\\x1b[31m\\x00\\x7f\"");
  EXPECT_EQ(log_text("\xc2\x9b"), "\"\\xc2\\x9b\"");  // U+009B opens a terminal sequence
}

TEST(LogText, EscapesBytesThatAreNotUtf8) {
  const std::pair<const char*, const char*> cases[] = {
      {"\xff", "\"\\xff\""},                             // never a lead byte
      {"\xc3", "\"\\xc3\""},                             // cut
      {"\xc0\xaf", "\"\\xc0\\xaf\""},                    // overlong
      {"\xe0\x80\x80", "\"\\xe0\\x80\\x80\""},           // overlong
      {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\""},           // surrogate
      {"\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\""},  // over U+10FFFF
  };
  for (const auto& [in, out] : cases) EXPECT_EQ(log_text(in), out);
  EXPECT_EQ(log_text("\xf0\x9f\x90\x95"), "\xf0\x9f\x90\x95");
}

TEST(LogText, CutsAt200BytesBetweenCharacters) {
  EXPECT_EQ(log_text(std::string(200, 'x')), std::string(200, 'x'));
  EXPECT_EQ(log_text(std::string(201, 'x')), "\"" + std::string(200, 'x') + "…\"");
  const std::string text = std::string(199, 'x') + "é";
  EXPECT_EQ(log_text(text), "\"" + std::string(199, 'x') + "…\"");
}

TEST(InitLogging, WritesUtcTimeLevelProgramAndEvent) {
  ASSERT_TRUE(init_logging("imgrec-test", "info").ok());
  testing::internal::CaptureStderr();
  spdlog::debug("hidden a=1");
  spdlog::info("manager_ready http={}", "127.0.0.1:8080");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\."
                                    "[0-9]{3}Z info imgrec-test manager_ready "
                                    "http=127.0.0.1:8080\n"));
}

TEST(InitLogging, UnknownLevelIsAnErrorThatListsTheLevels) {
  const Status status = init_logging("imgrec-test", "loud");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "log level loud is none of trace, debug, info, warn, error");
}

TEST(LogLimiter, LogsABurstThenCountsAndStartsAnewAfterThePeriod) {
  using namespace std::chrono_literals;
  LogLimiter limiter(2, 60s);
  const LogLimiter::TimePoint start{};
  EXPECT_EQ(limiter.admit(start), 0u);
  EXPECT_EQ(limiter.admit(start), 0u);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(limiter.admit(start + 59s), std::nullopt);
  EXPECT_EQ(limiter.admit(start + 60s), 7u);
  EXPECT_EQ(limiter.admit(start + 61s), 0u);
  EXPECT_EQ(limiter.admit(start + 62s), std::nullopt);
}

}  // namespace
}  // namespace imgrec
