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

// A cluster whose workers change their models one by one.
class ModelChange : public testing::Test {
 protected:
  // False: it is refused.
  bool joins(std::uint64_t id, const std::string& instance, const std::string& digest) {
    if (registry_.judge(hello(instance, digest))) return false;
    registry_.add(WorkerId{id}, hello(instance, digest), "", kNow);
    return true;
  }
  void leaves(std::uint64_t id) { registry_.remove(WorkerId{id}); }
  std::string model() const { return registry_.model() ? registry_.model()->digest : ""; }
  std::string replaced() const {
    const auto model = registry_.replaced_model();
    return model ? model->digest : "";
  }

  WorkerRegistry registry_;
};

TEST_F(ModelChange, OfTheOnlyWorkerOverlaps) {
  ASSERT_TRUE(joins(1, "p", "aaaa"));
  ASSERT_TRUE(joins(2, "p--1", "bbbb"));
  EXPECT_EQ(model(), "bbbb");
  EXPECT_EQ(replaced(), "aaaa");
  leaves(1);
  EXPECT_EQ(model(), "bbbb");
  EXPECT_EQ(replaced(), "");
}

TEST_F(ModelChange, OfOneLetsTheOthersFollowAndGoOn) {
  ASSERT_TRUE(joins(1, "p", "aaaa"));
  ASSERT_TRUE(joins(2, "q", "aaaa"));
  ASSERT_TRUE(joins(3, "p--1", "bbbb"));
  leaves(1);
  EXPECT_EQ(model(), "bbbb");
  EXPECT_EQ(replaced(), "aaaa");
  EXPECT_TRUE(joins(4, "stranger", "bbbb"));
  EXPECT_TRUE(joins(5, "another", "aaaa"));
  EXPECT_EQ(model(), "bbbb") << "who has the old one does not change it back";
  leaves(5);
  ASSERT_TRUE(joins(6, "q--1", "bbbb"));
  leaves(2);
  EXPECT_EQ(replaced(), "");
  EXPECT_FALSE(joins(7, "another", "aaaa"));
}

TEST_F(ModelChange, IsNothingThatAStrangerMayBegin) {
  ASSERT_TRUE(joins(1, "p", "aaaa"));
  EXPECT_FALSE(joins(2, "q--1", "bbbb"));
  EXPECT_FALSE(joins(3, "p-1", "bbbb"));
}

TEST_F(ModelChange, IsTakenBackTheSameWay) {
  ASSERT_TRUE(joins(1, "p", "aaaa"));
  ASSERT_TRUE(joins(2, "q", "aaaa"));
  ASSERT_TRUE(joins(3, "p--1", "bbbb"));
  leaves(1);
  ASSERT_TRUE(joins(4, "p--2", "aaaa"));
  leaves(3);
  EXPECT_EQ(model(), "aaaa");
  EXPECT_EQ(replaced(), "");
}

TEST_F(ModelChange, WaitsForTheOneBefore) {
  ASSERT_TRUE(joins(1, "p", "aaaa"));
  ASSERT_TRUE(joins(2, "q", "aaaa"));
  ASSERT_TRUE(joins(3, "r--1", "aaaa"));
  ASSERT_TRUE(joins(4, "p--1", "bbbb"));
  leaves(1);
  ASSERT_TRUE(joins(5, "q--1", "bbbb"));
  leaves(2);
  const auto refuse = registry_.judge(hello("p--2", "cccc"));
  ASSERT_TRUE(refuse.has_value());
  EXPECT_EQ(refuse->code, proto::RefuseCode::kModel);
  EXPECT_TRUE(refuse->retry);
  EXPECT_NE(refuse->reason.find("third"), std::string::npos) << refuse->reason;
  ASSERT_TRUE(joins(6, "r--2", "bbbb"));
  leaves(3);
  EXPECT_TRUE(joins(7, "p--2", "cccc"));
}

TEST_F(ModelChange, MayBeginWithAProcessThatLostItsConnectionMeanwhile) {
  ASSERT_TRUE(joins(1, "p", "aaaa"));
  ASSERT_TRUE(joins(2, "q", "aaaa"));
  leaves(1);
  EXPECT_TRUE(joins(3, "p--1", "bbbb"));
  leaves(3);
  EXPECT_EQ(model(), "aaaa");
  EXPECT_TRUE(joins(4, "p--1", "bbbb")) << "and so may it come back";
  EXPECT_EQ(model(), "bbbb");
}

TEST_F(ModelChange, LetsTheOnlyWorkerComeBackOnTheSameConnectionNumber) {
  ASSERT_TRUE(joins(1, "p", "aaaa"));
  EXPECT_FALSE(registry_.judge(hello("p", "bbbb")).has_value());
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
