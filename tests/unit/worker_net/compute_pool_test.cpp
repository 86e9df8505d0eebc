#include "worker/net/compute_pool.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_engine.h"

namespace imgrec::worker {
namespace {

using namespace std::chrono_literals;
using proto::FailCode;
using test::FakeEngine;
using test::tiny_bmp;

class ComputePoolTest : public testing::Test {
 protected:
  void start(unsigned streams = 1) {
    pool_ =
        std::make_unique<ComputePool>(engine_, ComputePoolOptions{streams, 1}, io_.get_executor(),
                                      [this](Event event) { events_.push_back(std::move(event)); });
    pool_->start([this](const Status& status) { ready_.push_back(status); });
    run_until([this] { return !ready_.empty(); });
  }
  template <class Condition>
  void run_until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!condition() && std::chrono::steady_clock::now() < end) io_.run_one_until(end);
    ASSERT_TRUE(condition());
  }
  std::shared_ptr<const PreparedImage> prepare(std::uint64_t work, std::string image) {
    events_.clear();
    pool_->prepare(WorkId{work}, std::make_shared<const std::string>(std::move(image)));
    run_until([this] { return !events_.empty(); });
    const auto& done = std::get<PrepareDone>(events_.at(0));
    EXPECT_EQ(done.work, WorkId{work});
    const auto* picture = std::get_if<std::shared_ptr<const PreparedImage>>(&done.result);
    return picture == nullptr ? nullptr : *picture;
  }
  InferDone infer(std::uint64_t work, std::shared_ptr<const PreparedImage> picture) {
    events_.clear();
    pool_->infer({{{WorkId{work}, std::move(picture)}}, 3});
    run_until([this] { return !events_.empty(); });
    return std::get<InferDone>(events_.at(0));
  }

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      io_.get_executor()};
  FakeEngine engine_;
  std::vector<Event> events_;
  std::vector<Status> ready_;
  std::unique_ptr<ComputePool> pool_;
};

TEST_F(ComputePoolTest, IsReadyOnceWhenEveryStreamIsWarm) {
  start(3);
  ASSERT_EQ(ready_.size(), 1u);
  EXPECT_TRUE(ready_[0].ok());
  EXPECT_EQ(engine_.warm_threads(), 3u);
}

TEST_F(ComputePoolTest, ReportsAWarmUpThatFails) {
  engine_.fail_warm_up("no memory");
  start(2);
  ASSERT_EQ(ready_.size(), 1u);
  EXPECT_EQ(ready_[0].message(), "no memory");
}

TEST_F(ComputePoolTest, PreparesAndInfers) {
  start();
  const std::string image = tiny_bmp(1);
  const auto picture = prepare(7, image);
  ASSERT_NE(picture, nullptr);
  const InferDone done = infer(7, picture);
  ASSERT_EQ(done.pictures.size(), 1u);
  EXPECT_EQ(done.pictures[0].work, WorkId{7});
  const auto& top = std::get<std::vector<proto::ScoredClass>>(done.pictures[0].result);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].index, FakeEngine::class_of(image, 10));
  EXPECT_GT(top[0].score, top[1].score);
}

TEST_F(ComputePoolTest, PassesTheEnginesFailuresOn) {
  start();
  EXPECT_EQ(prepare(1, "no picture at all"), nullptr);
  const auto& failure = std::get<EngineFailure>(std::get<PrepareDone>(events_[0]).result);
  EXPECT_EQ(failure.code, FailCode::kNotAnImage);
  EXPECT_FALSE(failure.retriable);
}

TEST_F(ComputePoolTest, TurnsAnExceptionIntoAFailureAndGoesOn) {
  start();
  const auto picture = prepare(1, tiny_bmp(1));
  engine_.throw_next("out of something");
  const InferDone done = infer(1, picture);
  const auto& failure = std::get<EngineFailure>(done.pictures.at(0).result);
  EXPECT_EQ(failure.code, FailCode::kInternal);
  EXPECT_TRUE(failure.retriable);
  EXPECT_THAT(failure.text, testing::HasSubstr("out of something"));
  EXPECT_TRUE(std::holds_alternative<std::vector<proto::ScoredClass>>(
      infer(2, picture).pictures.at(0).result));
}

TEST_F(ComputePoolTest, InfersABatchAtOnceAndAnswersForEach) {
  start();
  StartInfer batch{{}, 3};
  for (const std::uint32_t seed : {1, 2, 3}) {
    batch.pictures.push_back({WorkId{seed}, prepare(seed, tiny_bmp(seed))});
  }
  const unsigned before = engine_.inferences();
  events_.clear();
  pool_->infer(batch);
  run_until([this] { return !events_.empty(); });
  EXPECT_EQ(engine_.inferences(), before + 1);
  const auto& done = std::get<InferDone>(events_.at(0));
  ASSERT_EQ(done.pictures.size(), 3u);
  for (const std::uint32_t seed : {1, 2, 3}) {
    EXPECT_EQ(done.pictures[seed - 1].work, WorkId{seed});
    const auto& top = std::get<std::vector<proto::ScoredClass>>(done.pictures[seed - 1].result);
    EXPECT_EQ(top.at(0).index, FakeEngine::class_of(tiny_bmp(seed), 10));
  }

  engine_.throw_next("out of something");
  events_.clear();
  pool_->infer(batch);
  run_until([this] { return !events_.empty(); });
  const auto& failed = std::get<InferDone>(events_.at(0));
  ASSERT_EQ(failed.pictures.size(), 3u);
  for (const auto& picture : failed.pictures) {
    EXPECT_TRUE(std::get<EngineFailure>(picture.result).retriable) << "which it was, nobody knows";
  }
}

TEST_F(ComputePoolTest, DecodesWhileItInfers) {
  start();
  const auto first = prepare(1, tiny_bmp(1));
  engine_.hold();
  pool_->infer({{{WorkId{1}, first}}, 3});
  ASSERT_TRUE(engine_.wait_until_held(1));
  EXPECT_FALSE(pool_->idle());
  EXPECT_NE(prepare(2, tiny_bmp(2)), nullptr);  // comes back while 1 is held
  engine_.release();
}

TEST_F(ComputePoolTest, InfersOnAllStreamsAtOnce) {
  start(2);
  const auto picture = prepare(1, tiny_bmp(1));
  engine_.hold();
  pool_->infer({{{WorkId{1}, picture}}, 3});
  pool_->infer({{{WorkId{2}, picture}}, 3});
  EXPECT_TRUE(engine_.wait_until_held(2));
  engine_.release();
}

TEST_F(ComputePoolTest, StopDropsWhatHasNotBegun) {
  start();
  const auto picture = prepare(1, tiny_bmp(1));
  engine_.hold();
  pool_->infer({{{WorkId{1}, picture}}, 3});
  ASSERT_TRUE(engine_.wait_until_held(1));
  for (std::uint64_t work = 2; work < 50; ++work) pool_->infer({{{WorkId{work}, picture}}, 3});
  std::thread stopper([this] { pool_->stop(); });
  pool_->infer({{{WorkId{99}, picture}}, 3});
  engine_.release();
  stopper.join();
  const unsigned begun = engine_.inferences();
  pool_->infer({{{WorkId{100}, picture}}, 3});  // after stop(): dropped
  EXPECT_EQ(engine_.inferences(), begun);
  EXPECT_TRUE(pool_->idle());
}

}  // namespace
}  // namespace imgrec::worker
