#include "manager/core/worker_registry.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

proto::Hello hello(const std::string& instance, const std::string& digest = "aaaa") {
  proto::Hello h;
  h.name = "worker " + instance;
  h.instance_id = instance;
  h.model_name = "net";
  h.model_digest = digest;
  h.labels = {"cat", "dog"};
  h.credit = 3;
  return h;
}

const TimePoint kNow{};

TEST(WorkerRegistry, WelcomesTheFirstWorkerAndTakesOverItsModel) {
  WorkerRegistry registry;
  EXPECT_FALSE(registry.judge(hello("1")).has_value());
  const auto& worker = registry.add(WorkerId{1}, hello("1"), "127.0.0.1:5", kNow);
  EXPECT_EQ(worker.credit, 3u);
  ASSERT_TRUE(registry.model().has_value());
  EXPECT_EQ(registry.model()->digest, "aaaa");
  EXPECT_EQ(registry.model()->classes, 2u);
}

TEST(WorkerRegistry, RefusesAnotherModelInWordsWhileOneServes) {
  WorkerRegistry registry;
  const WorkerId first = registry.add(WorkerId{1}, hello("1"), "", kNow).id;
  const auto refuse = registry.judge(hello("2", "bbbb"));
  ASSERT_TRUE(refuse.has_value());
  EXPECT_EQ(refuse->code, proto::RefuseCode::kModel);
  EXPECT_TRUE(refuse->retry);
  EXPECT_NE(refuse->reason.find("'net'"), std::string::npos) << refuse->reason;
  registry.remove(first);
  EXPECT_FALSE(registry.judge(hello("2", "bbbb")).has_value());
}

TEST(WorkerRegistry, LetsTheOnlyWorkerComeBackWithANewModel) {
  WorkerRegistry registry;
  registry.add(WorkerId{1}, hello("1"), "", kNow);
  EXPECT_FALSE(registry.judge(hello("1", "bbbb")).has_value());
}

TEST(WorkerRegistry, RefusesAModelWithoutLabelsForGood) {
  WorkerRegistry registry;
  auto h = hello("1");
  h.labels.clear();
  const auto refuse = registry.judge(h);
  ASSERT_TRUE(refuse.has_value());
  EXPECT_FALSE(refuse->retry);
}

TEST(WorkerRegistry, RefusesOverItsLimitButNotAReturningWorker) {
  WorkerRegistry registry(1);
  registry.add(WorkerId{1}, hello("1"), "", kNow);
  const auto refuse = registry.judge(hello("2"));
  ASSERT_TRUE(refuse.has_value());
  EXPECT_EQ(refuse->code, proto::RefuseCode::kFull);
  EXPECT_FALSE(registry.judge(hello("1")).has_value());
}

TEST(WorkerRegistry, FindsAProcessByItsInstance) {
  WorkerRegistry registry;
  const WorkerId id = registry.add(WorkerId{1}, hello("1"), "", kNow).id;
  EXPECT_EQ(registry.find_instance("1"), id);
  EXPECT_EQ(registry.find_instance("2"), std::nullopt);
}

}  // namespace
}  // namespace imgrec::manager
