#include "tests/simulation/liar.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

namespace imgrec::simulation {

void Liar::on_assign(const proto::Assign& assign) { seen_.push_back({assign.job, assign.attempt}); }

bool Liar::lies(Lie lie, double at_least) {
  return world_.fault_phase && std::count(plan_.lies.begin(), plan_.lies.end(), lie) > 0 &&
         world_.random.chance(std::max(at_least, plan_.lie_chance));
}

void Liar::told(Fault fault, JobId job, std::uint32_t attempt) {
  world_.happened(fault);
  truth_.disturb(worker_, world_.now());
  world_.tell({0x11E, job.value, attempt}, [&] {
    return "FAULT: " + worker_name(worker_) + " tells a " + std::string(to_string(fault)) +
           ", about job " + std::to_string(job.value) + " attempt " + std::to_string(attempt);
  });
}

proto::Outcome Liar::invent(JobId job, std::uint32_t attempt) {
  proto::Outcome outcome;
  outcome.job = job;
  outcome.attempt = attempt;
  outcome.top.push_back({static_cast<std::uint32_t>(world_.random.below(kLabels)), 0.25f});
  return outcome;
}

// One that it has heard of, or one that may belong to another worker, or to nobody.
JobId Liar::other_job(JobId job) {
  if (!seen_.empty() && world_.random.chance(0.5)) {
    const JobId old = seen_[world_.random.below(seen_.size())].job;
    if (old != job) return old;
  }
  return JobId{job.value + world_.random.between(1, 5)};
}

std::vector<proto::Message> Liar::twist(proto::Message answer) {
  const auto* outcome = std::get_if<proto::Outcome>(&answer);
  if (outcome == nullptr) return {std::move(answer)};
  const proto::Outcome honest = *outcome;
  std::vector<proto::Message> said;
  if (lies(Lie::kWrongJob)) {
    proto::Outcome lie = honest;
    lie.job = other_job(honest.job);
    told(Fault::kLieWrongJob, lie.job, lie.attempt);
    said.push_back(lie);
    if (world_.random.chance(0.5)) return said;  // the honest answer never comes
  }
  if (lies(Lie::kWrongAttempt)) {
    proto::Outcome lie = honest;
    lie.attempt = world_.random.chance(0.5)
                      ? honest.attempt + 1
                      : static_cast<std::uint32_t>(world_.random.below(1'000));
    told(Fault::kLieWrongAttempt, lie.job, lie.attempt);
    said.push_back(lie);
    if (world_.random.chance(0.5)) return said;
  }
  if (lies(Lie::kFailAfterDone)) {
    fail_beside(honest, said);
    return said;
  }
  said.push_back(honest);
  if (lies(Lie::kDoubleResult)) {
    told(Fault::kLieDoubleResult, honest.job, honest.attempt);
    said.push_back(honest);
  }
  return said;
}

// Before the RESULT, where it may fail a sound image, or after it.
void Liar::fail_beside(const proto::Outcome& outcome, std::vector<proto::Message>& said) {
  proto::Fail fail;
  fail.job = outcome.job;
  fail.attempt = outcome.attempt;
  fail.code = world_.random.chance(0.5) ? proto::FailCode::kDamaged : proto::FailCode::kInternal;
  fail.retriable = world_.random.chance(0.7);
  fail.text = "This is not so.";
  told(Fault::kLieFailAfterDone, outcome.job, outcome.attempt);
  truth_.images[outcome.job].lied_about = true;
  const bool first = world_.random.chance(0.3);
  if (first) said.push_back(fail);
  said.push_back(outcome);
  if (!first) said.push_back(fail);
}

std::vector<proto::Message> Liar::on_cancel(const proto::Cancel& cancel) {
  // Cancels are rare: one that lies about them seldom lets one pass.
  if (!lies(Lie::kAfterCancel, 0.8)) return {};
  told(Fault::kLieAfterCancel, cancel.job, cancel.attempt);
  return {invent(cancel.job, cancel.attempt)};
}

}  // namespace imgrec::simulation
