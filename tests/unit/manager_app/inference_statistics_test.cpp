#include "manager/app/inference_statistics.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

const ModelIdentity kModel{"pets", "d1", 3};
const WallTime kNoon{std::chrono::hours(480'000)};

ImageRecord image(ImageState state) {
  ImageRecord record;
  record.state = state;
  record.model = state == ImageState::kDone ? "pets" : "";
  record.created = kNoon;
  record.timing = {.upload = 1ms,
                   .queue = 20ms,
                   .wire = 300us,
                   .decode = 2ms,
                   .inference = 40ms,
                   .push = 9ms,
                   .total = 70ms};
  return record;
}

TEST(InferenceStatistics, SplitsTheTimeOfWhatWasRecognised) {
  InferenceStatistics statistics;
  statistics.serves(kModel);
  statistics.settled(image(ImageState::kDone));
  statistics.settled(image(ImageState::kDone));
  const auto& counts = statistics.counts();
  EXPECT_EQ(counts.success.count, 2u);
  EXPECT_EQ(counts.success.time, 140ms);
  EXPECT_EQ(counts.queue.time, 40ms);
  EXPECT_EQ(counts.input.time, 4600us);
  EXPECT_EQ(counts.infer.time, 80ms);
  EXPECT_EQ(counts.output.count, 2u);
  EXPECT_EQ(counts.output.time, 13400us) << "what is left but for the upload";
  EXPECT_EQ(counts.fail.count, 0u);
  EXPECT_EQ(counts.last, kNoon);
}

TEST(InferenceStatistics, CountsWhatFailedAndWhatWasDeletedBeforeItSettled) {
  InferenceStatistics statistics;
  statistics.serves(kModel);
  statistics.settled(image(ImageState::kFailed));
  statistics.removed(image(ImageState::kQueued), kNoon + 5s);
  statistics.removed(image(ImageState::kDone), kNoon + 5s);
  EXPECT_EQ(statistics.counts().fail.count, 2u);
  EXPECT_EQ(statistics.counts().fail.time, 5070ms);
  EXPECT_EQ(statistics.counts().success.count, 0u);
}

TEST(InferenceStatistics, BeginsAnewWithAnotherModel) {
  InferenceStatistics statistics;
  statistics.serves(kModel);
  statistics.settled(image(ImageState::kDone));
  statistics.serves(kModel);
  EXPECT_EQ(statistics.counts().success.count, 1u);
  statistics.serves({"cars", "d2", 3});
  EXPECT_EQ(statistics.counts().success.count, 0u);
  statistics.settled(image(ImageState::kDone));
  EXPECT_EQ(statistics.counts().success.count, 0u) << "a late one of the model before";
}

TEST(InferenceStatistics, NeverCountsTimeBackwards) {
  InferenceStatistics statistics;
  statistics.serves(kModel);
  auto odd = image(ImageState::kDone);
  odd.timing.total = 1us;
  statistics.settled(odd);
  statistics.removed(image(ImageState::kAssigned), kNoon - 5s);
  EXPECT_EQ(statistics.counts().output.time, 0ns);
  EXPECT_EQ(statistics.counts().fail.time, 0ns);
}

}  // namespace
}  // namespace imgrec::manager
