// A worker that lies: what it says in place of, or beside, its honest answers. Everything that it
// says is a well-formed frame; it lies about jobs and attempts.
//
// Thread rule: not shared. Owns: what it remembers of its assignments.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/messages.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/truth.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

class Liar {
 public:
  Liar(World& world, Truth& truth, const WorkerPlan& plan, unsigned worker)
      : world_(world), truth_(truth), plan_(plan), worker_(worker) {}

  void on_assign(const proto::Assign& assign);
  // What to send for these; OUTCOME and FAIL only.
  std::vector<proto::Message> twist(proto::Message answer);
  std::vector<proto::Message> on_cancel(const proto::Cancel& cancel);

 private:
  struct Seen {
    JobId job;
    std::uint32_t attempt = 0;
  };

  bool lies(Lie lie, double at_least = 0);
  void told(Fault fault, JobId job, std::uint32_t attempt);
  proto::Outcome invent(JobId job, std::uint32_t attempt);
  JobId other_job(JobId job);
  void fail_beside(const proto::Outcome& outcome, std::vector<proto::Message>& said);

  World& world_;
  Truth& truth_;
  const WorkerPlan& plan_;
  const unsigned worker_;
  std::vector<Seen> seen_;
};

}  // namespace imgrec::simulation
