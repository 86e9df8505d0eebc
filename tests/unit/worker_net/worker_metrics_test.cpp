#include "worker/app/worker_metrics.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

WorkerStatus serving() {
  WorkerStatus status;
  status.warm = true;
  status.model_name = "net";
  status.model_digest = "d0c5";
  status.classes = 2;
  status.streams = 1;
  status.credit = 64;
  status.managers = {{"10.0.0.7:2888", true, 3}, {"[::1]:2888", false, 0}};
  return status;
}

TEST(WorkerMetrics, CountPhotosByTheirEnd) {
  WorkerStatus status = serving();
  status.counters.done = 7;
  status.counters.failed = 5;
  status.counters.returned = 3;
  EXPECT_THAT(worker_metrics_text(status),
              AllOf(HasSubstr("imgrec_worker_photos_total{result=\"done\"} 7\n"),
                    HasSubstr("imgrec_worker_photos_total{result=\"failed\"} 2\n"),
                    HasSubstr("imgrec_worker_photos_total{result=\"returned\"} 3\n")));
}

TEST(WorkerMetrics, NameEachManager) {
  EXPECT_THAT(worker_metrics_text(serving()),
              AllOf(HasSubstr("imgrec_worker_manager_connected{manager=\"10.0.0.7:2888\"} 1\n"),
                    HasSubstr("imgrec_worker_manager_held{manager=\"10.0.0.7:2888\"} 3\n"),
                    HasSubstr("imgrec_worker_manager_connected{manager=\"[::1]:2888\"} 0\n"),
                    HasSubstr("imgrec_worker_manager_credit 64\n")));
}

TEST(WorkerMetrics, HaveAHistogramWhoseBucketsAddUp) {
  WorkerStatus status = serving();
  for (const auto time : {1ms, 40ms, 50ms, 20'000ms}) status.counters.inference.add(time);
  EXPECT_THAT(worker_metrics_text(status),
              AllOf(HasSubstr("imgrec_worker_inference_seconds_bucket{le=\"0.0025\"} 1\n"),
                    HasSubstr("imgrec_worker_inference_seconds_bucket{le=\"0.05\"} 3\n"),
                    HasSubstr("imgrec_worker_inference_seconds_bucket{le=\"10\"} 3\n"),
                    HasSubstr("imgrec_worker_inference_seconds_bucket{le=\"+Inf\"} 4\n"),
                    HasSubstr("imgrec_worker_inference_seconds_count 4\n"),
                    HasSubstr("imgrec_worker_inference_seconds_sum 20.091\n")));
}

// A model's name is from a file of somebody else's.
TEST(WorkerMetrics, EscapeTheModelsName) {
  WorkerStatus status = serving();
  status.model_name = "a\"b\\c\nd";
  EXPECT_THAT(
      worker_metrics_text(status),
      HasSubstr(R"(imgrec_worker_model_info{name="a\"b\\c\nd",digest="d0c5",classes="2"} 1)"));
}

TEST(WorkerStatus, IsReadyWhenWarmRegisteredAndNotLeaving) {
  WorkerStatus status = serving();
  EXPECT_TRUE(status.ready());
  EXPECT_EQ(status.sentence(), "ready");
  EXPECT_THAT(worker_metrics_text(status), HasSubstr("imgrec_worker_ready 1\n"));
  status.managers[0].connected = false;
  EXPECT_FALSE(status.ready());
  EXPECT_EQ(status.sentence(), "not registered with a manager");
  status = serving();
  status.warm = false;
  EXPECT_FALSE(status.ready());
  EXPECT_EQ(status.sentence(), "warming up");
  status = serving();
  status.reloading = true;  // the old model goes on meanwhile
  EXPECT_TRUE(status.ready());
  status.leaving = true;
  EXPECT_FALSE(status.ready());
  EXPECT_EQ(status.sentence(), "leaving");
  EXPECT_THAT(worker_metrics_text(status),
              AllOf(HasSubstr("imgrec_worker_ready 0\n"), HasSubstr("imgrec_worker_draining 1\n")));
}

}  // namespace
}  // namespace imgrec::worker
