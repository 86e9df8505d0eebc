#include "client/text/progress_line.h"

#include <gtest/gtest.h>

#include "client/text/display.h"

namespace imgrec::client {
namespace {

using namespace std::chrono_literals;

Progress half() {
  Progress progress;
  progress.files = 300;
  progress.recognised = 145;
  progress.failed = 5;
  progress.bytes_sent = 30'000'000;
  progress.connection = Connection::kOnline;
  return progress;
}

TEST(ProgressLine, SaysHowFarHowFastAndHowLongStill) {
  EXPECT_EQ(progress_line(half(), 60'000'000, 10s, 200),
            "[##########----------] 150/300 photos, 30.0 MB of 60.0 MB, 5 not recognised, "
            "15 photos/s, 3.0 MB/s, 10.0 s left");
}

TEST(ProgressLine, SaysWhatItWaitsFor) {
  Progress progress = half();
  progress.failed = 0;
  progress.connection = Connection::kLost;
  EXPECT_EQ(progress_line(progress, 60'000'000, 10s, 200),
            "[#########-----------] 145/300 photos, 30.0 MB of 60.0 MB, connection lost, trying "
            "again");
  progress.connection = Connection::kBusy;
  EXPECT_NE(progress_line(progress, 1, 10s, 200).find("busy"), std::string::npos);
}

TEST(ProgressLine, IsNeverWiderThanTheTerminal) {
  for (std::size_t width = 1; width < 120; ++width) {
    EXPECT_LE(display_width(progress_line(half(), 60'000'000, 10s, width)), width);
  }
}

TEST(ProgressLine, HasNoTroubleWithNothing) {
  EXPECT_EQ(progress_line(Progress{}, 0, 0s, 80),
            "[--------------------] 0/0 photos, 0 B of 0 B, connecting");
}

TEST(SummaryLine, CountsWhatWasNotRecognised) {
  Progress progress = half();
  progress.recognised = 297;
  progress.failed = 2;
  EXPECT_EQ(summary_line(progress, 25s),
            "300 photos: 297 recognised, 3 not, in 25.0 s (12 photos/s)");
  progress = {.files = 1, .recognised = 1};
  EXPECT_EQ(summary_line(progress, 500ms), "1 photo: 1 recognised, in 500 ms (2.0 photos/s)");
}

}  // namespace
}  // namespace imgrec::client
