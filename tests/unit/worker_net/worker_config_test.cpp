#include "worker/app/worker_config.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

using testing::HasSubstr;

class WorkerConfigTest : public testing::Test {
 protected:
  Status parse(std::vector<const char*> flags) {
    OptionSet set("imgrec-worker", "test", "IMGREC_NO_SUCH_PREFIX");
    add_worker_options(set, config_);
    add_model_options(set, config_);
    flags.insert(flags.begin(), "imgrec-worker");
    return set.parse(static_cast<int>(flags.size()), flags.data()).status();
  }
  WorkerConfig config_;
};

TEST_F(WorkerConfigTest, HasDefaultsThatWorkOnOneMachine) {
  ASSERT_TRUE(parse({}).ok());
  const WorkerRunnerOptions options = *runner_options(config_);
  ASSERT_EQ(options.managers.size(), 1u);
  EXPECT_EQ(options.managers[0].text(), "127.0.0.1:2888");
  EXPECT_EQ(options.streams, 1u);
  EXPECT_EQ(options.credit, 64u);
  EXPECT_EQ(options.fail_probability, 0);
  EXPECT_THAT(options.name, testing::ContainsRegex("-[0-9]+$"));
}

TEST_F(WorkerConfigTest, ReadsItsFlags) {
  const Status status = parse({"--manager", "a:1,b:2", "--name", "w1", "--streams", "3", "--credit",
                               "8", "--fail-probability", "0.25", "--model", "m", "--max-pixels",
                               "1000", "--precision", "int8"});
  ASSERT_TRUE(status.ok()) << status.message();
  const WorkerRunnerOptions options = *runner_options(config_);
  ASSERT_EQ(options.managers.size(), 2u);
  EXPECT_EQ(options.managers[1].text(), "b:2");
  EXPECT_EQ(options.name, "w1");
  EXPECT_EQ(options.streams, 3u);
  EXPECT_EQ(options.credit, 8u);
  EXPECT_EQ(options.fail_probability, 0.25);
  EXPECT_EQ(config_.model_dir, "m");
  EXPECT_EQ(config_.max_pixels, 1000u);
  EXPECT_EQ(config_.precision, "int8");
}

TEST_F(WorkerConfigTest, GivesManyStreamsTheCreditOfABatchEachAndOneToCome) {
  ASSERT_TRUE(parse({"--streams", "100"}).ok());
  EXPECT_EQ(runner_options(config_)->credit, 404u);
  ASSERT_TRUE(parse({"--streams", "100", "--batch", "1"}).ok());
  EXPECT_EQ(runner_options(config_)->credit, 101u);
  ASSERT_TRUE(parse({"--streams", "256", "--batch", "16"}).ok());
  EXPECT_EQ(runner_options(config_)->credit, 4096u) << "the most there is";
}

TEST_F(WorkerConfigTest, ComputesTogetherWhatWasMeasuredUnlessToldOtherwise) {
  EXPECT_EQ(config_.batch, 0u);
  ASSERT_TRUE(parse({"--batch", "4"}).ok());
  EXPECT_EQ(config_.batch, 4u);
  EXPECT_THAT(parse({"--batch", "17"}).message(), HasSubstr("batch must be 0 to 16"));
}

TEST_F(WorkerConfigTest, RefusesACreditThatStarvesTheStreams) {
  const Status status = parse({"--streams", "4", "--credit", "4"});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("streams + 1 = 5"));
}

TEST_F(WorkerConfigTest, RefusesValuesOutOfRange) {
  EXPECT_FALSE(parse({"--fail-probability", "1.5"}).ok());
  config_ = {};
  EXPECT_FALSE(parse({"--fail-probability", "-0.1"}).ok());
  config_ = {};
  EXPECT_FALSE(parse({"--streams", "0"}).ok());
  config_ = {};
  EXPECT_FALSE(parse({"--streams", "257"}).ok());
  config_ = {};
  EXPECT_FALSE(parse({"--manager", "host:99999"}).ok());
  config_ = {};
  EXPECT_FALSE(parse({"--precision", "fp16"}).ok());
  config_ = {};
  EXPECT_THAT(parse({"--manager", "a:1,a:1"}).message(), HasSubstr("twice"));
}

TEST_F(WorkerConfigTest, TakesNoTokenFromTheCommandLine) {
  const Status status = parse({"--worker-token", "example-token-of-32-characters-1"});
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("_WORKER_TOKEN instead"));
  EXPECT_THAT(status.message(), testing::Not(HasSubstr("example-token")));
}

TEST_F(WorkerConfigTest, NamesATokenFileThatCannotBeRead) {
  EXPECT_THAT(parse({"--worker-token-file", "/no/such/file"}).message(),
              HasSubstr("/no/such/file cannot be read"));
}

TEST_F(WorkerConfigTest, RefusesHalfATlsConfiguration) {
  EXPECT_THAT(parse({"--worker-tls-ca", "ca.pem"}).message(), HasSubstr("without worker.tls"));
  config_ = {};
  EXPECT_THAT(parse({"--worker-tls", "--worker-tls-cert", "c.pem"}).message(),
              HasSubstr("go together"));
  config_ = {};
  ASSERT_TRUE(parse({"--worker-tls", "--worker-tls-ca", "/no/such/ca.pem"}).ok());
  EXPECT_THAT(runner_options(config_).status().message(), HasSubstr("/no/such/ca.pem"));
}

TEST_F(WorkerConfigTest, SpeaksTlsWhereToldTo) {
  ASSERT_TRUE(parse({"--worker-tls", "--worker-tls-server-name", "manager.example"}).ok());
  const WorkerRunnerOptions options = *runner_options(config_);
  EXPECT_NE(options.link.tls, nullptr);
  EXPECT_EQ(options.link.tls_server_name, "manager.example");
  config_ = {};
  ASSERT_TRUE(parse({}).ok());
  EXPECT_EQ(runner_options(config_)->link.tls, nullptr);
}

}  // namespace
}  // namespace imgrec::worker
