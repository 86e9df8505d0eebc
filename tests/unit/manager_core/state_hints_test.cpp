#include "manager/core/state_hints.h"

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;

class StateHintsTest : public testing::Test {
 protected:
  void note(const char* image, ImageState state = ImageState::kAssigned) {
    hints_.note({ImageId{image}, SessionId{"anna"}, state, 1, "north"}, now_);
  }
  // "a b", the images whose hints are due.
  std::string due() {
    std::string images;
    while (const auto hint = hints_.pop_due(now_)) {
      images += (images.empty() ? "" : " ") + hint->id.text;
    }
    return images;
  }

  StateHints::TimePoint now_{1h};
  StateHints hints_{100ms};
};

TEST_F(StateHintsTest, TellsWhatLasts) {
  EXPECT_EQ(hints_.next(), std::nullopt);
  note("a");
  now_ += 60ms;
  note("b");
  EXPECT_EQ(hints_.next(), now_ + 40ms);
  EXPECT_EQ(due(), "");
  now_ += 40ms;
  EXPECT_EQ(due(), "a");
  EXPECT_EQ(hints_.next(), now_ + 60ms);
  now_ += 1s;
  EXPECT_EQ(due(), "b");
  EXPECT_EQ(hints_.next(), std::nullopt);
}

TEST_F(StateHintsTest, SaysNothingOfWhatIsOver) {
  note("a");
  note("b");
  hints_.forget(ImageId{"a"});
  hints_.forget(ImageId{"a"});
  hints_.forget(ImageId{"unknown"});
  now_ += 100ms;
  EXPECT_EQ(due(), "b");
}

// However often an image's state changes, it is told in time.
TEST_F(StateHintsTest, TellsTheNewestStateAtTheFirstOnesTime) {
  note("a", ImageState::kAssigned);
  now_ += 90ms;
  note("a", ImageState::kQueued);
  now_ += 10ms;
  const auto hint = hints_.pop_due(now_);
  ASSERT_TRUE(hint);
  EXPECT_EQ(hint->state, ImageState::kQueued);
  EXPECT_EQ(hints_.pop_due(now_ + 1h), std::nullopt) << "once";
  note("a", ImageState::kAssigned);
  now_ += 100ms;
  EXPECT_EQ(due(), "a") << "again after it was told";
}

}  // namespace
}  // namespace imgrec::manager
