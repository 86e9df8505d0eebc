#include "client/core/classify_core.h"

#include "tests/unit/client_core/classify_core_fixture.h"

namespace imgrec::client {
namespace {

// ---- sending ----------------------------------------------------------------------------------

TEST_F(ClassifyCoreTest, OpensTheSocketAndSendsAsManyAsAllowed) {
  options_.parallel = 3;
  const Actions actions = begin(5);
  ASSERT_EQ(all<OpenSocket>(actions).size(), 1u);
  EXPECT_EQ(all<OpenSocket>(actions)[0].after, 0u);
  EXPECT_THAT(uploads(actions), ElementsAre(0, 1, 2));
  EXPECT_THAT(uploads(accepted(1, queued("b"))), ElementsAre(3));
}

TEST_F(ClassifyCoreTest, TellsOutcomesInTheOrderOfTheFilesAndEnds) {
  begin_online(3);
  accepted(0, queued("a"));
  accepted(1, queued("b"));
  accepted(2, queued("c"));
  result(1, done("c"));
  result(2, done("b"));
  EXPECT_THAT(told_, IsEmpty());
  result(3, image_of("a", ImageState::kFailed));
  EXPECT_THAT(told_files(), ElementsAre(0, 1, 2));
  EXPECT_EQ(told_[0].kind, OutcomeKind::kFailed);
  EXPECT_EQ(told_[0].code, "damaged_image");
  EXPECT_EQ(told_[1].kind, OutcomeKind::kRecognised);
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->ending, Ending::kComplete);
  EXPECT_EQ(exit_code(end_->ending, core_->progress()), 1);
  EXPECT_EQ(core_->next_deadline(), std::nullopt);
}

TEST_F(ClassifyCoreTest, BeginsNoFileFarBehindTheFirstThatIsNotTold) {
  options_.parallel = 100;
  options_.window = 4;
  EXPECT_THAT(uploads(begin(10)), ElementsAre(0, 1, 2, 3));
  hello();
  for (std::uint64_t file : {1, 2, 3}) accepted(file, done(std::to_string(file)));
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_THAT(uploads(accepted(0, done("0"))), ElementsAre(4, 5, 6, 7));
}

TEST_F(ClassifyCoreTest, TakesAResultThatComesBeforeTheUploadIsAnswered) {
  begin_online(1);
  result(7, done("a"));
  EXPECT_FALSE(end_);
  accepted(0, queued("a"));
  ASSERT_TRUE(end_);
  EXPECT_EQ(told_[0].image->id.text, "a");
}

TEST_F(ClassifyCoreTest, KeepsEarlyResultsWhileAnyUploadIsUnderWay) {
  begin_online(2);
  result(7, done("b"));
  accepted(0, queued("a"));
  accepted(1, queued("b"));
  result(8, done("a"));
  EXPECT_TRUE(end_);
}

TEST_F(ClassifyCoreTest, KeepsEarlyResultsWhileATryIsToBeMadeAgain) {
  begin_online(1);
  refused(0, lost());  // the server took it; its answer was lost
  result(7, done("a"));
  EXPECT_THAT(uploads(pass(2s)), ElementsAre(0));
  accepted(0, queued("a"));
  EXPECT_TRUE(end_);
}

TEST_F(ClassifyCoreTest, TakesResultsOfStrangersForNothing) {
  options_.own_session = false;
  begin_online(1);
  result(5, done("strange"));
  accepted(0, queued("a"));
  result(6, done("other"));
  EXPECT_THAT(told_, IsEmpty());
  result(7, done("a"));
  EXPECT_TRUE(end_);
}

TEST_F(ClassifyCoreTest, AFileThatTheServerRejectsOrThatCannotBeReadHoldsUpNobody) {
  begin_online(3);
  refused(0, failure(FailureKind::kRejected));
  refused(2, failure(FailureKind::kLocal));
  accepted(1, done("b"));
  EXPECT_THAT(told_files(), ElementsAre(0, 1, 2));
  EXPECT_EQ(told_[0].kind, OutcomeKind::kRejected);
  EXPECT_EQ(told_[2].code, "code");
  EXPECT_EQ(core_->progress().failed, 2u);
}

TEST_F(ClassifyCoreTest, TwoFilesWithOneIdAreALieOfTheServer) {
  begin_online(2);
  accepted(0, queued("a"));
  accepted(1, queued("a"));
  result(1, done("a"));
  ASSERT_THAT(told_files(), ElementsAre(0, 1));
  EXPECT_EQ(told_[0].kind, OutcomeKind::kRecognised);
  EXPECT_EQ(told_[1].code, "bad_answer");
}

// ---- tries ------------------------------------------------------------------------------------

TEST_F(ClassifyCoreTest, ALostConnectionPostponesEverythingAndBacksOff) {
  options_.parallel = 2;
  begin(4);
  refused(0, lost());
  refused(1, lost());  // the same outage: the pause does not double for it
  EXPECT_THAT(uploads(pass(370ms)), IsEmpty());
  EXPECT_THAT(uploads(pass(10ms)), ElementsAre(0, 1));  // 3/4 of 500 ms
  refused(0, lost());
  EXPECT_THAT(uploads(pass(740ms)), IsEmpty());
  EXPECT_THAT(uploads(pass(20ms)), ElementsAre(0));
}

TEST_F(ClassifyCoreTest, GoesOnAtOnceWhenTheSocketIsBack) {
  begin_online(1);
  on(SocketLost{lost()});
  for (int i = 0; i < 4; ++i) {
    refused(0, lost());
    pass(8s);
  }
  refused(0, lost());
  EXPECT_THAT(uploads(hello()), ElementsAre(0));
}

TEST_F(ClassifyCoreTest, AnOutageCountsAgainstNoFile) {
  options_.timeout = 10min;
  begin_online(1);
  on(SocketLost{lost()});
  pass(1s);
  for (int i = 0; i < 20; ++i) {
    refused(0, lost());
    EXPECT_THAT(uploads(pass(10s)), ElementsAre(0)) << i;
  }
  EXPECT_FALSE(end_);
  accepted(0, done("a"));
  EXPECT_EQ(told_[0].kind, OutcomeKind::kRecognised);
}

TEST_F(ClassifyCoreTest, AFileThatBreaksEachConnectionWhileTheServerIsThereIsGivenUp) {
  begin_online(2);
  accepted(1, done("b"));
  int tries = 1;
  for (; !end_ && tries < 100; ++tries) {
    refused(0, lost());
    hello();
  }
  EXPECT_EQ(tries, 7);
  ASSERT_THAT(told_files(), ElementsAre(0, 1));
  EXPECT_EQ(told_[0].code, "not_sent");
}

TEST_F(ClassifyCoreTest, LeavesABusyServerAloneForAsLongAsItAsks) {
  options_.parallel = 2;
  begin_online(2);
  refused(0, busy(5s));
  EXPECT_THAT(uploads(accepted(1, done("b"))), IsEmpty());
  EXPECT_EQ(core_->progress().connection, Connection::kBusy);
  hello();  // another connection says nothing about the queue
  EXPECT_THAT(uploads(pass(5s)), IsEmpty());
  EXPECT_THAT(uploads(pass(250ms)), ElementsAre(0));
}

TEST_F(ClassifyCoreTest, ABusyServersWordHoldsForALostConnectionToo) {
  options_.parallel = 2;
  begin_online(2);
  refused(0, busy(20s));
  refused(1, lost());
  EXPECT_THAT(uploads(pass(19s)), IsEmpty());
}

TEST_F(ClassifyCoreTest, KeepsToWhatABusyServerTook) {
  options_.parallel = 10;
  begin_online(10);
  accepted(0, queued("0"));
  accepted(1, queued("1"));
  for (std::uint64_t file = 2; file < 10; ++file) refused(file, busy(1s));
  EXPECT_THAT(uploads(pass(2s)), IsEmpty()) << "two are open";
  EXPECT_THAT(uploads(result(1, done("0"))), ElementsAre(2));
  EXPECT_THAT(uploads(result(2, done("1"))), ElementsAre(3, 4)) << "two came: a third is tried";
}

TEST_F(ClassifyCoreTest, AServersErrorIsTriedAFewTimes) {
  begin_online(1);
  for (int i = 0; i < 5; ++i) {
    refused(0, failure(FailureKind::kServer));
    EXPECT_THAT(uploads(pass(20s)), ElementsAre(0)) << i;
  }
  refused(0, failure(FailureKind::kServer));
  EXPECT_EQ(told_[0].kind, OutcomeKind::kRejected);
  EXPECT_THAT(told_[0].detail, HasSubstr("6 tries"));
}

TEST_F(ClassifyCoreTest, ARefusalEndsEverything) {
  begin_online(2);
  accepted(0, done("a"));
  refused(1, failure(FailureKind::kRefused));
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->ending, Ending::kRefused);
  EXPECT_EQ(exit_code(end_->ending, core_->progress()), 3);
  EXPECT_THAT(told_files(), ElementsAre(0));
}

// ---- the socket and REST ----------------------------------------------------------------------

TEST_F(ClassifyCoreTest, ResumesTheSocketAfterTheNewestResult) {
  begin_online(3);
  accepted(0, queued("a"));
  result(42, done("x"));
  on(SocketLost{lost()});
  const Actions actions = pass(400ms);
  ASSERT_EQ(all<OpenSocket>(actions).size(), 1u);
  EXPECT_EQ(all<OpenSocket>(actions)[0].after, 42u);
}

TEST_F(ClassifyCoreTest, ANumberBelowThoseSeenMeansOtherData) {
  begin_online(1);
  result(42, done("x"));
  on(SocketLost{lost()});
  pass(400ms);
  hello(3);
  on(SocketLost{lost()});
  EXPECT_EQ(all<OpenSocket>(pass(400ms)).at(0).after, 3u);
}

TEST_F(ClassifyCoreTest, JoinsASessionOfOthersWithoutItsHistory) {
  options_.own_session = false;
  const Actions actions = begin(1);
  EXPECT_EQ(all<OpenSocket>(actions)[0].after, std::nullopt);
  hello(90);
  on(SocketLost{lost()});
  EXPECT_EQ(all<OpenSocket>(pass(400ms)).at(0).after, 90u);
}

TEST_F(ClassifyCoreTest, ReadsOpenImagesAfterEachHello) {
  begin_online(2);
  accepted(0, queued("a"));
  accepted(1, queued("b"));
  pass(1s);
  page({queued("b"), queued("a")});
  on(SocketLost{lost()});
  pass(400ms);
  ASSERT_EQ(all<ReadPage>(hello()).size(), 1u);
  EXPECT_EQ(all<ReadPage>(page({done("b")}, "more")).at(0).cursor, "more");
  page({done("a")}, "even more");  // nothing is missing any more: that is not read
  ASSERT_TRUE(end_);
  EXPECT_THAT(told_files(), ElementsAre(0, 1));
}

TEST_F(ClassifyCoreTest, PollsWhereThereIsNoSocket) {
  begin(1);
  on(SocketLost{failure(FailureKind::kServer)});
  EXPECT_EQ(all<ReadPage>(accepted(0, queued("a"))).size(), 0u);
  EXPECT_EQ(all<ReadPage>(pass(500ms)).size(), 1u);
  page({queued("a")});
  EXPECT_EQ(all<ReadPage>(pass(600ms)).size(), 1u);
  page({done("a")});
  EXPECT_TRUE(end_);
}

TEST_F(ClassifyCoreTest, AnImageThatTheServerDoesNotListIsGone) {
  begin_online(2);
  accepted(0, queued("a"));
  accepted(1, queued("b"));
  pass(20s);
  page({queued("b")}, "");
  ASSERT_THAT(told_files(), ElementsAre(0));
  EXPECT_EQ(told_[0].code, "gone");
}

TEST_F(ClassifyCoreTest, AnImageThatIsAcceptedDuringASweepIsNotMissing) {
  begin_online(2);
  accepted(0, queued("a"));
  ASSERT_EQ(all<ReadPage>(pass(20s)).size(), 1u);
  accepted(1, queued("b"));
  page({queued("a")});
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ClassifyCoreTest, AListWithoutEndSaysNothingOfWhatIsNotInIt) {
  options_.timeout = 10min;
  begin_online(1);
  accepted(0, queued("a"));
  ASSERT_EQ(all<ReadPage>(pass(20s)).size(), 1u);
  int pages = 1;
  while (pages < 20'000 && !all<ReadPage>(page({queued("x")}, "more")).empty()) ++pages;
  EXPECT_EQ(pages, 10'000);
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(ClassifyCoreTest, ASweepThatFailsIsMadeAgain) {
  begin_online(1);
  accepted(0, queued("a"));
  ASSERT_EQ(all<ReadPage>(pass(20s)).size(), 1u);
  on(PageRead{lost()});
  EXPECT_EQ(all<ReadPage>(pass(2s)).size(), 1u);
}

TEST_F(ClassifyCoreTest, AnImageDeletedByOthersFails) {
  begin_online(1);
  accepted(0, queued("a"));
  on(SocketDeleted{ImageId{"a"}});
  ASSERT_TRUE(end_);
  EXPECT_EQ(told_[0].code, "deleted");
}

TEST_F(ClassifyCoreTest, MoreClassesThanTheSocketTellsAreReadOverRest) {
  options_.top = 8;
  begin_online(1);
  accepted(0, queued("a"));
  const Actions actions = result(1, done("a", 5));
  ASSERT_EQ(all<ReadImage>(actions).size(), 1u);
  EXPECT_THAT(told_, IsEmpty());
  on(ImageRead{ImageId{"a"}, done("a", 8)});
  ASSERT_TRUE(end_);
  EXPECT_EQ(told_[0].image->top.size(), 8u);
}

TEST_F(ClassifyCoreTest, WhatTheSocketToldIsBetterThanNothing) {
  options_.top = 8;
  begin_online(1);
  accepted(0, queued("a"));
  result(1, done("a", 5));
  on(ImageRead{ImageId{"a"}, lost()});
  EXPECT_EQ(all<ReadImage>(pass(2s)).size(), 1u);
  on(ImageRead{ImageId{"a"}, failure(FailureKind::kGone)});
  ASSERT_TRUE(end_);
  EXPECT_EQ(told_[0].kind, OutcomeKind::kRecognised);
  EXPECT_EQ(told_[0].image->top.size(), 5u);
}

TEST_F(ClassifyCoreTest, KeepsNoMoreClassesThanAreWanted) {
  options_.top = 2;
  begin_online(1);
  accepted(0, done("a", 5));
  EXPECT_EQ(told_[0].image->top.size(), 2u);
}

// ---- giving up --------------------------------------------------------------------------------

TEST_F(ClassifyCoreTest, AServerThatWasNeverHeardOfIsGivenUpSoon) {
  begin(1);
  refused(0, lost());
  on(SocketLost{lost()});
  pass(4900ms);
  EXPECT_FALSE(end_);
  pass(200ms);
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->ending, Ending::kUnreachable);
  EXPECT_EQ(end_->reason, "the connection was lost");
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_EQ(exit_code(end_->ending, core_->progress()), 3);
}

TEST_F(ClassifyCoreTest, ALostServerIsGivenUpAfterTheTimeoutAndEachFileToldOf) {
  options_.timeout = 30s;
  options_.parallel = 2;
  begin_online(4);
  accepted(0, queued("a"));
  accepted(1, done("b"));
  on(SocketLost{lost()});
  refused(2, lost());
  pass(29900ms);
  EXPECT_FALSE(end_);
  refused(2, lost());
  pass(200ms);
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->ending, Ending::kUnreachable);
  ASSERT_THAT(told_files(), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(told_[0].code, "no_result");
  EXPECT_EQ(told_[1].kind, OutcomeKind::kRecognised);
  EXPECT_EQ(told_[2].code, "not_sent");
  EXPECT_EQ(told_[3].kind, OutcomeKind::kUnfinished);
}

TEST_F(ClassifyCoreTest, AServerThatAnswersButDoesNothingTimesOut) {
  options_.timeout = 30s;
  begin_online(1);
  accepted(0, queued("a"));
  for (int i = 0; i < 29; ++i) {
    pass(1s);
    page({queued("a")});
    hello();
  }
  EXPECT_FALSE(end_);
  pass(2s);
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->ending, Ending::kTimedOut);
  EXPECT_THAT(end_->reason, HasSubstr("30 s"));
  EXPECT_EQ(exit_code(end_->ending, core_->progress()), 1);
}

TEST_F(ClassifyCoreTest, BytesThatWereSentBeforeAreNoProgress) {
  options_.timeout = 30s;
  begin_online(1);
  on(UploadProgressed{FileId{0}, 1000});
  pass(20s);
  on(UploadProgressed{FileId{0}, 2000});
  EXPECT_EQ(core_->progress().bytes_sent, 2000u);
  pass(20s);
  refused(0, lost());
  pass(1s);
  on(UploadProgressed{FileId{0}, 1500});
  EXPECT_EQ(core_->progress().bytes_sent, 2000u);
  pass(10s);
  EXPECT_TRUE(end_);
}

TEST_F(ClassifyCoreTest, AnImageOnItsWayToAWorkerIsProgress) {
  options_.timeout = 30s;
  begin_online(1);
  accepted(0, queued("a"));
  pass(20s);
  on(SocketHint{ImageId{"a"}});
  on(SocketHint{ImageId{"strange"}});
  pass(20s);
  EXPECT_FALSE(end_);
  on(SocketHint{ImageId{"strange"}});
  pass(11s);
  EXPECT_TRUE(end_);
}

// ---- interrupted, deleted ---------------------------------------------------------------------

TEST_F(ClassifyCoreTest, AnInterruptTellsWhatIsKnown) {
  begin_online(3);
  accepted(0, queued("a"));
  accepted(2, done("c"));
  on(Interrupted{});
  ASSERT_TRUE(end_);
  EXPECT_EQ(exit_code(end_->ending, core_->progress()), 130);
  EXPECT_THAT(told_files(), ElementsAre(2));
  EXPECT_THAT(on(Tick{}), IsEmpty());
}

TEST_F(ClassifyCoreTest, DeletesEachImageWhenItsResultIsThere) {
  options_.remove_after = true;
  begin_online(1);
  accepted(0, queued("a"));
  const Actions actions = result(1, done("a"));
  EXPECT_THAT(told_files(), ElementsAre(0));
  ASSERT_EQ(all<DeleteImage>(actions).size(), 1u);
  EXPECT_FALSE(end_);
  on(DeleteEnded{ImageId{"a"}, lost()});
  EXPECT_EQ(all<DeleteImage>(pass(2s)).size(), 1u);
  on(DeleteEnded{ImageId{"a"}, std::nullopt});
  ASSERT_TRUE(end_);
  EXPECT_EQ(exit_code(end_->ending, core_->progress()), 0);
}

TEST_F(ClassifyCoreTest, AnImageThatCannotBeDeletedIsTold) {
  options_.remove_after = true;
  begin_online(1);
  accepted(0, done("a"));
  const Actions actions = on(DeleteEnded{ImageId{"a"}, failure(FailureKind::kRefused)});
  EXPECT_EQ(all<TellNotDeleted>(actions).size(), 1u);
  ASSERT_TRUE(end_);
  EXPECT_EQ(exit_code(end_->ending, core_->progress()), 1);
}

TEST_F(ClassifyCoreTest, AnInterruptDeletesWhatWasSent) {
  options_.remove_after = true;
  options_.parallel = 2;
  begin_online(3);
  accepted(0, queued("a"));
  const Actions actions = on(Interrupted{});
  ASSERT_EQ(all<DeleteImage>(actions).size(), 1u);
  EXPECT_FALSE(end_) << "an upload is under way";
  on(DeleteEnded{ImageId{"a"}, std::nullopt});
  on(UploadEnded{FileId{1}, failure(FailureKind::kLocal)});
  EXPECT_EQ(all<DeleteImage>(accepted(2, queued("c"))).size(), 1u);
  on(DeleteEnded{ImageId{"c"}, std::nullopt});
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->ending, Ending::kInterrupted);
}

TEST_F(ClassifyCoreTest, AnInterruptedRunDoesNotWaitForEver) {
  options_.remove_after = true;
  begin_online(1);
  accepted(0, queued("a"));
  on(Interrupted{});
  pass(5s);
  ASSERT_TRUE(end_);
  EXPECT_EQ(end_->ending, Ending::kInterrupted);
}

}  // namespace
}  // namespace imgrec::client
