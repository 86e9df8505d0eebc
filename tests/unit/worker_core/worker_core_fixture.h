// A WorkerCore on manual time, with verbs, for its tests.
//
// Thread rule: one test, one thread. Owns the core.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/core/worker_core.h"

namespace imgrec::worker {

using namespace std::chrono_literals;
using proto::FailCode;
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

// The works of the one inference that begins; empty: none does.
inline std::vector<WorkId> begun(const Actions& actions) {
  const auto starts = all<StartInfer>(actions);
  EXPECT_LE(starts.size(), 1u);
  std::vector<WorkId> works;
  for (const StartInfer& start : starts) {
    for (const auto& picture : start.pictures) works.push_back(picture.work);
  }
  return works;
}

class FakePicture final : public PreparedImage {};

inline constexpr LinkId kLink{1};
inline constexpr LinkId kOther{2};

// A core on manual time, with verbs.
class WorkerCoreTest : public testing::Test {
 protected:
  WorkerCoreTest() { start({}); }

  void start(WorkerCoreOptions options) {
    core_ = std::make_unique<WorkerCore>(std::move(options));
    up(kLink, "manager-a");
  }
  // What core options look like with n credits and s streams.
  static WorkerCoreOptions with(unsigned credit, unsigned streams = 1) {
    WorkerCoreOptions options;
    options.credit = credit;
    options.streams = streams;
    return options;
  }

  Actions on(Event event) { return core_->on_event(std::move(event), now_); }
  Actions up(LinkId link, std::string manager) { return on(LinkUp{link, std::move(manager)}); }
  Actions assign(std::uint64_t job, std::uint32_t attempt = 1, LinkId link = kLink,
                 std::chrono::milliseconds deadline = 0ms, std::uint16_t top_k = 5) {
    return on(JobAssigned{
        link, {JobId{job}, attempt, deadline, top_k, std::make_shared<const std::string>("x")}});
  }
  Actions cancel(std::uint64_t job, std::uint32_t attempt = 1, LinkId link = kLink) {
    return on(AttemptCancelled{link, {JobId{job}, attempt, proto::CancelReason::kTimedOut}});
  }
  Actions prepared(std::uint64_t work, std::chrono::microseconds decode = 10us) {
    return on(PrepareDone{WorkId{work}, std::make_shared<const FakePicture>(), decode});
  }
  Actions unprepared(std::uint64_t work, EngineFailure failure) {
    return on(PrepareDone{WorkId{work}, std::move(failure), 10us});
  }
  Actions inferred(std::uint64_t work, std::chrono::microseconds inference = 50us) {
    return inferred(std::vector{work}, inference);
  }
  // These, together.
  Actions inferred(const std::vector<std::uint64_t>& works,
                   std::chrono::microseconds inference = 50us) {
    InferDone done{{}, inference};
    for (const std::uint64_t work : works) {
      done.pictures.push_back(
          {WorkId{work}, std::vector<proto::ScoredClass>{{3, 0.7f}, {1, 0.2f}, {0, 0.1f}}});
    }
    return on(std::move(done));
  }
  Actions uninferred(std::uint64_t work, EngineFailure failure) {
    return on(InferDone{{{WorkId{work}, std::move(failure)}}, 50us});
  }
  Actions drain(std::chrono::milliseconds deadline = 10s) {
    return on(DrainRequested{deadline, "SIGTERM"});
  }
  // Assigns job n, which becomes work n, and has its inference begin.
  void begin(std::uint64_t job, LinkId link = kLink) {
    assign(job, 1, link);
    ASSERT_THAT(all<StartInfer>(prepared(job)), testing::SizeIs(1));
  }

  TimePoint now_{1h};
  std::unique_ptr<WorkerCore> core_;
};

}  // namespace imgrec::worker
