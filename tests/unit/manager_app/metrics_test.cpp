#include "manager/app/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

WorkerSnapshot worker_at(std::chrono::microseconds rtt) {
  WorkerSnapshot worker;
  worker.link = LinkFigures{.tcp = {.rtt = rtt,
                                    .least_rtt = rtt / 2,
                                    .delivery_bits_per_s = 8'000,
                                    .unacknowledged_bytes = 500,
                                    .congestion_window_bytes = 14'000,
                                    .congestion_control = rtt > 10ms ? "cubic" : "bbr",
                                    .counters = {}},
                            .wire = {}};
  return worker;
}

TEST(Metrics, SumUpTheWorkersConnectionsWithoutALabelForEach) {
  ClusterView view;
  for (const auto rtt : {40ms, 2ms, 8ms}) view.workers.push_back(worker_at(rtt));
  view.workers.emplace_back();  // one that is not measured yet
  const std::string text = Metrics().text(view, {});
  EXPECT_THAT(text, HasSubstr("imgrec_worker_rtt_seconds{of=\"nearest\"} 0.001"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_rtt_seconds{of=\"median\"} 0.004"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_rtt_seconds{of=\"farthest\"} 0.02"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_delivery_bytes_per_second 3000"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_unacknowledged_bytes 1500"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_congestion_window_bytes 42000"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_connections{congestion_control=\"bbr\"} 2"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_connections{congestion_control=\"cubic\"} 1"));
}

TEST(Metrics, CountWhatCrossedTheWireEitherWay) {
  ClusterView view;
  view.wire.traffic = {.wire_bytes_out = 6'000'000,
                       .wire_bytes_in = 50'000,
                       .segments_out = 4'100,
                       .segments_in = 900,
                       .data_segments_out = 4'000,
                       .retransmissions = 12,
                       .retransmitted_bytes = 17'000};
  const std::string text = Metrics().text(view, {});
  EXPECT_THAT(text, HasSubstr("imgrec_worker_wire_bytes_total{direction=\"out\"} 6000000"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_wire_bytes_total{direction=\"in\"} 50000"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_wire_segments_total{direction=\"out\"} 4100"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_wire_segments_total{direction=\"in\"} 900"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_data_segments_total 4000"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_retransmissions_total 12"));
  EXPECT_THAT(text, HasSubstr("imgrec_worker_retransmitted_bytes_total 17000"));
}

TEST(Metrics, SayNoRoundTripWithoutWorkers) {
  EXPECT_THAT(Metrics().text({}, {}), Not(HasSubstr("imgrec_worker_rtt_seconds{")));
}

TEST(Metrics, HaveASummaryOfEachPhase) {
  ClusterView view;
  view.latency.of[0] = Percentiles{50ms, 90ms, 120ms};
  view.phase_sums[0] = {.count = 7, .time = 3500ms};
  const std::string text = Metrics().text(view, {});
  const std::string name = "imgrec_phase_duration_seconds";
  EXPECT_THAT(text, HasSubstr(name + "{phase=\"total\",quantile=\"0.99\"} 0.12"));
  EXPECT_THAT(text, HasSubstr(name + "_count{phase=\"total\"} 7"));
  EXPECT_THAT(text, HasSubstr(name + "_sum{phase=\"total\"} 3.5"));
  EXPECT_THAT(text, HasSubstr(name + "{phase=\"wire\",quantile=\"0.5\"} Nan"));
}

}  // namespace
}  // namespace imgrec::manager
