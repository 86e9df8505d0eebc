#include "tests/simulation/ledger_check.h"

#include <set>
#include <string>

namespace imgrec::simulation {
namespace {

using State = SimStorage::State;
using Row = SimStorage::Row;

// So many retriable failures an image survives for certain.
constexpr unsigned kSurvivedFailures = 2;

class Reckoning {
 public:
  Reckoning(World& world, const Truth& truth, const SchedulePlan& plan, unsigned last_life)
      : world_(world), truth_(truth), plan_(plan), last_life_(last_life) {}

  void check(JobId job, const Row& row);

 private:
  void check_done(const Row& row, const ImageTruth& image);
  void check_failed(const Row& row, const ImageTruth& image);
  bool explained(const std::string& code, const ImageTruth& image) const;
  void complain(const std::string& what) {
    world_.violate(truth_.name + "job " + std::to_string(job_.value) + " " + what);
  }

  World& world_;
  const Truth& truth_;
  const SchedulePlan& plan_;
  const unsigned last_life_;
  JobId job_;  // in hand
  std::set<std::uint64_t> seqs_;
};

void Reckoning::check(JobId job, const Row& row) {
  job_ = job;
  const ImageTruth& image = truth_.images.at(job);
  if (row.state == State::kOpen) return complain("is still open: it is stuck, or forgotten");
  if (row.state == State::kDeleted) {
    if (!image.delete_wanted) complain("is gone, and nobody deleted it");
    return;
  }
  if (row.settlements != 1) complain("was settled " + std::to_string(row.settlements) + " times");
  if (!seqs_.insert(row.record.settle_seq).second) complain("shares its event number");
  // A manager that died may not have come to show it; clients read it from the store then.
  if (row.settled_in_life == last_life_ && image.lives_shown.count(last_life_) != 1) {
    complain("is settled, but was never shown");
  }
  if (row.state == State::kDone) {
    check_done(row, image);
  } else {
    check_failed(row, image);
  }
}

void Reckoning::check_done(const Row& row, const ImageTruth& image) {
  const unsigned worker = worker_named(row.record.worker, truth_.workers.size());
  if (worker == truth_.workers.size()) return complain("is done by nobody we know");
  if (truth_.workers[worker].liar) return;  // what it says of a picture cannot be checked
  if (image.kind != ImageKind::kGood) {
    return complain("is done, though the image is one that " +
                    std::string(is_poison(image.kind) ? "ends its worker" : "cannot be read"));
  }
  const proto::ScoredClass expected = recognise(*image.bytes);
  if (row.best.index != expected.index || row.best.score != expected.score) {
    complain("has another image's answer");
  }
}

void Reckoning::check_failed(const Row& row, const ImageTruth& image) {
  const std::string& code = row.record.error->code;
  if (!explained(code, image)) {
    complain("failed as " + code + ", which nothing that happened explains (image " +
             std::string(to_string(image.kind)) + ", " + std::to_string(image.disturbed) +
             " disturbed attempts, " + std::to_string(image.engine_failures) +
             " engine failures): " + row.record.error->detail);
  }
}

bool Reckoning::explained(const std::string& code, const ImageTruth& image) const {
  if (image.lied_about) return true;
  if (code == "quarantined") {
    if (is_poison(image.kind)) return true;
    // With one or two poison images and no other fault nobody else is struck three times.
    if (plan_.profile == SchedulePlan::Profile::kPoisonOnly) return false;
    return image.disturbed >= plan_.core.scheduler.quarantine_after;
  }
  if (code == "damaged_image") return image.kind == ImageKind::kDamaged;
  if (code == "not_an_image") return image.kind == ImageKind::kNotAnImage;
  if (code == "worker_error") return image.unreadable;
  if (code == "inference_failed") return image.engine_failures > kSurvivedFailures;
  return false;
}

}  // namespace

void check_ledger(World& world, const Truth& truth, const SchedulePlan& plan,
                  const SimStorage& storage, unsigned last_life) {
  Reckoning reckoning(world, truth, plan, last_life);
  for (const auto& [job, row] : storage.rows()) reckoning.check(job, row);
  for (const auto& [job, image] : truth.images) {
    if (image.acknowledged && !storage.rows().contains(job)) {
      world.violate(truth.name + "job " + std::to_string(job.value) +
                    " got its 202 and is not in the store");
    }
  }
}

}  // namespace imgrec::simulation
