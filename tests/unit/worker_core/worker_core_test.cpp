#include "worker/core/worker_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker_core/worker_core_fixture.h"

namespace imgrec::worker {
namespace {

using WorkerCoreJobs = WorkerCoreTest;
using WorkerCoreRepeats = WorkerCoreTest;
using WorkerCoreCancel = WorkerCoreTest;
using WorkerCoreDeadline = WorkerCoreTest;

// ---- order, streams, decode ahead -------------------------------------------------------------

TEST_F(WorkerCoreJobs, AreDecodedThenInferredThenAnswered) {
  auto actions = assign(7, 2);
  ASSERT_EQ(actions.size(), 1u);
  const auto prepare = all<StartPrepare>(actions);
  ASSERT_EQ(prepare.size(), 1u);
  EXPECT_EQ(*prepare[0].image, "x");

  actions = prepared(1);
  ASSERT_EQ(actions.size(), 1u);
  const auto infer = all<StartInfer>(actions);
  ASSERT_EQ(infer.size(), 1u);
  EXPECT_EQ(infer[0].top_k, 5u);
  ASSERT_EQ(infer[0].pictures.size(), 1u);
  EXPECT_NE(infer[0].pictures[0].image, nullptr);

  actions = inferred(1);
  ASSERT_EQ(actions.size(), 1u);
  const auto sent = all<SendOutcome>(actions);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].link, kLink);
  EXPECT_EQ(sent[0].outcome.job, JobId{7});
  EXPECT_EQ(sent[0].outcome.attempt, 2u);
  EXPECT_FALSE(sent[0].outcome.from_cache);
  ASSERT_EQ(sent[0].outcome.top.size(), 3u);
  EXPECT_EQ(sent[0].outcome.top[0].index, 3u);
  EXPECT_EQ(core_->counters().done, 1u);
}

TEST_F(WorkerCoreJobs, DecodeOneAheadWhileTheStreamIsBusy) {
  start(with(4));
  begin(1);
  EXPECT_THAT(all<StartPrepare>(assign(2)), testing::SizeIs(1));  // overlaps inference of 1
  EXPECT_THAT(assign(3), IsEmpty());                              // the decoder is busy
  EXPECT_THAT(prepared(2), IsEmpty());  // stream busy, one image is ahead: enough
  const auto actions = inferred(1);
  EXPECT_THAT(all<SendOutcome>(actions), testing::SizeIs(1));
  ASSERT_THAT(all<StartInfer>(actions), testing::SizeIs(1));
  EXPECT_THAT(begun(actions), ElementsAre(WorkId{2}));
  ASSERT_THAT(all<StartPrepare>(actions), testing::SizeIs(1));
  EXPECT_EQ(all<StartPrepare>(actions)[0].work, WorkId{3});
}

// ---- batches ----------------------------------------------------------------------------------

class WorkerCoreBatches : public WorkerCoreTest {
 protected:
  static WorkerCoreOptions of(unsigned batch, unsigned credit = 8) {
    WorkerCoreOptions options = with(credit);
    options.batches = BatchSizes::up_to(batch);
    return options;
  }
  // Work 1 is computed, 2 and 3 are decoded and wait.
  void given_a_pair_that_waits(std::uint16_t top_of_second = 5, std::uint16_t top_of_third = 5) {
    start(of(2));
    begin(1);
    assign(2, 1, kLink, 0ms, top_of_second);
    assign(3, 1, kLink, 0ms, top_of_third);
    prepared(2);
    prepared(3);
  }
};

TEST_F(WorkerCoreBatches, TakeWhatIsDecodedWhenAStreamGetsFreeAndWaitForNoMore) {
  start(of(2));
  EXPECT_THAT(begun((assign(1), prepared(1))), ElementsAre(WorkId{1})) << "a second may never come";
  for (const int job : {2, 3, 4}) assign(static_cast<std::uint64_t>(job));
  EXPECT_THAT(all<StartPrepare>(prepared(2)), testing::SizeIs(1)) << "a whole batch is got ready";
  EXPECT_THAT(prepared(3), IsEmpty()) << "and no more than that";

  auto actions = inferred(1);
  EXPECT_THAT(begun(actions), ElementsAre(WorkId{2}, WorkId{3}));
  EXPECT_THAT(all<StartPrepare>(actions), testing::SizeIs(1));
  EXPECT_EQ(core_->load().running, 2);
  EXPECT_THAT(prepared(4), IsEmpty()) << "one stream, one inference";

  actions = inferred(std::vector<std::uint64_t>{2, 3});
  EXPECT_THAT(all<SendOutcome>(actions), testing::SizeIs(2));
  EXPECT_THAT(begun(actions), ElementsAre(WorkId{4}));
}

TEST_F(WorkerCoreBatches, AreOfTheOrderOfDecodingWhoeverSentThem) {
  start(of(2));
  up(kOther, "manager-b");
  begin(1);
  assign(2);
  assign(3);
  assign(4, 1, kOther);  // work 4: the other manager's turn comes before the third of this one
  prepared(2);
  prepared(4);
  EXPECT_THAT(begun(inferred(1)), ElementsAre(WorkId{2}, WorkId{4}));
  const auto sent = all<SendOutcome>(inferred(std::vector<std::uint64_t>{2, 4}));
  ASSERT_THAT(sent, testing::SizeIs(2));
  EXPECT_EQ(sent[0].link, kLink);
  EXPECT_EQ(sent[1].link, kOther);
}

TEST_F(WorkerCoreBatches, EachWaitedForAllOfItAndCostsItsShare) {
  given_a_pair_that_waits();
  inferred(1, 30ms);
  now_ += 50ms;
  const auto sent = all<SendOutcome>(inferred(std::vector<std::uint64_t>{2, 3}, 50ms));
  ASSERT_THAT(sent, testing::SizeIs(2));
  for (const SendOutcome& each : sent) EXPECT_EQ(each.outcome.timing.inference, 50ms);
  EXPECT_EQ(core_->counters().inference.count, 3u);
  EXPECT_EQ(core_->counters().inference.sum, 80ms) << "what the stream was busy, in all";
}

TEST_F(WorkerCoreBatches, ComputeAsManyClassesAsAnyOfThemAskedFor) {
  given_a_pair_that_waits(1, 9);
  const auto starts = all<StartInfer>(inferred(1));
  ASSERT_THAT(starts, testing::SizeIs(1));
  EXPECT_EQ(starts[0].top_k, 9u);
  const auto sent = all<SendOutcome>(inferred(std::vector<std::uint64_t>{2, 3}));
  ASSERT_THAT(sent, testing::SizeIs(2));
  EXPECT_THAT(sent[0].outcome.top, testing::SizeIs(1)) << "it asked for one";
  EXPECT_THAT(sent[1].outcome.top, testing::SizeIs(3));
}

TEST_F(WorkerCoreBatches, FailPictureByPicture) {
  given_a_pair_that_waits();
  inferred(1);
  InferDone done{{}, 50us};
  done.pictures.push_back({WorkId{2}, EngineFailure{FailCode::kInference, true, "no numbers"}});
  done.pictures.push_back({WorkId{3}, std::vector<proto::ScoredClass>{{1, 0.5f}}});
  const auto actions = on(std::move(done));
  ASSERT_THAT(all<SendFail>(actions), testing::SizeIs(1));
  EXPECT_EQ(all<SendFail>(actions)[0].fail.job, JobId{2});
  ASSERT_THAT(all<SendOutcome>(actions), testing::SizeIs(1));
  EXPECT_EQ(all<SendOutcome>(actions)[0].outcome.job, JobId{3});
}

TEST_F(WorkerCoreBatches, GoOnWithoutTheOnesThatNobodyWaitsForAnyMore) {
  given_a_pair_that_waits();
  cancel(2);
  EXPECT_THAT(begun(inferred(1)), ElementsAre(WorkId{3})) << "cancelled in time";
  assign(4);
  assign(5);
  prepared(4);
  prepared(5);
  inferred(3);
  cancel(4);
  EXPECT_THAT(all<SendOutcome>(inferred(std::vector<std::uint64_t>{4, 5})), testing::SizeIs(1));
  EXPECT_EQ(core_->counters().unwanted, 1u);
}

TEST_F(WorkerCoreBatches, AreWholeOrNone) {
  start(of(3));
  begin(1);
  for (const std::uint64_t job : {2, 3, 4}) assign(job);
  prepared(2);
  prepared(3);
  EXPECT_THAT(begun(inferred(1)), ElementsAre(WorkId{2})) << "two would gain nothing, and wait";
  prepared(4);
  assign(5);
  prepared(5);
  EXPECT_THAT(begun(inferred(2)), ElementsAre(WorkId{3}, WorkId{4}, WorkId{5}));
}

TEST_F(WorkerCoreBatches, AreTheLargestThatIsThere) {
  start(of(4, 12));
  begin(1);
  for (const std::uint64_t job : {2, 3, 4, 5, 6, 7, 8, 9}) assign(job);
  for (const std::uint64_t work : {2, 3, 4, 5}) prepared(work);
  EXPECT_THAT(begun(inferred(1)), ElementsAre(WorkId{2}, WorkId{3}, WorkId{4}, WorkId{5}));
  for (const std::uint64_t work : {6, 7, 8}) prepared(work);
  EXPECT_THAT(begun(inferred(std::vector<std::uint64_t>{2, 3, 4, 5})),
              ElementsAre(WorkId{6}, WorkId{7}))
      << "three are a pair and one more, and the pair waits for nothing";
  EXPECT_THAT(begun(inferred(std::vector<std::uint64_t>{6, 7})), ElementsAre(WorkId{8}));
  prepared(9);
  EXPECT_THAT(begun(inferred(8)), ElementsAre(WorkId{9}));
}

TEST_F(WorkerCoreBatches, AnAnswerToNothingFreesNoStream) {
  start(of(2));
  begin(1);
  assign(2);
  prepared(2);
  EXPECT_THAT(inferred(std::vector<std::uint64_t>{77, 78}), IsEmpty());
  EXPECT_THAT(begun(inferred(1)), ElementsAre(WorkId{2}));
}

TEST_F(WorkerCoreBatches, KeepEveryStreamAtWork) {
  WorkerCoreOptions options = of(2);
  options.streams = 2;
  start(options);
  begin(1);
  begin(2);
  for (const std::uint64_t job : {3, 4, 5, 6, 7}) assign(job);
  for (const std::uint64_t work : {3, 4, 5, 6}) prepared(work);
  EXPECT_THAT(begun(inferred(2)), ElementsAre(WorkId{3}, WorkId{4}));
  EXPECT_THAT(begun(inferred(1)), ElementsAre(WorkId{5}, WorkId{6}));
}

// ---- and one by one ---------------------------------------------------------------------------

TEST_F(WorkerCoreJobs, BeginBeforeTheLastAnswerIsSent) {
  start(with(4));
  begin(1);
  assign(2);
  prepared(2);
  const auto actions = inferred(1);
  ASSERT_GE(actions.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<StartInfer>(actions[0]));
  EXPECT_TRUE(std::holds_alternative<SendOutcome>(actions[1]));
}

TEST_F(WorkerCoreJobs, UseEveryStream) {
  start(with(3, 2));
  begin(1);
  begin(2);
  assign(3);
  EXPECT_THAT(prepared(3), IsEmpty());
  ASSERT_THAT(all<StartInfer>(inferred(2)), testing::SizeIs(1));
  EXPECT_EQ(core_->load().running, 2u);
}

TEST_F(WorkerCoreJobs, GiveAnotherManagerItsTurn) {
  start(with(4));
  up(kOther, "manager-b");
  begin(1);
  assign(10, 1, kOther);  // work 2
  assign(2);              // work 3
  prepared(2);
  auto actions = inferred(1);
  EXPECT_THAT(begun(actions), ElementsAre(WorkId{2}));
  prepared(3);
  actions = inferred(2);
  EXPECT_EQ(all<SendOutcome>(actions).at(0).link, kOther);
  EXPECT_EQ(all<SendOutcome>(actions).at(0).outcome.job, JobId{10});
  EXPECT_THAT(begun(actions), ElementsAre(WorkId{3}));
}

TEST_F(WorkerCoreJobs, OverTheCreditAreRefusedAndMayGoElsewhere) {
  assign(1);
  assign(2);
  const auto actions = assign(3, 4);
  ASSERT_EQ(actions.size(), 1u);
  const auto fails = all<SendFail>(actions);
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].fail.code, FailCode::kOverCredit);
  EXPECT_EQ(fails[0].fail.job, JobId{3});
  EXPECT_EQ(fails[0].fail.attempt, 4u);
  EXPECT_TRUE(fails[0].fail.retriable);
  EXPECT_THAT(fails[0].fail.text, HasSubstr("2 attempts"));
}

TEST_F(WorkerCoreJobs, CreditCountsForEachManagerAlone) {
  up(kOther, "manager-b");
  assign(1);
  assign(2);
  EXPECT_THAT(all<SendFail>(assign(3, 1, kOther)), IsEmpty());
  EXPECT_THAT(all<SendFail>(assign(3, 1, kLink)), testing::SizeIs(1));
}

TEST_F(WorkerCoreJobs, AnAnswerFreesItsCredit) {
  begin(1);
  assign(2);
  inferred(1);
  EXPECT_THAT(all<SendFail>(assign(3)), IsEmpty());
}

TEST_F(WorkerCoreJobs, ReportWhereTheirTimeWent) {
  assign(1);
  now_ += 100us;
  prepared(1, 30us);
  now_ += 100us;
  const auto sent = all<SendOutcome>(inferred(1, 60us));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].outcome.timing.decode, 30us);
  EXPECT_EQ(sent[0].outcome.timing.inference, 60us);
  EXPECT_EQ(sent[0].outcome.timing.queue, 110us);
}

TEST_F(WorkerCoreJobs, ThatCannotBeDecodedFailAlone) {
  assign(1);
  const auto actions = unprepared(1, {FailCode::kDamaged, false, "cut short"});
  const auto fails = all<SendFail>(actions);
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].fail.code, FailCode::kDamaged);
  EXPECT_FALSE(fails[0].fail.retriable);
  EXPECT_EQ(fails[0].fail.text, "cut short");
  EXPECT_THAT(all<StartPrepare>(assign(2)), testing::SizeIs(1));
}

TEST_F(WorkerCoreJobs, ThatTheNetworkFailsOnAreReported) {
  begin(1);
  const auto fails = all<SendFail>(uninferred(1, {FailCode::kInference, true, "shape"}));
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].fail.code, FailCode::kInference);
}

TEST_F(WorkerCoreJobs, ShowInTheLoad) {
  start(with(4));
  EXPECT_EQ(core_->load().queued, 0u);
  begin(1);
  assign(2);
  assign(3);
  EXPECT_EQ(core_->load().running, 1u);
  EXPECT_EQ(core_->load().queued, 2u);
}

TEST_F(WorkerCoreJobs, OfUnknownLinksAndUnknownWorkAreIgnored) {
  EXPECT_THAT(assign(1, 1, LinkId{99}), IsEmpty());
  EXPECT_THAT(prepared(99), IsEmpty());
  EXPECT_THAT(inferred(99), IsEmpty());
  assign(1);
  EXPECT_THAT(inferred(1), IsEmpty());  // it is still being decoded
}

// ---- repeated jobs ----------------------------------------------------------------------------

TEST_F(WorkerCoreRepeats, AreAnsweredFromTheCache) {
  begin(1);
  inferred(1);
  const auto actions = assign(1, 2);
  ASSERT_EQ(actions.size(), 1u);
  const auto sent = all<SendOutcome>(actions);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].outcome.from_cache);
  EXPECT_EQ(sent[0].outcome.attempt, 2u);
  EXPECT_EQ(sent[0].outcome.top.size(), 3u);
  EXPECT_EQ(sent[0].outcome.timing.inference, 0us);
  EXPECT_EQ(core_->counters().from_cache, 1u);
}

TEST_F(WorkerCoreRepeats, OfAnotherManagerAreOtherJobs) {
  up(kOther, "manager-b");
  begin(1);
  inferred(1);
  EXPECT_THAT(all<StartPrepare>(assign(1, 1, kOther)), testing::SizeIs(1));
}

TEST_F(WorkerCoreRepeats, AfterAReconnectToTheSameManagerAreCached) {
  begin(1);
  inferred(1);
  on(LinkLost{kLink});
  up(kOther, "manager-a");
  EXPECT_THAT(all<SendOutcome>(assign(1, 2, kOther)), testing::SizeIs(1));
}

TEST_F(WorkerCoreRepeats, GetFewerClassesButNeverMoreFromTheCache) {
  assign(1, 1, kLink, 0ms, 2);
  prepared(1);
  EXPECT_EQ(all<SendOutcome>(inferred(1)).at(0).outcome.top.size(), 2u);
  EXPECT_EQ(all<SendOutcome>(assign(1, 2, kLink, 0ms, 1)).at(0).outcome.top.size(), 1u);
  EXPECT_THAT(all<StartPrepare>(assign(1, 3, kLink, 0ms, 5)), testing::SizeIs(1));
}

TEST_F(WorkerCoreRepeats, FinalFailuresAreRememberedAndOthersAreNot) {
  assign(1);
  unprepared(1, {FailCode::kNotAnImage, false, "no picture"});
  assign(2);
  unprepared(2, {FailCode::kInternal, true, "out of memory"});
  const auto repeated = assign(1, 2);
  ASSERT_THAT(all<SendFail>(repeated), testing::SizeIs(1));
  EXPECT_EQ(all<SendFail>(repeated)[0].fail.code, FailCode::kNotAnImage);
  EXPECT_EQ(all<SendFail>(repeated)[0].fail.attempt, 2u);
  EXPECT_THAT(all<StartPrepare>(assign(2, 2)), testing::SizeIs(1));
}

TEST_F(WorkerCoreRepeats, InProgressAreAnsweredOnceUnderTheNewestAttempt) {
  begin(1);
  EXPECT_THAT(assign(1, 3), IsEmpty());
  EXPECT_THAT(assign(1, 2), IsEmpty());  // older: ignored
  EXPECT_THAT(assign(1, 3), IsEmpty());  // the same once more: ignored
  const auto sent = all<SendOutcome>(inferred(1));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].outcome.attempt, 3u);
}

TEST_F(WorkerCoreRepeats, InProgressTakeNoSecondCredit) {
  begin(1);
  assign(2);
  assign(1, 2);
  EXPECT_THAT(all<SendFail>(assign(1, 3)), IsEmpty());
  EXPECT_THAT(all<SendFail>(assign(3)), testing::SizeIs(1));
}

TEST_F(WorkerCoreRepeats, FromTwoLinksToOneManagerAreBothAnswered) {
  up(kOther, "manager-a");
  begin(1);
  EXPECT_THAT(assign(1, 2, kOther), IsEmpty());
  const auto sent = all<SendOutcome>(inferred(1));
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].outcome.attempt, 1u);
  EXPECT_EQ(sent[1].outcome.attempt, 2u);
  EXPECT_EQ(sent[1].link, kOther);
}

TEST_F(WorkerCoreRepeats, CountNoNegativeWaiting) {
  begin(1);
  now_ += 100us;
  assign(1, 2);
  now_ += 10us;
  EXPECT_EQ(all<SendOutcome>(inferred(1, 100us)).at(0).outcome.timing.queue, 0us);
}

// ---- cancel -----------------------------------------------------------------------------------

TEST_F(WorkerCoreCancel, DropsWorkThatWaits) {
  start(with(3));
  begin(1);
  assign(2);
  assign(3);
  EXPECT_THAT(cancel(3), IsEmpty());
  EXPECT_EQ(core_->load().queued, 1u);
  prepared(2);
  EXPECT_THAT(all<StartPrepare>(inferred(1)), IsEmpty());
}

TEST_F(WorkerCoreCancel, DropsWorkThatIsDecodedButNotBegun) {
  begin(1);
  assign(2);
  prepared(2);
  cancel(2);
  EXPECT_THAT(all<StartInfer>(inferred(1)), IsEmpty());
}

TEST_F(WorkerCoreCancel, SkipsTheInferenceOfWhatIsBeingDecoded) {
  assign(1);
  cancel(1);
  EXPECT_THAT(prepared(1), IsEmpty());
  EXPECT_EQ(core_->counters().unwanted, 1u);
}

TEST_F(WorkerCoreCancel, KeepsTheAnswerOfBegunWorkWithoutSendingIt) {
  begin(1);
  cancel(1);
  EXPECT_THAT(inferred(1), IsEmpty());
  EXPECT_TRUE(all<SendOutcome>(assign(1, 2)).at(0).outcome.from_cache);
}

TEST_F(WorkerCoreCancel, FreesTheCreditAtOnce) {
  begin(1);
  assign(2);
  cancel(1);
  EXPECT_THAT(all<SendFail>(assign(3)), IsEmpty());
}

TEST_F(WorkerCoreCancel, LeavesANewerAttemptAlone) {
  begin(1);
  assign(1, 2);
  cancel(1, 1);
  EXPECT_THAT(all<SendOutcome>(inferred(1)), testing::SizeIs(1));
}

TEST_F(WorkerCoreCancel, ThenASecondAttemptJoinsTheWorkInProgress) {
  begin(1);
  cancel(1, 1);
  EXPECT_THAT(assign(1, 2), IsEmpty());
  const auto sent = all<SendOutcome>(inferred(1));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].outcome.attempt, 2u);
}

TEST_F(WorkerCoreCancel, OfAnUnknownJobIsIgnored) { EXPECT_THAT(cancel(42), IsEmpty()); }

// ---- deadlines --------------------------------------------------------------------------------

TEST_F(WorkerCoreDeadline, PassedBeforeTheStartIsReported) {
  begin(1);
  assign(2, 1, kLink, 500ms);
  prepared(2);
  EXPECT_EQ(core_->next_deadline(), now_ + 500ms);
  now_ += 499ms;
  EXPECT_THAT(on(Tick{}), IsEmpty());
  now_ += 1ms;
  const auto fails = all<SendFail>(on(Tick{}));
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].fail.code, FailCode::kDeadline);
  EXPECT_TRUE(fails[0].fail.retriable);
  EXPECT_EQ(core_->next_deadline(), std::nullopt);
  EXPECT_THAT(all<StartInfer>(inferred(1)), IsEmpty());
}

TEST_F(WorkerCoreDeadline, IsNotReportedOfWhatIsBeingDecoded) {
  begin(1);
  assign(2, 1, kLink, 500ms);
  EXPECT_EQ(core_->next_deadline(), std::nullopt) << "it may be what hangs this worker";
  now_ += 10s;
  EXPECT_THAT(on(Tick{}), IsEmpty());
  EXPECT_THAT(prepared(2), IsEmpty()) << "it was only slow, and has been begun";
  now_ += 10s;
  EXPECT_THAT(begun(inferred(1)), ElementsAre(WorkId{2}));
  EXPECT_THAT(all<SendOutcome>(inferred(2)), testing::SizeIs(1));
}

TEST_F(WorkerCoreDeadline, IsSeenByTheEventThatWouldStartTheWork) {
  begin(1);
  assign(2, 1, kLink, 500ms);
  prepared(2);
  now_ += 1s;
  const auto actions = inferred(1);  // no Tick came in between
  EXPECT_THAT(all<StartInfer>(actions), IsEmpty());
  EXPECT_EQ(all<SendFail>(actions).at(0).fail.code, FailCode::kDeadline);
}

TEST_F(WorkerCoreDeadline, DoesNotStopBegunWork) {
  assign(1, 1, kLink, 500ms);
  prepared(1);
  EXPECT_EQ(core_->next_deadline(), std::nullopt);
  now_ += 1s;
  EXPECT_THAT(on(Tick{}), IsEmpty());
  EXPECT_THAT(all<SendOutcome>(inferred(1)), testing::SizeIs(1));
}

TEST_F(WorkerCoreDeadline, OfZeroIsNone) {
  begin(1);
  assign(2, 1, kLink, 0ms);
  EXPECT_EQ(core_->next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace imgrec::worker
