#include "tests/simulation/plan.h"

#include <algorithm>
#include <string>
#include <utility>

namespace imgrec::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Profile = SchedulePlan::Profile;

constexpr std::size_t kMaxImages = 60;
constexpr std::size_t kMaxBatch = 12;

LinkPlan make_link(Random& random) {
  LinkPlan link;
  link.delay = random.chance(0.35) ? random.time(milliseconds(50), milliseconds(300))
                                   : random.time(microseconds(50), milliseconds(20));
  link.jitter = random.time(microseconds(10), link.delay);
  if (random.chance(0.2)) link.bytes_per_s = random.between(8'000, 100'000);
  if (random.chance(0.3)) link.window = random.between(500, 4'000);
  if (random.chance(0.4)) link.sliced = random.unit();
  return link;
}

LinkPlan make_calm_link(Random& random) {
  LinkPlan link;
  link.delay = random.time(microseconds(50), milliseconds(5));
  link.jitter = link.delay / 4;
  return link;
}

WorkerPlan make_worker(Random& random, Profile profile) {
  WorkerPlan worker;
  worker.streams = static_cast<unsigned>(random.between(1, 3));
  worker.batch = static_cast<unsigned>(random.between(1, 4));
  const unsigned busy = (worker.streams + 1) * worker.batch;
  worker.credit = static_cast<unsigned>(random.between(worker.streams, busy + 2));
  if (random.chance(0.2)) worker.max_held_bytes = random.between(300, 3'000);
  worker.decode = random.time(milliseconds(1), milliseconds(10));
  worker.inference = random.time(milliseconds(5), milliseconds(80));
  worker.link = profile == Profile::kMixed ? make_link(random) : make_calm_link(random);
  return worker;
}

void make_liar(WorkerPlan& worker, Random& random) {
  for (unsigned lie = 0; lie < kLies; ++lie) {
    if (random.chance(0.7)) worker.lies.push_back(static_cast<Lie>(lie));
  }
  worker.lie_chance = 0.05 + random.unit() / 2;
}

ImageKind make_kind(Random& random, Profile profile, double bad) {
  if (profile != Profile::kMixed || !random.chance(bad)) return ImageKind::kGood;
  constexpr ImageKind kBad[] = {ImageKind::kDamaged, ImageKind::kNotAnImage, ImageKind::kKiller,
                                ImageKind::kHanger};
  return kBad[random.below(std::size(kBad))];
}

void make_batches(SchedulePlan& plan, Random& random) {
  const bool mixed = plan.profile == Profile::kMixed;
  std::size_t left = random.between(1, kMaxImages);
  const unsigned sessions = static_cast<unsigned>(random.between(1, 4));
  const double bad = mixed && random.chance(0.4) ? 0.02 + random.unit() / 8 : 0;
  const double deleted = mixed && random.chance(0.5) ? random.unit() / 3 : 0;
  const double unreadable = mixed && random.chance(0.1) ? 0.05 : 0;
  while (left > 0) {
    BatchPlan batch;
    batch.shard = static_cast<unsigned>(random.below(plan.shards));
    batch.session = static_cast<unsigned>(random.below(sessions));
    batch.at = random.time(Duration::zero(), plan.fault_phase);
    for (std::size_t n = std::min(left, random.between(1, kMaxBatch)); n > 0; --n, --left) {
      ImagePlan image;
      image.kind = make_kind(random, plan.profile, bad);
      image.unreadable = random.chance(unreadable);
      if (random.chance(deleted))
        image.deleted_after = random.time(Duration::zero(), milliseconds(800));
      batch.images.push_back(image);
    }
    plan.batches.push_back(std::move(batch));
  }
  // One or two, so that who is to blame can be told for certain: see ledger_check.cpp.
  if (plan.profile != Profile::kPoisonOnly) return;
  for (std::uint64_t n = random.between(1, 2); n > 0; --n) {
    auto& images = plan.batches[random.below(plan.batches.size())].images;
    images[random.below(images.size())].kind =
        random.chance(0.5) ? ImageKind::kKiller : ImageKind::kHanger;
  }
}

void make_injections(SchedulePlan& plan, Random& random) {
  const double share = 0.1 + random.unit() / 2;  // of the kinds: from few to most
  for (unsigned kind = 0; kind < kInjections; ++kind) {
    if (!random.chance(share)) continue;
    // Once or twice in the phase, or all the time.
    const Duration every = random.chance(0.7) ? plan.fault_phase / 2 : plan.fault_phase / 10;
    plan.injections.push_back({static_cast<Injection>(kind), every});
  }
  if (random.chance(0.25)) plan.engine_failure = 0.02 + random.unit() / 8;
  if (random.chance(0.25)) plan.failed_commit = 0.02 + random.unit() / 6;
}

}  // namespace

bool LinkPlan::slow() const {
  return 2 * (delay + jitter) >= milliseconds(150) || bytes_per_s < 100'000;
}

std::size_t SchedulePlan::images() const {
  std::size_t count = 0;
  for (const BatchPlan& batch : batches) count += batch.images.size();
  return count;
}

std::size_t SchedulePlan::poison() const {
  std::size_t count = 0;
  for (const BatchPlan& batch : batches) {
    for (const ImagePlan& image : batch.images) count += is_poison(image.kind) ? 1 : 0;
  }
  return count;
}

std::string SchedulePlan::in_words() const {
  const std::string_view name = profile == Profile::kCalm         ? "calm"
                                : profile == Profile::kPoisonOnly ? "poison only"
                                                                  : "mixed";
  const auto liars = std::count_if(workers.begin(), workers.end(),
                                   [](const WorkerPlan& worker) { return !worker.lies.empty(); });
  return std::string(name) + ", " + std::to_string(shards) + " shards, " +
         std::to_string(workers.size()) + " workers (" + std::to_string(liars) + " lie), " +
         std::to_string(images()) + " images (" + std::to_string(poison()) + " poison) in " +
         std::to_string(batches.size()) + " uploads, faults for " +
         std::to_string(std::chrono::duration_cast<milliseconds>(fault_phase).count()) + " ms";
}

SchedulePlan make_plan(Random& random) {
  SchedulePlan plan;
  const double draw = random.unit();
  plan.profile = draw < 0.05   ? Profile::kCalm
                 : draw < 0.12 ? Profile::kPoisonOnly
                               : Profile::kMixed;
  plan.fault_phase = random.time(milliseconds(2'000), milliseconds(12'000));
  // Whom a poison image's worker takes along is certain within one shard only.
  const bool several = plan.profile != Profile::kPoisonOnly && random.chance(0.4);
  if (several) plan.shards = static_cast<unsigned>(random.between(2, 3));
  plan.workers.resize(random.between(1, 6));
  for (WorkerPlan& worker : plan.workers) worker = make_worker(random, plan.profile);
  make_batches(plan, random);
  plan.commit = random.time(microseconds(200), milliseconds(15));
  plan.supervisor = random.time(milliseconds(1'500), milliseconds(5'000));
  if (plan.profile == Profile::kMixed) {
    make_injections(plan, random);
    for (WorkerPlan& worker : plan.workers) {
      if (random.chance(0.2)) make_liar(worker, random);
    }
  }

  // A tenth of what production has, so that a schedule takes seconds and not minutes.
  plan.core.scheduler.initial_timeout = milliseconds(2'000);
  plan.core.scheduler.min_timeout = milliseconds(500);
  plan.core.scheduler.max_timeout = milliseconds(8'000);
  plan.core.settle_retry = milliseconds(150);
  plan.manager_session.handshake_timeout = milliseconds(2'000);
  plan.manager_session.heartbeat = milliseconds(500);
  plan.manager_session.dead_after = milliseconds(2'500);
  plan.manager_session.max_payload_bytes = proto::kDefaultMaxPayloadBytes;
  plan.worker_session = plan.manager_session;
  return plan;
}

}  // namespace imgrec::simulation
