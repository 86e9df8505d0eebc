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

TEST(Json, EventsCarryTheirTypeAndNumber) {
  const auto json = nlohmann::json::parse(*image_event(settled_image()));
  EXPECT_EQ(json["type"], "image");
  EXPECT_EQ(json["seq"], 7);
  EXPECT_EQ(json["image"]["id"], settled_image().id.text);
}

}  // namespace
}  // namespace imgrec::manager
