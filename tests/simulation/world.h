// What everybody in one schedule shares: time, chance, the story, what went wrong.
//
// Thread rule: not shared; each schedule has its own.
// Owns: its parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "tests/simulation/event_loop.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/random.h"
#include "tests/simulation/story.h"

namespace imgrec::simulation {

// Which rule of the manager's side is broken on purpose, to see that the checks notice.
enum class Mutant {
  kNone,
  kNoResend,         // a job is assigned once, and never again
  kDuplicates,       // a result that comes late or twice settles its job again
  kForgetAtRestart,  // a new manager is not told what was open
  kNoSettleRetry,    // a settlement that could not be stored is thrown away
  kEarlyAnswer,      // the 202 goes out before the commit
};

class World {
 public:
  World(std::uint64_t seed, std::size_t story_lines) : random(seed), story(story_lines) {}

  TimePoint now() const { return loop.now(); }
  void happened(Fault fault) { faults.set(static_cast<std::size_t>(fault)); }

  template <class Words>
  void tell(std::initializer_list<std::uint64_t> facts, Words&& words) {
    story.tell(loop.now(), facts, std::forward<Words>(words));
  }

  // The first one counts: what follows it may be its consequence.
  void violate(std::string what) {
    tell({0xBAD}, [&] { return "VIOLATION: " + what; });
    if (violation.empty()) violation = std::move(what);
  }

  EventLoop loop;
  Random random;
  Story story;
  FaultSet faults;
  std::string violation;
  bool fault_phase = true;
};

}  // namespace imgrec::simulation
