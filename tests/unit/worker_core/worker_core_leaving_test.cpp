#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker_core/worker_core_fixture.h"
#include "worker/core/worker_core.h"

namespace imgrec::worker {
namespace {

using WorkerCoreLinks = WorkerCoreTest;
using WorkerCoreDrain = WorkerCoreTest;
using WorkerCoreFailOnPurpose = WorkerCoreTest;

// ---- links ------------------------------------------------------------------------------------

TEST_F(WorkerCoreLinks, LostTakeTheirUnbegunWorkWithThem) {
  start(with(3));
  up(kOther, "manager-b");
  begin(1);
  assign(2);
  assign(3, 1, kOther);
  prepared(2);
  on(LinkLost{kLink});
  EXPECT_EQ(core_->load().queued, 1u);
  prepared(3);
  const auto actions = inferred(1);
  EXPECT_THAT(all<SendOutcome>(actions), IsEmpty());  // nobody is there to take it
  EXPECT_THAT(begun(actions), ElementsAre(WorkId{3}));
}

TEST_F(WorkerCoreLinks, LostLeaveBegunWorkToTheCache) {
  begin(1);
  on(LinkLost{kLink});
  EXPECT_THAT(inferred(1), IsEmpty());
  up(kOther, "manager-a");
  EXPECT_TRUE(all<SendOutcome>(assign(1, 2, kOther)).at(0).outcome.from_cache);
}

TEST_F(WorkerCoreLinks, ThatComeBackJoinWorkStillInProgress) {
  begin(1);
  on(LinkLost{kLink});
  up(kOther, "manager-a");
  EXPECT_THAT(assign(1, 2, kOther), IsEmpty());
  const auto sent = all<SendOutcome>(inferred(1));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, kOther);
  EXPECT_EQ(sent[0].outcome.attempt, 2u);
}

TEST_F(WorkerCoreLinks, WhoseManagerDrainsGetBackWhatHasNotBegunAndTheAnswersThenBye) {
  up(kOther, "manager-b");
  begin(1);
  assign(2);
  const auto handed_back = all<SendFail>(on(ManagerDraining{kLink}));
  ASSERT_EQ(handed_back.size(), 1u);
  EXPECT_EQ(handed_back[0].link, kLink);
  EXPECT_EQ(handed_back[0].fail.job, JobId{2});
  EXPECT_EQ(handed_back[0].fail.code, FailCode::kDraining);
  EXPECT_EQ(all<SendFail>(assign(3)).at(0).fail.code, FailCode::kDraining);
  EXPECT_THAT(prepared(2), IsEmpty());  // its decoding was under way, and is for nobody now
  const auto actions = inferred(1);
  ASSERT_EQ(actions.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<SendOutcome>(actions[0]));
  EXPECT_TRUE(std::holds_alternative<SendBye>(actions[1]));
  EXPECT_EQ(core_->state(), WorkerState::kServing);
  EXPECT_THAT(all<StartPrepare>(assign(9, 1, kOther)), testing::SizeIs(1));
}

TEST_F(WorkerCoreLinks, ThatAreRetiredDrainAndTheOthersGoOn) {
  up(kOther, "manager-b");
  begin(1);
  assign(2);
  const auto actions = on(LinkRetired{kLink, 10s, "another model takes over"});
  ASSERT_THAT(all<SendDrain>(actions), testing::SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<SendDrain>(actions.front()));
  EXPECT_EQ(all<SendDrain>(actions)[0].drain.reason, "another model takes over");
  ASSERT_THAT(all<SendFail>(actions), testing::SizeIs(1));
  EXPECT_EQ(all<SendFail>(actions)[0].fail.job, JobId{2});
  EXPECT_EQ(all<SendFail>(actions)[0].fail.code, FailCode::kDraining);
  EXPECT_EQ(all<SendFail>(assign(3)).at(0).fail.code, FailCode::kDraining);
  prepared(2);
  const auto last = inferred(1);
  ASSERT_EQ(last.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<SendOutcome>(last[0]));
  EXPECT_EQ(std::get<SendBye>(last[1]).reason, "another model takes over");
  EXPECT_EQ(core_->state(), WorkerState::kServing);
  EXPECT_THAT(all<StartPrepare>(assign(9, 1, kOther)), testing::SizeIs(1));
  EXPECT_THAT(on(LinkRetired{kLink, 10s, "again"}), IsEmpty());
}

TEST_F(WorkerCoreLinks, ThatAreRetiredAreToldOfADrainOnce) {
  begin(1);
  ASSERT_THAT(all<SendDrain>(on(LinkRetired{kLink, 10s, "another model"})), testing::SizeIs(1));
  EXPECT_THAT(all<SendDrain>(drain()), IsEmpty());
  const auto last = inferred(1);
  EXPECT_THAT(all<SendOutcome>(last), testing::SizeIs(1));
  EXPECT_THAT(all<Leave>(last), testing::SizeIs(1));
}

// ---- draining ---------------------------------------------------------------------------------

TEST_F(WorkerCoreDrain, HandsBackUnbegunWorkFinishesTheRestAndLeaves) {
  start(with(3));
  begin(1);
  assign(2);
  assign(3);
  auto actions = drain();
  ASSERT_THAT(all<SendDrain>(actions), testing::SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<SendDrain>(actions.front()));  // before work comes back
  EXPECT_EQ(all<SendDrain>(actions)[0].drain.deadline, 10s);
  const auto fails = all<SendFail>(actions);
  ASSERT_EQ(fails.size(), 2u);
  for (const SendFail& f : fails) {
    EXPECT_EQ(f.fail.code, FailCode::kDraining);
    EXPECT_TRUE(f.fail.retriable);
  }
  EXPECT_THAT(all<SendBye>(actions), IsEmpty());
  EXPECT_THAT(prepared(2), IsEmpty());  // its decode was under way: dropped

  actions = inferred(1);
  ASSERT_EQ(actions.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<SendOutcome>(actions[0]));
  EXPECT_TRUE(std::holds_alternative<SendBye>(actions[1]));
  ASSERT_TRUE(std::holds_alternative<Leave>(actions[2]));
  EXPECT_EQ(std::get<Leave>(actions[2]).exit_code, 0);
  EXPECT_EQ(core_->state(), WorkerState::kLeft);
}

TEST_F(WorkerCoreDrain, OfAnIdleWorkerLeavesAtOnce) {
  const auto actions = drain();
  ASSERT_EQ(actions.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<SendDrain>(actions[0]));
  EXPECT_TRUE(std::holds_alternative<SendBye>(actions[1]));
  EXPECT_TRUE(std::holds_alternative<Leave>(actions[2]));
}

TEST_F(WorkerCoreDrain, SaysByeToIdleManagersFirst) {
  up(kOther, "manager-b");
  begin(1);
  const auto actions = drain();
  EXPECT_EQ(all<SendBye>(actions).at(0).link, kOther);
  EXPECT_THAT(all<SendBye>(actions), testing::SizeIs(1));
  EXPECT_THAT(all<Leave>(inferred(1)), testing::SizeIs(1));
}

TEST_F(WorkerCoreDrain, RefusesNewWorkButAnswersRepeatedJobs) {
  start(with(3));
  begin(1);
  assign(2);
  prepared(2);
  inferred(1);
  drain();
  EXPECT_EQ(all<SendFail>(assign(3)).at(0).fail.code, FailCode::kDraining);
  EXPECT_THAT(all<SendOutcome>(assign(1, 2)), testing::SizeIs(1));  // cached
  EXPECT_THAT(assign(2, 2), IsEmpty());                             // in progress
  EXPECT_EQ(all<SendOutcome>(inferred(2)).at(0).outcome.attempt, 2u);
}

TEST_F(WorkerCoreDrain, RefusesToJoinWorkThatIsOnlyBeingDecoded) {
  begin(1);
  assign(2);
  drain();
  EXPECT_EQ(all<SendFail>(assign(2, 2)).at(0).fail.code, FailCode::kDraining);
}

TEST_F(WorkerCoreDrain, EndsAtItsDeadlineWhateverStillRuns) {
  begin(1);
  drain(2s);
  EXPECT_EQ(core_->next_deadline(), now_ + 2s);
  now_ += 2s;
  const auto actions = on(Tick{});
  ASSERT_EQ(actions.size(), 3u);
  EXPECT_EQ(std::get<SendFail>(actions[0]).fail.code, FailCode::kDraining);
  EXPECT_TRUE(std::holds_alternative<SendBye>(actions[1]));
  EXPECT_EQ(std::get<Leave>(actions[2]).exit_code, 0);
  EXPECT_THAT(std::get<Leave>(actions[2]).reason, HasSubstr("deadline"));
  EXPECT_THAT(inferred(1), IsEmpty());
  EXPECT_EQ(core_->next_deadline(), std::nullopt);
}

TEST_F(WorkerCoreDrain, DoesNotWaitForWorkThatNobodyWants) {
  begin(1);
  cancel(1);
  EXPECT_THAT(all<Leave>(drain()), testing::SizeIs(1));
}

TEST_F(WorkerCoreDrain, TurnsAwayALinkThatComesUpLate) {
  begin(1);
  drain();
  EXPECT_EQ(all<SendBye>(up(kOther, "manager-b")).at(0).link, kOther);
}

TEST_F(WorkerCoreDrain, WithoutAnyLinkLeavesAtOnce) {
  on(LinkLost{kLink});
  EXPECT_THAT(all<Leave>(drain()), testing::SizeIs(1));
}

TEST_F(WorkerCoreDrain, AskedForTwiceGoesOnAsItWas) {
  begin(1);
  drain(2s);
  EXPECT_THAT(drain(9s), IsEmpty());
  EXPECT_EQ(core_->next_deadline(), now_ + 2s);
}

// ---- failing on purpose -----------------------------------------------------------------------

TEST_F(WorkerCoreFailOnPurpose, SaysSoAndLeavesWithoutAnswering) {
  double next = 0.5;
  WorkerCoreOptions options;
  options.fail_probability = 0.25;
  options.random = [&] { return next; };
  start(options);
  up(kOther, "manager-b");
  EXPECT_THAT(all<StartPrepare>(assign(1)), testing::SizeIs(1));
  next = 0.25;  // not below the probability
  EXPECT_THAT(all<Leave>(assign(2)), IsEmpty());
  next = 0.2;
  const auto actions = assign(3, 1, kOther);
  ASSERT_EQ(actions.size(), 3u);
  EXPECT_EQ(std::get<SendBye>(actions[0]).reason, kFailOnPurposeReason);
  EXPECT_EQ(std::get<SendBye>(actions[1]).reason, kFailOnPurposeReason);
  EXPECT_EQ(std::get<Leave>(actions[2]).exit_code, 1);
  EXPECT_THAT(prepared(1), IsEmpty());
  EXPECT_THAT(assign(4), IsEmpty());
}

TEST_F(WorkerCoreFailOnPurpose, IsDecidedForRepeatedJobsToo) {
  double next = 0.9;
  WorkerCoreOptions options;
  options.fail_probability = 0.5;
  options.random = [&] { return next; };
  start(options);
  begin(1);
  inferred(1);
  next = 0.1;
  EXPECT_THAT(all<Leave>(assign(1, 2)), testing::SizeIs(1));
}

TEST(WorkerStates, FollowTheirTable) {
  using enum WorkerState;
  EXPECT_TRUE(transition_allowed(kServing, kDraining));
  EXPECT_TRUE(transition_allowed(kServing, kLeft));
  EXPECT_TRUE(transition_allowed(kDraining, kLeft));
  EXPECT_FALSE(transition_allowed(kDraining, kServing));
  EXPECT_FALSE(transition_allowed(kLeft, kServing));
  EXPECT_FALSE(transition_allowed(kLeft, kDraining));
}

}  // namespace
}  // namespace imgrec::worker
