// Random schedules: workers that join, leave, answer, fail, answer twice, lie, hang and drain, in
// any order. Whatever happens, the ledger balances, every job settles exactly once, and no worker
// is given more than its credit.
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "manager/core/scheduler.h"

namespace imgrec::manager {
namespace {

using namespace std::chrono_literals;
using proto::FailCode;

struct Given {  // an attempt, as a worker knows it
  JobId job;
  std::uint32_t attempt = 0;
};

class RandomCluster {
 public:
  explicit RandomCluster(unsigned seed) : random_(seed), scheduler_(options(seed)) {}

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
  }

  // A worker that answers everything, correctly and in order, ends it.
  void finish_with_a_good_worker() {
    const WorkerId good = join(4);
    for (int i = 0; i < 20'000 && scheduler_.open_jobs() > 0; ++i) {
      if (::testing::Test::HasFailure()) return;
      auto& held = workers_.at(good).held;
      if (!held.empty()) {
        const Given first = held.front();
        held.erase(held.begin());
        now_ += 50ms;
        apply(AttemptSucceeded{good, first.job, first.attempt});
      } else {
        const auto deadline = scheduler_.next_deadline();
        ASSERT_TRUE(deadline.has_value()) << scheduler_.open_jobs() << " jobs would wait for ever";
        now_ = std::max(now_, *deadline);
        apply(Tick{});
      }
    }
    EXPECT_EQ(scheduler_.open_jobs(), 0u);
    EXPECT_EQ(settled_.size() + deleted_.size(), accepted_);
  }

 private:
  struct FakeWorker {
    unsigned credit = 0;
    std::vector<Given> held;      // occupies credit
    std::vector<Given> answered;  // for duplicates
  };

  // Every other cluster hedges all it can, and every third one fills the credit.
  static SchedulerOptions options(unsigned seed) {
    SchedulerOptions options;
    options.hedge_percent = seed % 2 == 0 ? 100 : 5;
    options.min_window = seed % 3 == 0 ? 100 : 0;
    return options;
  }

  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }

  WorkerId join(unsigned credit) {
    const WorkerId id{++last_worker_};
    workers_[id].credit = credit;
    apply(WorkerJoined{id, credit, 1 + below(2), "worker-" + std::to_string(below(3))});
    return id;
  }

  WorkerId any_worker() {
    auto it = workers_.begin();
    std::advance(it, below(static_cast<unsigned>(workers_.size())));
    return it->first;
  }

  void step() {
    now_ += std::chrono::milliseconds(below(3000));
    switch (below(13)) {
      case 12:
        if (!workers_.empty()) {
          apply(WorkerMeasured{any_worker(), std::chrono::microseconds(below(400'000))});
        }
        return;
      case 0:
      case 1:
      case 2: {
        const JobId job{++accepted_};
        return apply(
            JobAdded{job, SessionId{std::string(1, static_cast<char>('a' + below(4)))}, 1});
      }
      case 3:
        if (workers_.size() < 6) join(1 + below(4));
        return;
      case 4:
        if (workers_.empty() || below(3) != 0) return;
        return leave(any_worker());
      case 5:
        if (workers_.empty() || below(4) != 0) return;
        return apply(WorkerDraining{any_worker()});
      case 6: {
        if (accepted_ == 0 || below(4) != 0) return;
        const JobId job{1 + below(static_cast<unsigned>(accepted_))};
        if (scheduler_.job(job)) deleted_.insert(job);
        return apply(JobCancelled{job});
      }
      case 7: {
        const auto deadline = scheduler_.next_deadline();
        if (deadline) now_ = std::max(now_, *deadline);
        return apply(Tick{});
      }
      default:
        if (!workers_.empty()) report(any_worker());
    }
  }

  void leave(WorkerId id) {
    workers_.erase(id);
    apply(WorkerLeft{id});
  }

  void report(WorkerId id) {
    FakeWorker& worker = workers_.at(id);
    if (below(8) == 0) {  // a lie: of a job or an attempt that it was never given
      return apply(AttemptSucceeded{id, JobId{1 + below(200)}, 50 + below(3)});
    }
    if (!worker.answered.empty() && below(5) == 0) {
      const Given again = worker.answered[below(static_cast<unsigned>(worker.answered.size()))];
      return apply(AttemptSucceeded{id, again.job, again.attempt});
    }
    if (worker.held.empty()) return;
    const auto position = below(static_cast<unsigned>(worker.held.size()));
    const Given given = worker.held[position];
    worker.held.erase(worker.held.begin() + position);
    worker.answered.push_back(given);
    if (below(3) != 0) {
      return apply(AttemptSucceeded{id, given.job, given.attempt, below(10) == 0});
    }
    const auto code = static_cast<FailCode>(1 + below(8));
    apply(AttemptFailed{id, given.job, given.attempt, code, below(4) != 0, "random"});
  }

  void settle(JobId job) {
    EXPECT_TRUE(settled_.insert(job).second) << "job " << job.value << " settled twice";
    EXPECT_FALSE(deleted_.contains(job));
  }

  void perform(const AssignJob& action) {
    ASSERT_TRUE(workers_.contains(action.worker));
    FakeWorker& worker = workers_.at(action.worker);
    worker.held.push_back({action.job, action.attempt});
    EXPECT_LE(worker.held.size(), worker.credit);
    EXPECT_FALSE(settled_.contains(action.job));
    EXPECT_TRUE(attempts_.insert({action.job.value, action.attempt}).second);
    EXPECT_GT(action.deadline, 0ms);
  }
  void perform(const CancelAttempt& action) {
    ASSERT_TRUE(workers_.contains(action.worker));
    std::erase_if(workers_.at(action.worker).held, [&](const Given& given) {
      return given.job == action.job && given.attempt == action.attempt;
    });
  }
  void perform(const SettleDone& action) { settle(action.job); }
  void perform(const SettleFailed& action) {
    EXPECT_FALSE(action.code.empty());
    EXPECT_FALSE(action.detail.empty());
    settle(action.job);
  }
  void perform(const DropReport&) { ++dropped_; }

  void apply(const Event& event) {
    for (const Action& action : scheduler_.on_event(event, now_)) {
      std::visit([this](const auto& a) { perform(a); }, action);
    }
    EXPECT_EQ(settled_.size() + deleted_.size() + scheduler_.open_jobs(), accepted_);
    EXPECT_LE(scheduler_.queued_jobs(), scheduler_.open_jobs());
    EXPECT_EQ(scheduler_.counters().dropped, dropped_);
    EXPECT_EQ(scheduler_.counters().assigned, attempts_.size());
    for (const auto& [id, worker] : workers_) {
      const auto view = scheduler_.worker(id);
      ASSERT_TRUE(view.has_value());
      EXPECT_LE(view->in_flight, worker.credit);
      EXPECT_LE(view->window, worker.credit);
      EXPECT_EQ(view->in_flight, worker.held.size());
    }
    if (const auto deadline = scheduler_.next_deadline()) {
      EXPECT_GT(*deadline, now_);
    }
  }

  std::mt19937 random_;
  Scheduler scheduler_;
  TimePoint now_{1h};
  std::uint64_t accepted_ = 0;
  std::uint64_t last_worker_ = 0;
  std::uint64_t dropped_ = 0;
  std::map<WorkerId, FakeWorker> workers_;
  std::set<JobId> settled_;
  std::set<JobId> deleted_;
  std::set<std::pair<std::uint64_t, std::uint32_t>> attempts_;
};

TEST(SchedulerProperty, TwoThousandRandomSchedulesKeepTheLedger) {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomCluster cluster(seed);
    cluster.run(150);
    cluster.finish_with_a_good_worker();
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace imgrec::manager
