#include "manager/core/image_record.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

TEST(ImageState, HasTheNamesThatTheApiShows) {
  EXPECT_EQ(to_string(ImageState::kQueued), "queued");
  EXPECT_EQ(to_string(ImageState::kAssigned), "assigned");
  EXPECT_EQ(to_string(ImageState::kDone), "done");
  EXPECT_EQ(to_string(ImageState::kFailed), "failed");
}

}  // namespace
}  // namespace imgrec::manager
