#include "tests/simulation/campaign.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "tests/simulation/simulation.h"

namespace imgrec::simulation {
namespace {

constexpr std::uint64_t kRepeatEvery = 50;  // seeds: one is run twice

class Campaign {
 public:
  explicit Campaign(const CampaignOptions& options) : options_(options) {}

  CampaignResult run() {
    const auto began = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::max(options_.jobs, 1u); ++i) {
      threads.emplace_back([this] { work(); });
    }
    for (std::thread& thread : threads) thread.join();
    std::sort(result_.failed.begin(), result_.failed.end());
    result_.took = std::chrono::steady_clock::now() - began;
    return result_;
  }

 private:
  void work() {
    for (;;) {
      const std::uint64_t offset = next_++;
      if (offset >= options_.seeds || stop_) return;
      const std::uint64_t seed = options_.first + offset;
      const ScheduleResult schedule = run_schedule(seed, options_.mutant, 0);
      const bool twice = seed % kRepeatEvery == 0;
      const bool same =
          !twice || run_schedule(seed, options_.mutant, 0).story_sum == schedule.story_sum;
      const std::scoped_lock lock(mutex_);
      add(schedule);
      if (twice) ++result_.repeated;
      if (!same) result_.not_repeatable.push_back(seed);
    }
  }

  void add(const ScheduleResult& schedule) {
    ++result_.seeds;
    result_.images += schedule.images;
    result_.events += schedule.events;
    result_.story_sum ^= schedule.story_sum;
    for (std::size_t fault = 0; fault < kFaults; ++fault) {
      result_.schedules_with[fault] += schedule.faults.test(fault) ? 1 : 0;
    }
    if (schedule.violation.empty()) return;
    result_.failed.push_back({schedule.seed, schedule.violation});
    if (result_.failed.size() >= options_.stop_after) stop_ = true;
  }

  const CampaignOptions options_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  CampaignResult result_;  // guarded by mutex_ while threads run
};

}  // namespace

CampaignResult run_campaign(const CampaignOptions& options) { return Campaign(options).run(); }

}  // namespace imgrec::simulation
