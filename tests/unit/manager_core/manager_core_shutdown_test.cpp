#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "manager/core/manager_core.h"

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

template <class T>
std::vector<T> all_of(const std::vector<CoreAction>& actions) {
  std::vector<T> found;
  for (const CoreAction& action : actions) {
    if (const auto* one = std::get_if<T>(&action)) found.push_back(*one);
  }
  return found;
}

CoreEvent introduced(std::uint64_t worker) {
  proto::Hello hello;
  hello.name = "worker-" + std::to_string(worker);
  hello.instance_id = std::to_string(worker);
  hello.model_name = "net";
  hello.model_digest = "a";
  hello.labels = {"cat", "dog"};
  hello.credit = 1;
  return WorkerIntroduced{WorkerId{worker}, "10.0.0.1:5000", std::move(hello)};
}

CoreEvent accepted(std::uint64_t job) {
  ImageRecord image;
  image.job = JobId{job};
  image.session = SessionId{"anna"};
  image.bytes = 1000;
  return ImagesAccepted{{image}};
}

// Found by the simulation: worker 1 leaves before worker 2, and what waited for it,
// since it had failed on worker 2, was assigned there in between.
TEST(ManagerCoreShutdown, WhatWaitsForTheFirstWorkerDoesNotGoToTheNext) {
  const TimePoint now{1h};
  ManagerCore core(ManagerCoreOptions{}, now);
  (void)core.on_event(introduced(1), now);
  ASSERT_EQ(all_of<AssignJob>(core.on_event(accepted(1), now)).size(), 1u);
  (void)core.on_event(introduced(2), now);
  ASSERT_EQ(all_of<AssignJob>(core.on_event(accepted(2), now)).size(), 1u);
  const proto::Fail fail{JobId{2}, 1, proto::FailCode::kInference, true, "out of memory"};
  ASSERT_TRUE(all_of<AssignJob>(core.on_event(WorkerSaid{WorkerId{2}, fail}, now)).empty())
      << "it waits for worker 1";

  const auto leaving = core.on_event(ShutdownRequested{5s}, now);
  EXPECT_TRUE(all_of<AssignJob>(leaving).empty());
  EXPECT_EQ(all_of<DrainWorker>(leaving).size(), 2u);
  EXPECT_EQ(core.scheduler().queued_jobs(), 1u) << "it runs at the next start";

  const proto::Outcome outcome{
      .job = JobId{1}, .attempt = 1, .timing = {}, .from_cache = false, .top = {{1, 0.75f}}};
  const auto answered = core.on_event(WorkerSaid{WorkerId{1}, outcome}, now);
  EXPECT_TRUE(all_of<AssignJob>(answered).empty());
  const auto settled = all_of<StoreSettlement>(answered);
  ASSERT_EQ(settled.size(), 1u);
  const auto stored = core.on_event(SettlementStored{settled[0].settlement, ImageRecord{}}, now);
  const auto finished = all_of<FinishShutdown>(stored);
  ASSERT_EQ(finished.size(), 1u) << "it does not wait for what was never sent";
  EXPECT_EQ(finished[0].unfinished, 0u);
}

}  // namespace
}  // namespace imgrec::manager
