// imgrec-simulation: the delivery contract under seeded fault schedules. See README.md.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "tests/simulation/campaign.h"
#include "tests/simulation/simulation.h"

namespace imgrec::simulation {
namespace {

constexpr const char* kUsage =
    "Usage: imgrec-simulation [--seeds N] [--first S] [--jobs J] [--mutant NAME]\n"
    "       imgrec-simulation --seed S [--verbose] [--mutant NAME]\n"
    "\n"
    "  --seeds N      so many schedules (default 20000), seeds --first S (default 1) and on\n"
    "  --jobs J       on so many threads (default: one for each core)\n"
    "  --seed S       this one schedule; --verbose prints its whole story\n"
    "  --mutant NAME  break a rule on purpose: no-resend, duplicates, forget-at-restart,\n"
    "                 no-settle-retry, early-answer; exit code 0 then means that the checks\n"
    "                 noticed\n"
    "\n"
    "Exit codes: 0 no violation, 1 a violation (or a fault too rare), 2 wrong usage.\n";

constexpr std::size_t kStoryLines = 400;    // of a failing schedule
constexpr double kLeastShare = 0.05;        // of the schedules, each kind of fault
constexpr std::uint64_t kSharesFrom = 500;  // schedules; fewer say little about shares

struct Arguments {
  CampaignOptions campaign;
  std::optional<std::uint64_t> seed;
  bool verbose = false;
};

std::optional<std::uint64_t> number(const std::string& text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || text.front() < '0' || text.front() > '9' || *end != '\0') return std::nullopt;
  return value;
}

std::optional<Mutant> mutant_named(std::string_view name) {
  if (name == "no-resend") return Mutant::kNoResend;
  if (name == "duplicates") return Mutant::kDuplicates;
  if (name == "forget-at-restart") return Mutant::kForgetAtRestart;
  if (name == "no-settle-retry") return Mutant::kNoSettleRetry;
  if (name == "early-answer") return Mutant::kEarlyAnswer;
  return std::nullopt;
}

// False: wrong usage.
bool take(Arguments& arguments, const std::string& name, const std::string& text) {
  if (name == "--mutant") {
    const auto mutant = mutant_named(text);
    if (mutant) arguments.campaign.mutant = *mutant;
    return mutant.has_value();
  }
  const auto value = number(text);
  if (!value) return false;
  if (name == "--seeds") {
    arguments.campaign.seeds = *value;
  } else if (name == "--first") {
    arguments.campaign.first = *value;
  } else if (name == "--jobs") {
    arguments.campaign.jobs = static_cast<unsigned>(*value);
  } else if (name == "--seed") {
    arguments.seed = *value;
  } else {
    return false;
  }
  return true;
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments arguments;
  arguments.campaign.jobs = std::thread::hardware_concurrency();
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--verbose") {
      arguments.verbose = true;
    } else if (i + 1 == argc || !take(arguments, name, argv[++i])) {
      return std::nullopt;
    }
  }
  return arguments;
}

// Runs it once more, for its words.
int tell_story(std::uint64_t seed, Mutant mutant, std::size_t lines) {
  const ScheduleResult schedule = run_schedule(seed, mutant, lines);
  std::printf("\nseed %llu: %s\n", static_cast<unsigned long long>(seed), schedule.plan.c_str());
  if (schedule.story_forgotten > 0) {
    std::printf("(%zu lines before these; --seed %llu --verbose prints all)\n",
                schedule.story_forgotten, static_cast<unsigned long long>(seed));
  }
  for (const std::string& line : schedule.story) std::printf("%s\n", line.c_str());
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
              schedule.violation.empty() ? "no violation" : schedule.violation.c_str());
  return schedule.violation.empty() ? 0 : 1;
}

// False: one is too rare to say that the contract holds under it.
bool print_faults(const CampaignResult& result) {
  bool enough = true;
  std::printf("\n%-32s %10s %8s\n", "fault", "schedules", "share");
  for (std::size_t fault = 0; fault < kFaults; ++fault) {
    const double share = static_cast<double>(result.schedules_with[fault]) /
                         static_cast<double>(result.seeds == 0 ? 1 : result.seeds);
    const bool rare = result.seeds >= kSharesFrom && share < kLeastShare;
    enough = enough && !rare;
    std::printf("%-32s %10llu %7.1f%%%s\n", to_string(static_cast<Fault>(fault)).data(),
                static_cast<unsigned long long>(result.schedules_with[fault]), share * 100,
                rare ? "  TOO RARE" : "");
  }
  return enough;
}

int run_all(const CampaignOptions& options) {
  const CampaignResult result = run_campaign(options);
  if (!result.failed.empty()) tell_story(result.failed.front().seed, options.mutant, kStoryLines);
  const bool enough = print_faults(result);
  for (const Failure& failure : result.failed) {
    std::printf("violation: seed %llu: %s\n", static_cast<unsigned long long>(failure.seed),
                failure.violation.c_str());
  }
  for (const std::uint64_t seed : result.not_repeatable) {
    std::printf("not repeatable: seed %llu\n", static_cast<unsigned long long>(seed));
  }
  std::printf("\n%llu seeds, %zu violations\n", static_cast<unsigned long long>(result.seeds),
              result.failed.size());
  std::printf(
      "%llu images, %llu events; %llu seeds run twice, %zu with another story; sum %016llx\n",
      static_cast<unsigned long long>(result.images),
      static_cast<unsigned long long>(result.events),
      static_cast<unsigned long long>(result.repeated), result.not_repeatable.size(),
      static_cast<unsigned long long>(result.story_sum));
  std::printf("%.1f s, %.0f seeds/s\n", result.took.count(),
              static_cast<double>(result.seeds) / result.took.count());
  return result.failed.empty() && result.not_repeatable.empty() && enough ? 0 : 1;
}

// The test of the test: the broken rule must be noticed.
int run_mutant(CampaignOptions options) {
  options.jobs = 1;
  options.stop_after = 1;
  const CampaignResult result = run_campaign(options);
  if (result.failed.empty()) {
    std::printf("NOT caught in %llu seeds\n", static_cast<unsigned long long>(result.seeds));
    return 1;
  }
  const Failure& failure = result.failed.front();
  std::printf("caught after %llu seeds, by seed %llu: %s\n",
              static_cast<unsigned long long>(result.seeds),
              static_cast<unsigned long long>(failure.seed), failure.violation.c_str());
  return 0;
}

int run(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  if (!arguments) {
    std::fputs(kUsage, argc == 2 && std::string_view(argv[1]) == "--help" ? stdout : stderr);
    return argc == 2 && std::string_view(argv[1]) == "--help" ? 0 : 2;
  }
  const CampaignOptions& campaign = arguments->campaign;
  if (arguments->seed) {
    return tell_story(*arguments->seed, campaign.mutant,
                      arguments->verbose ? static_cast<std::size_t>(-1) : kStoryLines);
  }
  return campaign.mutant == Mutant::kNone ? run_all(campaign) : run_mutant(campaign);
}

}  // namespace
}  // namespace imgrec::simulation

int main(int argc, char** argv) { return imgrec::simulation::run(argc, argv); }
