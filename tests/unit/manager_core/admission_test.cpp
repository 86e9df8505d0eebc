#include "manager/core/admission.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
using Verdict = Admission::Verdict;

const TimePoint kStart{1'000s};
const SessionId kAnna{"anna"};
const SessionId kBert{"bert"};

// 100 images or 10,000 bytes, all of it for one session unless told otherwise.
AdmissionOptions options(unsigned share = 100) {
  AdmissionOptions options;
  options.max_images = 100;
  options.max_bytes = 10'000;
  options.max_unstored = 1'000'000;
  options.session_share_percent = share;
  return options;
}

class AdmissionTest : public ::testing::Test {
 protected:
  Verdict request(const SessionId& session, std::uint64_t images, std::uint64_t bytes) {
    return admission_.request(session, {images, bytes}, now_).verdict;
  }
  std::chrono::seconds wait(const SessionId& session, std::uint64_t images, std::uint64_t bytes) {
    return admission_.check(session, {images, bytes}, now_).retry_after;
  }
  void settle(const SessionId& session, int images, std::uint64_t bytes_each) {
    for (int i = 0; i < images; ++i) admission_.settled(session, bytes_each, now_);
  }

  TimePoint now_ = kStart;
  Admission admission_{options(), kStart};
};

TEST_F(AdmissionTest, TakesUploadsUpToTheCountAndNotOneMore) {
  EXPECT_EQ(request(kAnna, 99, 99), Verdict::kAdmitted);
  EXPECT_EQ(request(kBert, 2, 2), Verdict::kQueueFull);
  EXPECT_EQ(request(kBert, 1, 1), Verdict::kAdmitted);
  EXPECT_EQ(request(kBert, 1, 1), Verdict::kQueueFull);
  EXPECT_EQ(admission_.open().images, 100u) << "what was refused reserved nothing";
}

TEST_F(AdmissionTest, TakesUploadsUpToTheBytesAndNotOneMore) {
  EXPECT_EQ(request(kAnna, 1, 9'999), Verdict::kAdmitted);
  EXPECT_EQ(request(kBert, 1, 2), Verdict::kQueueFull);
  EXPECT_EQ(request(kBert, 1, 1), Verdict::kAdmitted);
  EXPECT_EQ(request(kBert, 1, 1), Verdict::kQueueFull);
}

TEST_F(AdmissionTest, GivesRoomBackWhereTheStoreFailed) {
  EXPECT_EQ(request(kAnna, 100, 100), Verdict::kAdmitted);
  admission_.given_up(kAnna, {100, 100});
  EXPECT_EQ(admission_.open().images, 0u);
  EXPECT_EQ(admission_.open().bytes, 0u);
  EXPECT_EQ(admission_.unstored_bytes(), 0u);
  EXPECT_EQ(admission_.sessions(), 0u);
  EXPECT_EQ(request(kAnna, 100, 100), Verdict::kAdmitted);
}

TEST_F(AdmissionTest, GivesRoomBackImageByImageAsTheySettle) {
  EXPECT_EQ(request(kAnna, 100, 500), Verdict::kAdmitted);
  admission_.stored({100, 500});
  EXPECT_EQ(request(kAnna, 1, 5), Verdict::kQueueFull) << "stored is not settled";
  settle(kAnna, 3, 5);
  EXPECT_EQ(request(kAnna, 4, 5), Verdict::kQueueFull);
  EXPECT_EQ(request(kAnna, 3, 5), Verdict::kAdmitted);
  settle(kAnna, 97, 5);
  admission_.stored({3, 5});
  settle(kAnna, 2, 2);
  settle(kAnna, 1, 1);
  EXPECT_EQ(admission_.open().images, 0u);
  EXPECT_EQ(admission_.open().bytes, 0u);
  EXPECT_EQ(admission_.sessions(), 0u);
}

TEST_F(AdmissionTest, SaysWhatCanNeverBeTaken) {
  EXPECT_EQ(request(kAnna, 101, 1), Verdict::kTooLarge);
  EXPECT_EQ(request(kAnna, 1, 10'001), Verdict::kTooLarge);
  EXPECT_EQ(wait(kAnna, 101, 1), 0s) << "waiting is no use";
  EXPECT_EQ(request(kAnna, 100, 10'000), Verdict::kAdmitted);
  EXPECT_EQ(request(kAnna, 101, 1), Verdict::kTooLarge) << "also while the queue is full";
}

TEST_F(AdmissionTest, ImagesOfAnEarlierProcessCountWhateverTheBoundsAre) {
  admission_.resumed(kAnna, {150, 20'000});
  EXPECT_EQ(request(kBert, 1, 1), Verdict::kQueueFull);
  settle(kAnna, 51, 200);
  EXPECT_EQ(request(kBert, 1, 1), Verdict::kAdmitted);
}

TEST_F(AdmissionTest, BoundsWhatWaitsForTheDisk) {
  AdmissionOptions small = options();
  small.max_unstored = 100;
  admission_ = Admission(small, kStart);
  EXPECT_EQ(request(kAnna, 1, 80), Verdict::kAdmitted);
  EXPECT_EQ(request(kBert, 1, 21), Verdict::kDiskBusy);
  EXPECT_EQ(wait(kBert, 1, 21), Admission::kShortestWait);
  admission_.stored({1, 80});
  EXPECT_EQ(request(kBert, 1, 21), Verdict::kAdmitted);
  EXPECT_EQ(request(kBert, 1, 101), Verdict::kTooLarge);
}

TEST_F(AdmissionTest, OneSessionAloneFillsItsShareOnly) {
  admission_ = Admission(options(50), kStart);
  EXPECT_EQ(request(kAnna, 51, 51), Verdict::kTooLarge);
  EXPECT_EQ(request(kAnna, 50, 50), Verdict::kAdmitted);
  EXPECT_EQ(request(kAnna, 1, 1), Verdict::kSessionFull);
  EXPECT_EQ(request(kBert, 25, 25), Verdict::kAdmitted);
  EXPECT_EQ(request(kBert, 1, 1), Verdict::kSessionFull);
}

TEST_F(AdmissionTest, TheShareCountsBytesToo) {
  admission_ = Admission(options(50), kStart);
  EXPECT_EQ(request(kAnna, 1, 5'000), Verdict::kAdmitted);
  EXPECT_EQ(request(kAnna, 1, 1), Verdict::kSessionFull);
  EXPECT_EQ(request(kBert, 1, 2'500), Verdict::kAdmitted);
}

// However many take what they can get, the next one finds room, and the bound holds.
TEST_F(AdmissionTest, GreedySessionsAlwaysLeaveRoomForOneMore) {
  AdmissionOptions large = options(50);
  large.max_images = 100'000;
  large.max_bytes = large.max_unstored = 1ull << 40;
  admission_ = Admission(large, kStart);
  for (int session = 0; session < 200; ++session) {
    const SessionId id{"s" + std::to_string(session)};
    std::uint64_t got = 0;
    while (request(id, 10, 10) == Verdict::kAdmitted) got += 10;
    if (session < 12) {
      EXPECT_GE(got, 100'000u >> (session + 2)) << session;
    }
    ASSERT_LE(admission_.open().images, 100'000u);
  }
  // Those that settle and come again converge to equal parts.
  for (int round = 0; round < 40; ++round) {
    for (int session = 0; session < 9; ++session) {
      const SessionId id{"s" + std::to_string(session)};
      settle(id, 4'000, 1);
      while (request(id, 10, 10) == Verdict::kAdmitted) {
      }
    }
  }
  EXPECT_EQ(request(SessionId{"newcomer"}, 1'000, 1'000), Verdict::kAdmitted);
}

TEST_F(AdmissionTest, AQueueOfOnePlaceStillTakesOneImage) {
  AdmissionOptions tiny = options(50);
  tiny.max_images = 1;
  admission_ = Admission(tiny, kStart);
  EXPECT_EQ(request(kAnna, 1, 1), Verdict::kAdmitted);
  EXPECT_EQ(request(kBert, 1, 1), Verdict::kQueueFull);
  EXPECT_EQ(request(kBert, 2, 2), Verdict::kTooLarge);
}

TEST_F(AdmissionTest, RetryAfterFollowsTheRateOfTheLastSeconds) {
  ASSERT_EQ(request(kAnna, 100, 100), Verdict::kAdmitted);
  EXPECT_EQ(wait(kBert, 5, 5), Admission::kWaitWithoutRate) << "nothing has settled";
  for (int second = 0; second < 10; ++second) {
    now_ += 1s;
    settle(kAnna, 2, 1);
    ASSERT_EQ(request(kAnna, 2, 2), Verdict::kAdmitted);
  }
  EXPECT_EQ(wait(kBert, 1, 1), 1s);
  EXPECT_NEAR(static_cast<double>(wait(kBert, 40, 40).count()), 20, 3) << "2 a second";
  EXPECT_EQ(admission_.check(kBert, {40, 40}, now_ + 60s).retry_after, Admission::kWaitWithoutRate)
      << "nothing settles any more";
}

TEST_F(AdmissionTest, RetryAfterHasASaneLongest) {
  ASSERT_EQ(request(kAnna, 100, 100), Verdict::kAdmitted);
  settle(kAnna, 1, 1);
  ASSERT_EQ(request(kAnna, 1, 1), Verdict::kAdmitted);
  now_ += 9s;
  EXPECT_EQ(wait(kBert, 100, 100), Admission::kLongestWait);
}

TEST_F(AdmissionTest, RetryAfterCountsBytesWhereTheyAreWhatIsMissing) {
  ASSERT_EQ(request(kAnna, 50, 10'000), Verdict::kAdmitted);
  for (int second = 0; second < 10; ++second) {
    now_ += 1s;
    settle(kAnna, 1, 100);
    ASSERT_EQ(request(kAnna, 1, 100), Verdict::kAdmitted);
  }
  EXPECT_NEAR(static_cast<double>(wait(kBert, 1, 3'000).count()), 30, 4) << "100 bytes a second";
}

TEST_F(AdmissionTest, ASessionAmongManyWaitsForItsPartOfTheRate) {
  admission_ = Admission(options(50), kStart);
  ASSERT_EQ(request(kAnna, 50, 50), Verdict::kAdmitted);
  ASSERT_EQ(request(kBert, 20, 20), Verdict::kAdmitted);
  for (int second = 0; second < 10; ++second) {
    now_ += 1s;
    settle(kBert, 1, 1);
    ASSERT_EQ(request(kBert, 1, 1), Verdict::kAdmitted);
  }
  const auto decision = admission_.check(kAnna, {5, 5}, now_);
  EXPECT_EQ(decision.verdict, Verdict::kSessionFull);
  EXPECT_NEAR(static_cast<double>(decision.retry_after.count()), 10, 1) << "1 a second for both";
}

}  // namespace
}  // namespace imgrec::manager
