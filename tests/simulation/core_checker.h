// Watches one ManagerCore through its life: each event that goes in, each action that comes out.
// What no event or action may do, whatever the faults, is a violation at once.
//
// Thread rule: not shared; one for each manager's life.
// Owns: its own books of attempts and workers, kept from events and actions alone.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "manager/core/manager_core.h"
#include "tests/simulation/truth.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

class CoreChecker {
 public:
  CoreChecker(World& world, Truth& truth, unsigned life)
      : world_(world), truth_(truth), life_(life) {}

  void before(const manager::CoreEvent& event);
  void after(const manager::CoreAction& action);
  // The core has handled an event with all its actions.
  void at_rest(const manager::ManagerCore& core);

  std::size_t attempts_out() const { return attempts_out_; }

 private:
  enum class Place { kOpen, kSettling, kSettled, kRemoved };
  struct Attempt {
    std::uint32_t number = 0;
    WorkerId worker;
    TimePoint assigned;
    bool out = true;
    bool disturbed = false;  // as far as known when it ended
  };
  struct Job {
    Place place = Place::kOpen;
    bool storing = false;  // the storage has its settlement in hand
    std::vector<Attempt> attempts;
  };
  struct Worker {
    unsigned number = 0;  // of the simulation's workers
    unsigned credit = 0;
    unsigned held = 0;
    bool welcome = false;
    bool draining = false;
  };

  void see(const manager::ImagesAccepted& event);
  void see(const manager::ImageRemoved& event);
  void see(const manager::WorkerIntroduced& event);
  void see(const manager::WorkerSaid& event);
  void see(const manager::WorkerDisconnected& event);
  void see(const manager::LinkMeasured&) {}
  void see(const manager::BytesUnreadable& event);
  void see(const manager::SettlementStored& event);
  void see(const manager::ShutdownRequested& event);
  void see(const manager::Tick&);

  void check(const manager::AssignJob& action);
  void check(const manager::CancelAttempt& action);
  void check(const manager::DropReport& action);
  void check(const manager::WelcomeWorker& action);
  void check(const manager::RefuseWorker& action);
  void check(const manager::DrainWorker&) {}
  void check(const manager::DismissWorker& action);
  void check(const manager::RememberModel&) {}
  void check(const manager::StoreSettlement& action);
  void check(const manager::AnnounceState&) {}
  void check(const manager::AnnounceSettled& action);
  void check(const manager::AnnounceRemoved&) {}
  void check(const manager::FinishShutdown& action);

  // As the world's, and which shard it is about.
  template <class Words>
  void tell(std::initializer_list<std::uint64_t> facts, const Words& words) {
    world_.tell(facts, [&] { return truth_.name + words(); });
  }
  void violate(const std::string& what) { world_.violate(truth_.name + what); }

  // Ends the attempt where it is out. True: it was.
  bool end(WorkerId worker, JobId job, std::uint32_t attempt);
  void end(Attempt& attempt);
  void end_all_of(WorkerId worker);
  bool disturbed(const Attempt& attempt) const;
  std::string who(WorkerId worker) const;

  World& world_;
  Truth& truth_;
  const unsigned life_;
  std::map<JobId, Job> jobs_;
  std::map<WorkerId, Worker> workers_;
  std::uint64_t assigned_ = 0;
  std::uint64_t dropped_ = 0;
  std::size_t attempts_out_ = 0;
  bool shutting_down_ = false;
  bool finished_ = false;
  TimePoint last_tick_{};
  unsigned ticks_at_once_ = 0;
};

}  // namespace imgrec::simulation
