#include "manager/app/json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "manager/app/problem.h"

namespace imgrec::manager {
namespace {

ImageRecord settled_image() {
  ImageRecord image;
  image.id = ImageId{"0123456789abcdef0123456789abcdef"};
  image.name = "cat.jpg";
  image.media_type = "image/jpeg";
  image.state = ImageState::kDone;
  image.created = WallTime(std::chrono::milliseconds(1'700'000'000'123));
  image.settled = image.created + std::chrono::milliseconds(250);
  image.model = "net";
  image.worker = "w1";
  for (std::uint32_t i = 0; i < 10; ++i) {
    image.top.push_back({i, "label " + std::to_string(i), 0.5f / static_cast<float>(i + 1)});
  }
  image.settle_seq = 7;
  image.timing.inference = std::chrono::microseconds(12'345);
  return image;
}

TEST(Json, WritesTimesInUtcWithMilliseconds) {
  EXPECT_EQ(rfc3339(WallTime(std::chrono::milliseconds(1'700'000'000'007))),
            "2023-11-14T22:13:20.007Z");
}

TEST(Json, ShowsAsManyPredictionsAsAsked) {
  EXPECT_EQ(image_json(settled_image())["top"].size(), 5u);
  EXPECT_EQ(image_json(settled_image(), 2)["top"].size(), 2u);
  EXPECT_EQ(image_json(settled_image(), 100)["top"].size(), 10u);
}

TEST(Json, SaysNullForWhatIsNotKnownYet) {
  ImageRecord image = settled_image();
  image.state = ImageState::kQueued;
  image.settled.reset();
  image.model.clear();
  image.worker.clear();
  image.settle_seq = 0;
  const auto json = image_json(image);
  for (const char* key : {"settled", "model", "worker", "seq", "timing_ms", "error"}) {
    EXPECT_TRUE(json.at(key).is_null()) << key;
  }
}

TEST(Json, CarriesTheTimeSplitInMilliseconds) {
  EXPECT_DOUBLE_EQ(image_json(settled_image())["timing_ms"]["inference"].get<double>(), 12.345);
}

TEST(Json, NamesAndLabelsThatAreNoUtf8DoNotThrow) {
  ImageRecord image = settled_image();
  image.name = "\xff\xfe";
  EXPECT_NE(dump(image_json(image)).find("\xEF\xBF\xBD"), std::string::npos);
}

TEST(Json, ProblemsCarryStatusCodeAndDetail) {
  const HttpResponse response =
      problem(to_problem(Status(StatusCode::kResourceExhausted, "the disk is full")));
  EXPECT_EQ(response.status, 507);
  EXPECT_EQ(response.content_type, "application/problem+json");
  const auto json = nlohmann::json::parse(*response.body);
  EXPECT_EQ(json["status"], 507);
  EXPECT_EQ(json["code"], "resource_exhausted");
  EXPECT_EQ(json["detail"], "the disk is full");
}

ClusterView busy_cluster() {
  ClusterView view;
  view.newest = ClusterSample{
      .second = 61,
      .images_per_s = 9.98765,
      .bits_per_s = 8e6 + 0.4,
      .wire_out_bits_per_s = 8.5e6,
      .wire_in_bits_per_s = 2e5,
      .queue_depth = 3,
      .in_flight = 2,
      .workers = 1,
      .total = Percentiles{std::chrono::milliseconds(50), std::chrono::milliseconds(90),
                           std::chrono::milliseconds(120)}};
  return view;
}

TEST(Json, SaysNullForWhatIsNotMeasuredYetOfACluster) {
  ClusterView view;
  view.workers.emplace_back();
  const auto json = cluster_json(view);
  EXPECT_TRUE(json["sample"].is_null());
  EXPECT_TRUE(json["latency"]["1m"]["total"].is_null());
  EXPECT_EQ(json["latency"]["1m"]["images"], 0);
  EXPECT_FALSE(json.contains("history")) << "nobody asked for it";
  for (const char* key :
       {"rtt_ms", "tcp_rtt_ms", "tcp_least_rtt_ms", "retransmissions", "retransmitted_share",
        "delivery_bits_per_s", "unacknowledged_bytes", "connections", "congestion_control",
        "congestion_window_bytes", "wire_out_bytes", "wire_in_bytes", "wire_out_bits_per_s",
        "wire_in_bits_per_s"}) {
    EXPECT_TRUE(json["workers"][0].at(key).is_null()) << key;
  }
}

TEST(Json, CarriesTheKernelsFiguresOfAWorkersConnection) {
  ClusterView view;
  WorkerSnapshot worker;
  worker.rtt = std::chrono::microseconds(2'500);
  worker.link = LinkFigures{.tcp = {.connections = 13,
                                    .rtt = std::chrono::microseconds(1'250),
                                    .least_rtt = std::chrono::microseconds(250),
                                    .delivery_bits_per_s = 80'000'000,
                                    .unacknowledged_bytes = std::nullopt,
                                    .congestion_window_bytes = 14'480,
                                    .congestion_control = "bbr",
                                    .counters = {}},
                            .wire = {}};
  worker.link->wire = LinkFigures::Wire{
      .traffic = {.wire_bytes_out = 900'000, .wire_bytes_in = 40'000, .retransmissions = 7},
      .last_10s = {.bits_out_per_s = 720'000.4, .bits_in_per_s = 32'000, .retransmitted = 1},
      .last_minute = {.retransmitted = 1.0 / 96}};
  view.workers.push_back(worker);
  const auto json = cluster_json(view)["workers"][0];
  EXPECT_EQ(json["rtt_ms"], 2.5);
  EXPECT_EQ(json["tcp_rtt_ms"], 1.25);
  EXPECT_EQ(json["tcp_least_rtt_ms"], 0.25);
  EXPECT_EQ(json["retransmissions"], 7);
  EXPECT_EQ(json["delivery_bits_per_s"], 80'000'000);
  EXPECT_TRUE(json["unacknowledged_bytes"].is_null());
  EXPECT_EQ(json["connections"], 13);
  EXPECT_EQ(json["congestion_control"], "bbr");
  EXPECT_EQ(json["congestion_window_bytes"], 14'480);
  EXPECT_EQ(json["retransmitted_share"], 0.0104) << "of the last minute, four digits";
  EXPECT_EQ(json["wire_out_bytes"], 900'000);
  EXPECT_EQ(json["wire_in_bytes"], 40'000);
  EXPECT_EQ(json["wire_out_bits_per_s"], 720'000);
  EXPECT_EQ(json["wire_in_bits_per_s"], 32'000);
}

TEST(Json, SaysWhatCrossedTheWireToAllWorkersBesideTheImages) {
  ClusterView view;
  view.wire.traffic = {.wire_bytes_out = 9'000'000,
                       .wire_bytes_in = 400'000,
                       .segments_out = 6'500,
                       .segments_in = 5'000,
                       .data_segments_out = 6'000,
                       .retransmissions = 60,
                       .retransmitted_bytes = 86'000};
  view.wire.last_10s = {.bits_out_per_s = 8e6, .bits_in_per_s = 1e5, .retransmitted = 0.5};
  view.wire.last_minute = {.bits_out_per_s = 4e6, .bits_in_per_s = 2e5, .retransmitted = 0.125};
  view.wire.overall = {.bits_out_per_s = 1e6, .bits_in_per_s = 3e5, .retransmitted = 0.01};
  const auto json = cluster_json(view);
  const auto wire = nlohmann::json::parse(R"({"out_bytes":9000000,"in_bytes":400000,
    "data_segments":6000,"retransmissions":60,"retransmitted_bytes":86000,
    "retransmitted_share":0.125})");
  EXPECT_EQ(nlohmann::json(json["wire"]), wire);
  EXPECT_EQ(json["throughput"]["10s"]["wire_out_bits_per_s"], 8e6);
  EXPECT_EQ(json["throughput"]["1m"]["wire_out_bits_per_s"], 4e6);
  EXPECT_EQ(json["throughput"]["all"]["wire_in_bits_per_s"], 3e5);
}

TEST(Json, GivesTheNewestSampleAsARowAndTheHistoryAsColumns) {
  ClusterView view = busy_cluster();
  ClusterSample idle;
  idle.second = 60;
  view.history = {idle, *view.newest};
  const auto json = cluster_json(view);
  EXPECT_EQ(json["sample"]["second"], 61);
  EXPECT_EQ(json["sample"]["images_per_s"], 9.99);
  EXPECT_EQ(json["sample"]["p99_ms"], 120);
  const auto& history = json["history"];
  EXPECT_EQ(history.size(), json["sample"].size());
  for (const auto& [name, value] : json["sample"].items()) {
    ASSERT_EQ(history.at(name).size(), 2u) << name;
    EXPECT_EQ(history[name][1], value) << name;
  }
  EXPECT_TRUE(history["p50_ms"][0].is_null());
}

TEST(Json, AnEmptyHistoryHasItsColumns) {
  ClusterView view;
  view.history.emplace();
  EXPECT_EQ(cluster_json(view)["history"]["images_per_s"], nlohmann::json::array());
}

// Ten minutes of it are to be a small answer.
TEST(Json, TenMinutesOfHistoryFitInto50Kilobytes) {
  ClusterView view = busy_cluster();
  view.history = std::vector<ClusterSample>(ClusterHistory::kSamples, *view.newest);
  EXPECT_LT(dump(cluster_json(view)).size(), 50'000u);
}

TEST(Json, EventsCarryTheirTypeAndNumber) {
  const auto json = nlohmann::json::parse(*image_event(settled_image()));
  EXPECT_EQ(json["type"], "image");
  EXPECT_EQ(json["seq"], 7);
  EXPECT_EQ(json["image"]["id"], settled_image().id.text);
}

}  // namespace
}  // namespace imgrec::manager
