// A ClassifyCore on manual time, with verbs, for its tests.
//
// Thread rule: one test, one thread. Owns the core.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/core/classify_core.h"

namespace imgrec::client {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Actions = std::vector<Action>;

template <class T>
std::vector<T> all(const Actions& actions) {
  std::vector<T> found;
  for (const Action& action : actions) {
    if (const T* a = std::get_if<T>(&action)) found.push_back(*a);
  }
  return found;
}

inline ServerImage image_of(const std::string& id, ImageState state, std::size_t classes = 5) {
  ServerImage image;
  image.id = ImageId{id};
  image.state = state;
  if (state == ImageState::kDone) {
    for (std::uint32_t i = 0; i < classes; ++i) image.top.push_back({i, "label", 0.5});
  }
  if (state == ImageState::kFailed) image.error_code = "damaged_image";
  return image;
}
inline ServerImage queued(const std::string& id) { return image_of(id, ImageState::kQueued); }
inline ServerImage done(const std::string& id, std::size_t classes = 5) {
  return image_of(id, ImageState::kDone, classes);
}

inline Failure lost() { return {FailureKind::kNetwork, "network", "the connection was lost"}; }
inline Failure busy(std::optional<std::chrono::milliseconds> wait = std::nullopt) {
  return {FailureKind::kBusy, "too_many_open_images", "try again later", wait};
}
inline Failure failure(FailureKind kind) { return {kind, "code", "detail"}; }

class ClassifyCoreTest : public testing::Test {
 protected:
  // Begins a run of so many files.
  Actions begin(std::uint64_t files) {
    options_.files = files;
    core_ = std::make_unique<ClassifyCore>(options_);
    return on(Started{});
  }
  Actions begin_online(std::uint64_t files) {
    Actions actions = begin(files);
    hello();
    return actions;
  }

  Actions on(Event event) {
    Actions actions = core_->on_event(std::move(event), now_);
    for (const Action& action : actions) {
      if (const auto* told = std::get_if<TellOutcome>(&action)) told_.push_back(*told);
      if (const auto* end = std::get_if<End>(&action)) end_ = *end;
    }
    return actions;
  }
  Actions hello(std::uint64_t seq = 0) { return on(SocketOpened{seq}); }
  Actions accepted(std::uint64_t file, ServerImage image) {
    return on(UploadEnded{FileId{file}, std::move(image)});
  }
  Actions refused(std::uint64_t file, Failure why) {
    return on(UploadEnded{FileId{file}, std::move(why)});
  }
  Actions result(std::uint64_t seq, ServerImage image) {
    return on(SocketResult{seq, std::move(image)});
  }
  Actions page(std::vector<ServerImage> images, std::string next = {}) {
    return on(PageRead{ImagePage{std::move(images), std::move(next)}});
  }

  // Lets time pass, with a Tick at each deadline on the way.
  Actions pass(std::chrono::milliseconds time) {
    const TimePoint until = now_ + time;
    Actions all_actions;
    while (true) {
      const auto next = core_->next_deadline();
      const bool due = next && *next <= until;
      now_ = due ? std::max(*next, now_) : until;
      Actions actions = on(Tick{});
      all_actions.insert(all_actions.end(), actions.begin(), actions.end());
      if (!due) return all_actions;
      EXPECT_LT(++ticks_, 10'000) << "it asks for ticks without end";
      if (ticks_ >= 10'000) return all_actions;
    }
  }

  static std::vector<std::uint64_t> uploads(const Actions& actions) {
    std::vector<std::uint64_t> files;
    for (const StartUpload& upload : all<StartUpload>(actions)) files.push_back(upload.file.value);
    return files;
  }
  std::vector<std::uint64_t> told_files() const {
    std::vector<std::uint64_t> files;
    for (const TellOutcome& outcome : told_) files.push_back(outcome.file.value);
    return files;
  }

  ClassifyOptions options_;
  std::unique_ptr<ClassifyCore> core_;
  TimePoint now_{};
  std::vector<TellOutcome> told_;
  std::optional<End> end_;
  int ticks_ = 0;
};

}  // namespace imgrec::client
