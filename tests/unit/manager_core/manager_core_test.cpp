#include "manager/core/manager_core.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ManagerCoreStory : public ::testing::Test {
 protected:
  void happen(CoreEvent event) { actions_ = core_.on_event(std::move(event), now_); }
  void pass(Duration time) { now_ += time; }
  void when_next_deadline_comes() {
    ASSERT_TRUE(core_.next_deadline().has_value());
    now_ = std::max(now_, *core_.next_deadline());
    happen(Tick{});
  }
  template <class T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const CoreAction& action : actions_) {
      if (const auto* one = std::get_if<T>(&action)) found.push_back(*one);
    }
    return found;
  }
  template <class T>
  T only() const {
    const auto found = all<T>();
    EXPECT_EQ(found.size(), 1u) << "of " << actions_.size() << " actions";
    return found.empty() ? T{} : found.front();
  }

  static proto::Hello hello(const std::string& instance = "1", const std::string& model = "a") {
    proto::Hello h;
    h.name = "worker-" + instance;
    h.instance_id = instance;
    h.model_name = "net";
    h.model_digest = model;
    h.labels = {"cat", "dog"};
    h.credit = 8;
    return h;
  }
  WorkerId given_worker(const std::string& instance = "1", const std::string& model = "a") {
    const WorkerId worker{++last_worker_};
    happen(WorkerIntroduced{worker, "10.0.0.1:5000", hello(instance, model)});
    return worker;
  }
  JobId given_image(const std::string& session = "anna") {
    ImageRecord image;
    image.job = JobId{++last_job_};
    image.id = ImageId{"image-" + std::to_string(last_job_)};
    image.session = SessionId{session};
    image.bytes = 1000;
    happen(ImagesAccepted{{image}});
    return image.job;
  }
  void when_answered(WorkerId worker, JobId job, std::uint32_t attempt = 1) {
    happen(WorkerSaid{worker, proto::Outcome{.job = job,
                                             .attempt = attempt,
                                             .timing = {1ms, 2ms, 30ms},
                                             .from_cache = false,
                                             .top = {{1, 0.75f}}}});
  }
  void when_stored(const Settlement& settlement) {
    ImageRecord image =
        core_.open_image(settlement.job) ? *core_.open_image(settlement.job) : ImageRecord{};
    image.job = settlement.job;
    image.state = settlement.done ? ImageState::kDone : ImageState::kFailed;
    happen(SettlementStored{settlement, image});
  }
  void when_not_stored(const Settlement& settlement, StatusCode code) {
    happen(SettlementStored{settlement, Status(code, "the disk is full")});
  }

  TimePoint now_{1h};
  ManagerCore core_{ManagerCoreOptions{}, now_};
  std::vector<CoreAction> actions_;

 private:
  std::uint64_t last_worker_ = 0;
  std::uint64_t last_job_ = 0;
};

// ---- an image's life ----------------------------------------------------------------------------

TEST_F(ManagerCoreStory, AssignsStoresAndAnnouncesOnce) {
  const WorkerId worker = given_worker();
  EXPECT_EQ(only<WelcomeWorker>().worker, worker);
  EXPECT_THAT(only<RememberModel>().model.labels, SizeIs(2));
  const JobId job = given_image();
  EXPECT_EQ(only<AnnounceState>().job, job);
  EXPECT_EQ(only<AssignJob>().worker, worker);
  EXPECT_EQ(core_.open_image(job)->state, ImageState::kAssigned);
  EXPECT_EQ(core_.open_image(job)->worker, "worker-1");
  pass(50ms);
  when_answered(worker, job);
  const Settlement settlement = only<StoreSettlement>().settlement;
  EXPECT_TRUE(settlement.done);
  EXPECT_EQ(settlement.model_digest, "a");
  EXPECT_EQ(settlement.worker, "worker-1");
  EXPECT_EQ(settlement.timing.wire, 17ms) << "50 ms, less the worker's 33";
  EXPECT_TRUE(all<AnnounceSettled>().empty()) << "not before it is durable";
  EXPECT_NE(core_.open_image(job), nullptr);
  when_stored(settlement);
  EXPECT_EQ(only<AnnounceSettled>().image.job, job);
  EXPECT_EQ(core_.open_image(job), nullptr);
  EXPECT_EQ(core_.registry().workers().at(worker).done, 1u);
}

TEST_F(ManagerCoreStory, AnImageHandedOverTwiceIsOneJob) {
  const JobId job = given_image();
  ImageRecord again;
  again.job = job;
  happen(ImagesAccepted{{again}});
  EXPECT_EQ(core_.scheduler().open_jobs(), 1u);
}

TEST_F(ManagerCoreStory, DropsTheSecondAnswer) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  when_answered(worker, job);
  when_answered(worker, job);
  EXPECT_TRUE(all<StoreSettlement>().empty());
  EXPECT_EQ(only<DropReport>().job, job);
}

TEST_F(ManagerCoreStory, KeepsAResultThatCannotBeStoredAndTriesAgain) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  when_answered(worker, job);
  const Settlement settlement = only<StoreSettlement>().settlement;
  for (int i = 0; i < 3; ++i) {
    when_not_stored(settlement, StatusCode::kResourceExhausted);
    EXPECT_TRUE(actions_.empty());
    EXPECT_NE(core_.open_image(job), nullptr) << "it stays accepted";
    when_next_deadline_comes();
    EXPECT_EQ(only<StoreSettlement>().settlement.job, job);
    EXPECT_EQ(only<StoreSettlement>().settlement.top.size(), 1u) << "the result is not lost";
  }
  when_stored(settlement);
  EXPECT_EQ(only<AnnounceSettled>().image.job, job);
  EXPECT_FALSE(core_.next_deadline().has_value());
}

TEST_F(ManagerCoreStory, ForgetsAnImageThatTheStorageNoLongerHas) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  when_answered(worker, job);
  when_not_stored(only<StoreSettlement>().settlement, StatusCode::kNotFound);
  EXPECT_EQ(core_.open_image(job), nullptr);
  EXPECT_FALSE(core_.next_deadline().has_value());
}

TEST_F(ManagerCoreStory, TriesAgainWhenTheDiskWasBusyOnly) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  std::uint32_t attempt = 1;
  for (; attempt <= 20; ++attempt) {
    happen(BytesUnreadable{worker, job, attempt, "too many open files", /*for_good=*/false});
    EXPECT_TRUE(actions_.empty()) << "not at once";
    when_next_deadline_comes();
    EXPECT_EQ(only<AssignJob>().attempt, attempt + 1);
  }
  EXPECT_FALSE(core_.scheduler().worker(worker)->ejected);
  when_answered(worker, job, attempt);
  EXPECT_TRUE(only<StoreSettlement>().settlement.done);
}

TEST_F(ManagerCoreStory, CancelsWhatItsClientDeleted) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  const AssignJob assigned = only<AssignJob>();
  EXPECT_TRUE(core_.wants(assigned));
  happen(ImageRemoved{*core_.open_image(job)});
  EXPECT_EQ(only<CancelAttempt>().worker, worker);
  EXPECT_EQ(only<AnnounceRemoved>().image.job, job);
  EXPECT_FALSE(core_.wants(assigned)) << "its bytes come too late";
  when_answered(worker, job);
  EXPECT_TRUE(all<StoreSettlement>().empty());
}

TEST_F(ManagerCoreStory, FailsAnImageWhoseBytesCannotBeRead) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  happen(BytesUnreadable{worker, job, 1, "input/output error"});
  EXPECT_THAT(only<StoreSettlement>().settlement.error->detail, HasSubstr("input/output error"));
  EXPECT_EQ(core_.scheduler().worker(worker)->in_flight, 0u);
}

// ---- workers
// --------------------------------------------------------------------------------------

TEST_F(ManagerCoreStory, RefusesAnotherModelInWordsAndKeepsTheFirst) {
  given_worker("1", "a");
  const WorkerId second = given_worker("2", "b");
  EXPECT_EQ(only<RefuseWorker>().worker, second);
  EXPECT_THAT(only<RefuseWorker>().refuse.reason, HasSubstr("same model folder"));
  EXPECT_TRUE(all<WelcomeWorker>().empty());
  happen(WorkerDisconnected{second});
  EXPECT_TRUE(actions_.empty());
  EXPECT_THAT(core_.registry().workers(), SizeIs(1));
}

TEST_F(ManagerCoreStory, AProcessThatComesBackReplacesItsOldConnection) {
  const WorkerId old = given_worker("1");
  const JobId job = given_image();
  const WorkerId again = given_worker("1");
  EXPECT_EQ(only<DismissWorker>().worker, old);
  EXPECT_EQ(only<AssignJob>().job, job);
  EXPECT_EQ(only<AssignJob>().worker, again);
  when_answered(old, job);
  EXPECT_TRUE(actions_.empty()) << "it is nobody any more";
  happen(WorkerDisconnected{old});
  EXPECT_TRUE(actions_.empty());
}

TEST_F(ManagerCoreStory, AFarewellIsNoDeath) {
  for (const std::string instance : {"1", "2", "3", "4", "5"}) {
    const WorkerId worker = given_worker(instance);
    const JobId job = instance == "1" ? given_image() : JobId{1};
    ASSERT_NE(core_.open_image(job), nullptr) << "not quarantined";
    happen(WorkerSaid{worker, proto::Bye{"stopped"}});
    happen(WorkerDisconnected{worker});
  }
  EXPECT_EQ(core_.scheduler().queued_jobs(), 1u);
}

TEST_F(ManagerCoreStory, IgnoresWhatMakesNoSense) {
  const WorkerId worker = given_worker();
  happen(WorkerSaid{WorkerId{99}, proto::Outcome{}});
  EXPECT_TRUE(actions_.empty());
  happen(WorkerSaid{worker, proto::Welcome{}});
  EXPECT_TRUE(actions_.empty());
  happen(LinkMeasured{WorkerId{99}, 5ms});
  EXPECT_TRUE(actions_.empty());
}

// ---- the end
// --------------------------------------------------------------------------------------

TEST_F(ManagerCoreStory, SendsAWorkerThatSaysItComputesPairsAPairAheadOfThem) {
  const WorkerId worker = given_worker();
  for (int i = 0; i < 8; ++i) given_image();
  EXPECT_EQ(core_.scheduler().worker(worker)->in_flight, 2u);
  happen(WorkerSaid{worker, proto::Batch{2}});
  EXPECT_EQ(all<AssignJob>().size(), 2u);
  EXPECT_EQ(core_.scheduler().worker(worker)->in_flight, 4u);
}

TEST_F(ManagerCoreStory, LeavesAtOnceWhenNothingIsInFlight) {
  const WorkerId worker = given_worker();
  happen(ShutdownRequested{5s});
  EXPECT_EQ(only<DrainWorker>().worker, worker);
  EXPECT_EQ(only<DismissWorker>().worker, worker);
  EXPECT_EQ(only<FinishShutdown>().unfinished, 0u);
  EXPECT_FALSE(core_.next_deadline().has_value());
}

TEST_F(ManagerCoreStory, WaitsForWhatIsInFlightAndAssignsNothingMore) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  happen(ShutdownRequested{5s});
  EXPECT_TRUE(all<FinishShutdown>().empty());
  EXPECT_EQ(only<DrainWorker>().drain.deadline, 5s);
  const JobId late = given_image();
  EXPECT_TRUE(all<AssignJob>().empty());
  when_answered(worker, job);
  const Settlement settlement = only<StoreSettlement>().settlement;
  EXPECT_TRUE(all<FinishShutdown>().empty()) << "not before it is stored";
  when_stored(settlement);
  EXPECT_THAT(all<AnnounceSettled>(), SizeIs(1));
  EXPECT_EQ(only<FinishShutdown>().unfinished, 0u);
  EXPECT_NE(core_.open_image(late), nullptr) << "it runs at the next start";
}

TEST_F(ManagerCoreStory, WorkHandedBackWaitsForTheNextStart) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  happen(ShutdownRequested{5s});
  happen(WorkerSaid{worker, proto::Fail{.job = job,
                                        .attempt = 1,
                                        .code = proto::FailCode::kDraining,
                                        .retriable = true,
                                        .text = "not begun"}});
  EXPECT_EQ(only<FinishShutdown>().unfinished, 0u);
  EXPECT_TRUE(all<StoreSettlement>().empty());
}

TEST_F(ManagerCoreStory, GivesUpWhenTheGraceIsOver) {
  given_worker();
  given_image();
  happen(ShutdownRequested{5s});
  when_next_deadline_comes();
  while (all<FinishShutdown>().empty()) when_next_deadline_comes();
  EXPECT_EQ(now_, TimePoint(1h) + 5s);
  EXPECT_EQ(only<FinishShutdown>().unfinished, 1u);
}

TEST_F(ManagerCoreStory, RefusesThoseWhoComeTooLate) {
  const WorkerId worker = given_worker();
  const JobId job = given_image();
  happen(ShutdownRequested{5s});
  given_worker("2");
  EXPECT_EQ(only<RefuseWorker>().refuse.code, proto::RefuseCode::kShuttingDown);
  EXPECT_TRUE(only<RefuseWorker>().refuse.retry);
  when_answered(worker, job);
  EXPECT_THAT(all<StoreSettlement>(), SizeIs(1));
}

}  // namespace
}  // namespace imgrec::manager
