#include "common/signals.h"

#include <cerrno>
#include <csignal>

#include <gtest/gtest.h>
#include <unistd.h>

namespace imgrec {
namespace {

TEST(Signals, TerminationSignalsBecomeValues) {
  block_termination_signals();
  for (const int number : {SIGTERM, SIGINT}) {
    ASSERT_EQ(kill(getpid(), number), 0);
    EXPECT_EQ(wait_for_termination(), number);
  }
}

TEST(Signals, WritingToAClosedPipeIsAnErrorAndNoDeath) {
  block_termination_signals();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  close(ends[1]);
}

}  // namespace
}  // namespace imgrec
