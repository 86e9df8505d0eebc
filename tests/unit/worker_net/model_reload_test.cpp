// A worker that changes its model: what its managers see of it.
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_engine.h"
#include "tests/support/fake_manager.h"
#include "tests/unit/worker_net/runner_fixture.h"

namespace imgrec::worker {
namespace {

using namespace std::chrono_literals;
using proto::FailCode;
using test::FakeEngine;
using test::FakeEngineOptions;
using test::FakeManager;
using test::tiny_bmp;
using ::testing::HasSubstr;
using ::testing::Not;

// What is on disk, as the worker's loader finds it.
class Disk {
 public:
  void put(FakeEngineOptions model) {
    const std::lock_guard lock(mutex_);
    model_ = std::move(model);
    error_.clear();
  }
  void break_it(std::string error) {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
  }
  // Loaders begin, and wait.
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void release() {
    {
      const std::lock_guard lock(mutex_);
      held_ = false;
    }
    changed_.notify_all();
  }
  bool wait_until_begun(unsigned loads) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return begun_ >= loads; });
  }
  // The loader that came last is done.
  bool wait_until_done(unsigned loads) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return done_ >= loads; });
  }
  unsigned begun() const {
    const std::lock_guard lock(mutex_);
    return begun_;
  }

  Result<std::unique_ptr<Engine>> open(const std::string& serving) {
    std::unique_lock lock(mutex_);
    ++begun_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    ++done_;
    changed_.notify_all();
    if (!error_.empty()) return Status(StatusCode::kDataLoss, error_);
    if (model_.model_digest == serving) return std::unique_ptr<Engine>();
    return std::unique_ptr<Engine>(std::make_unique<FakeEngine>(model_));
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  FakeEngineOptions model_;
  std::string error_;
  bool held_ = false;
  unsigned begun_ = 0;
  unsigned done_ = 0;
};

FakeEngineOptions model(char digest) {
  FakeEngineOptions options;
  options.model_name = std::string("model-") + digest;
  options.model_digest = std::string(64, digest);
  return options;
}

class ModelReload : public worker::testing::RunnerFixture {
 protected:
  ModelReload() : RunnerFixture(model('a')) {
    loader_ = [this](const std::string& serving) { return disk_.open(serving); };
  }
  // The worker's loader may be at the disk until the runner is gone.
  ~ModelReload() override {
    let_go();
    if (result_.valid()) leave();
    runner_.reset();
  }

  void let_go() override {
    engine_.release();
    disk_.release();
  }
  void reload_to(char digest) {
    disk_.put(model(digest));
    runner_->request_reload("the test says so");
  }
  std::string log_when_left() {
    leave();
    return log_.str();
  }

  Disk disk_;
};

TEST_F(ModelReload, AnswersWhatItHasBegunWithTheOldModelAndWhatComesWithTheNew) {
  FakeManager manager;
  options_.credit = 3;
  start_with(manager);
  engine_.hold();
  manager.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  manager.assign(2, tiny_bmp(2));
  reload_to('b');
  ASSERT_TRUE(manager.wait_registered(2));  // while the first image is being computed
  const auto hellos = manager.wait_for<proto::Hello>(2);
  EXPECT_EQ(hellos[1].model_name, "model-b");
  EXPECT_EQ(hellos[1].model_digest, std::string(64, 'b'));
  EXPECT_EQ(hellos[1].instance_id, hellos[0].instance_id + "--1");
  EXPECT_EQ(hellos[1].name, "w1");
  ASSERT_EQ(manager.wait_for<proto::Drain>(1).size(), 1u);  // on the old link
  const auto fails = manager.wait_for<proto::Fail>(1);
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].job, JobId{2});
  EXPECT_EQ(fails[0].code, FailCode::kDraining);
  manager.assign(2, tiny_bmp(2), 2);  // on the new link: the newest
  auto outcomes = manager.wait_for<proto::Outcome>(1);
  ASSERT_EQ(outcomes.size(), 1u) << "the new model does not wait for the old one";
  EXPECT_EQ(outcomes[0].job, JobId{2});
  EXPECT_TRUE(manager.wait_for<proto::Bye>(0).empty());
  engine_.release();
  outcomes = manager.wait_for<proto::Outcome>(2);
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[1].job, JobId{1});
  ASSERT_EQ(manager.wait_for<proto::Bye>(1).size(), 1u);
  EXPECT_EQ(engine_.inferences(), 1u);
  EXPECT_THAT(log_when_left(), HasSubstr("assigned=3 done=2 failed=1"));
}

TEST_F(ModelReload, RemembersNoAnswerOfTheOldModel) {
  FakeManager manager;
  start_with(manager);
  manager.assign(1, tiny_bmp(1));
  ASSERT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
  reload_to('b');
  ASSERT_EQ(manager.wait_for<proto::Bye>(1).size(), 1u);
  manager.assign(1, tiny_bmp(1), 2);
  const auto outcomes = manager.wait_for<proto::Outcome>(2);
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_FALSE(outcomes[1].from_cache);
  EXPECT_EQ(engine_.inferences(), 1u);
}

TEST_F(ModelReload, ToTheSameModelChangesNothing) {
  FakeManager manager;
  start_with(manager);
  reload_to('a');
  ASSERT_TRUE(disk_.wait_until_done(1));
  manager.assign(1, tiny_bmp(1));
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
  const std::string log = log_when_left();
  EXPECT_THAT(log, HasSubstr("reload_unchanged serving=model-a"));
  EXPECT_EQ(manager.wait_for<proto::Hello>(1).size(), 1u);
}

TEST_F(ModelReload, OfABrokenFolderSaysWhyAndGoesOn) {
  FakeManager manager;
  start_with(manager);
  disk_.break_it("model.pt is not the file that model.yaml describes");
  runner_->request_reload("SIGHUP");
  ASSERT_TRUE(disk_.wait_until_done(1));
  manager.assign(1, tiny_bmp(1));
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
  reload_to('b');  // it was put right
  ASSERT_TRUE(manager.wait_registered(2));
  const std::string log = log_when_left();
  EXPECT_THAT(log, HasSubstr("reload_failed error=\"model.pt is not the file that model.yaml "
                             "describes\" serving=model-a"));
}

TEST_F(ModelReload, ToAModelThatCannotWarmUpSaysWhyAndGoesOn) {
  FakeManager manager;
  start_with(manager);
  FakeEngineOptions cold = model('b');
  cold.warm_up_failure = "the network failed";
  disk_.put(cold);
  runner_->request_reload("SIGHUP");
  ASSERT_TRUE(disk_.wait_until_done(1));
  reload_to('c');
  ASSERT_TRUE(manager.wait_registered(2));
  EXPECT_EQ(manager.wait_for<proto::Hello>(2)[1].model_name, "model-c");
  EXPECT_THAT(log_when_left(), HasSubstr("the new model cannot warm up: the network failed"));
}

TEST_F(ModelReload, GoesOnWithTheOldModelWhileItLoads) {
  FakeManager manager;
  start_with(manager);
  disk_.hold();
  reload_to('b');
  ASSERT_TRUE(disk_.wait_until_begun(1));
  manager.assign(1, tiny_bmp(1));
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(engine_.inferences(), 1u);
  disk_.release();
  EXPECT_TRUE(manager.wait_registered(2));
}

TEST_F(ModelReload, AskedForTwiceMeanwhileLoadsOnceMore) {
  FakeManager manager;
  start_with(manager);
  disk_.hold();
  reload_to('b');
  ASSERT_TRUE(disk_.wait_until_begun(1));
  runner_->request_reload("SIGHUP");
  runner_->request_reload("SIGHUP");
  disk_.put(model('c'));
  disk_.release();
  ASSERT_TRUE(disk_.wait_until_done(2));
  ASSERT_TRUE(manager.wait_registered(2));
  const std::string log = log_when_left();
  EXPECT_EQ(manager.wait_for<proto::Hello>(2)[1].model_name, "model-c");
  EXPECT_EQ(disk_.begun(), 2u);
  EXPECT_THAT(log, HasSubstr("reload_postponed"));
  EXPECT_THAT(log, HasSubstr("reload_begins reason=\"asked for meanwhile\" serving=model-c"));
}

TEST_F(ModelReload, IsIgnoredByAWorkerThatLeaves) {
  FakeManager manager;
  start_with(manager);
  engine_.hold();
  manager.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  runner_->request_stop("SIGTERM");
  ASSERT_EQ(manager.wait_for<proto::Drain>(1).size(), 1u);
  reload_to('b');
  engine_.release();
  EXPECT_EQ(leave().code, 0);
  EXPECT_EQ(disk_.begun(), 0u);
  EXPECT_THAT(log_.str(), HasSubstr("reload_ignored"));
}

TEST_F(ModelReload, UnderWayDoesNotKeepAWorkerFromLeaving) {
  FakeManager manager;
  start_with(manager);
  disk_.hold();
  reload_to('b');
  ASSERT_TRUE(disk_.wait_until_begun(1));
  const WorkerExit left = leave();
  EXPECT_EQ(left.code, 0);
  EXPECT_TRUE(left.abandoned_work) << "the loader cannot be interrupted";
}

TEST_F(ModelReload, WithoutAManagerIsThereWhenItComes) {
  std::uint16_t port = 0;
  {
    FakeManager first;
    port = first.port();
    start_with(first);
  }
  reload_to('b');
  ASSERT_TRUE(disk_.wait_until_done(1));
  FakeManager second(port);
  // The old model may have been quicker; then the new one follows.
  std::string name;
  for (std::size_t n = 1; n <= 2 && name != "model-b"; ++n) {
    ASSERT_TRUE(second.wait_registered(n));
    name = second.wait_for<proto::Hello>(n).back().model_name;
  }
  EXPECT_EQ(name, "model-b");
}

TEST_F(ModelReload, ThatAManagerRefusesLeavesTheOldModelThereUntilItDoesNot) {
  FakeManager manager;
  start_with(manager);
  manager.refuse_with({proto::RefuseCode::kModel, true, 1ms, "a third model"});
  reload_to('b');
  ASSERT_GE(manager.wait_for<proto::Hello>(3).size(), 3u);  // it asks again
  EXPECT_TRUE(manager.wait_for<proto::Drain>(0).empty());
  manager.welcome_again();
  ASSERT_TRUE(manager.wait_registered(2));
  EXPECT_EQ(manager.wait_for<proto::Drain>(1).size(), 1u);
  EXPECT_EQ(manager.wait_for<proto::Bye>(1).size(), 1u);
  EXPECT_THAT(log_when_left(), HasSubstr("new_model_refused model=model-b"));
}

TEST_F(ModelReload, ThatEveryManagerRefusesForGoodDoesNotEndTheWorker) {
  FakeManager manager;
  start_with(manager);
  manager.refuse_with({proto::RefuseCode::kBadHello, false, 1ms, "it has no labels"});
  reload_to('b');
  ASSERT_GE(manager.wait_for<proto::Hello>(2).size(), 2u);
  EXPECT_EQ(result_.wait_for(0s), std::future_status::timeout);
  EXPECT_EQ(leave().code, 0);
}

TEST_F(ModelReload, IsRegisteredWithEachManager) {
  FakeManager a(0, std::string(32, 'a'));
  FakeManager b(0, std::string(32, 'b'));
  start({a.port(), b.port()});
  ASSERT_TRUE(a.wait_registered(1));
  ASSERT_TRUE(b.wait_registered(1));
  b.refuse_with({proto::RefuseCode::kModel, true, 1ms, "a third model"});
  reload_to('b');
  ASSERT_TRUE(a.wait_registered(2));
  ASSERT_EQ(a.wait_for<proto::Bye>(1).size(), 1u);
  EXPECT_TRUE(b.wait_for<proto::Drain>(0).empty()) << "there the old one goes on";
  b.welcome_again();
  ASSERT_TRUE(b.wait_registered(2));
  EXPECT_EQ(b.wait_for<proto::Bye>(1).size(), 1u);
  a.assign(1, tiny_bmp(1));
  b.assign(1, tiny_bmp(1));
  EXPECT_EQ(a.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(b.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(engine_.inferences(), 0u);
}

TEST_F(ModelReload, ReplacesOneThatWasRefused) {
  FakeManager manager;
  start_with(manager);
  manager.refuse_with({proto::RefuseCode::kModel, true, 1ms, "a third model"});
  reload_to('b');
  ASSERT_GE(manager.wait_for<proto::Hello>(2).size(), 2u);
  manager.welcome_again();
  reload_to('c');
  for (std::size_t n = 2; n <= 3; ++n) {
    ASSERT_TRUE(manager.wait_registered(n));
    const auto hellos = manager.wait_for<proto::Hello>(n);
    if (hellos.back().model_name == "model-c") break;
  }
  manager.assign(1, tiny_bmp(1));
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
  EXPECT_EQ(leave().code, 0);
}

TEST_F(ModelReload, LetsAHungInferenceOfTheOldModelBehind) {
  FakeManager manager;
  options_.drain_timeout = 20ms;
  start_with(manager);
  engine_.hold();
  manager.assign(1, tiny_bmp(1));
  ASSERT_TRUE(engine_.wait_until_held(1));
  reload_to('b');
  ASSERT_TRUE(manager.wait_registered(2));
  const auto fails = manager.wait_for<proto::Fail>(1);
  ASSERT_EQ(fails.size(), 1u);
  EXPECT_EQ(fails[0].job, JobId{1});
  EXPECT_EQ(fails[0].code, FailCode::kDraining);
  ASSERT_EQ(manager.wait_for<proto::Bye>(1).size(), 1u);
  manager.assign(1, tiny_bmp(1), 2);
  EXPECT_EQ(manager.wait_for<proto::Outcome>(1).size(), 1u);
  const WorkerExit left = leave();
  EXPECT_EQ(left.code, 0);
  EXPECT_TRUE(left.abandoned_work);
}

TEST_F(ModelReload, ManyTimesUnloadsEachModel) {
  FakeManager manager;
  start_with(manager);
  for (std::size_t n = 1; n <= 20; ++n) {
    reload_to(static_cast<char>('b' + n % 2));
    ASSERT_TRUE(manager.wait_registered(n + 1));
    ASSERT_EQ(manager.wait_for<proto::Bye>(n).size(), n);
    manager.assign(n, tiny_bmp(1));
    ASSERT_EQ(manager.wait_for<proto::Outcome>(n).size(), n);
  }
  EXPECT_FALSE(leave().abandoned_work);
}

}  // namespace
}  // namespace imgrec::worker
