// Whose photo is next where several managers share one worker: the manager that has had the least
// computing time. Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", 1996)
// with equal weights: work is charged the mean when it begins, and what it really took when it
// ends.
//
// A manager that had nothing for a while has saved nothing up: it begins where the others are. So
// its photo waits for what is computed and decoded already and for one photo of each other manager
// at most, however many they have sent.
//
// Thread rule: not shared; confined to its WorkerCore.
// Owns: an account for each manager that it was told of, until forget().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace imgrec::worker {

class FairTurns {
 public:
  using Duration = std::chrono::microseconds;

  // This manager has work again, having had none.
  void wakes(const std::string& manager);

  // Whose turn it is among those that have work waiting; of equals, who had none for longest.
  // REQUIRES: `waiting` is not empty, and each of it woke.
  std::string choose(const std::set<std::string>& waiting) const;

  // A piece of its work begins. Returns what it is charged, for ends().
  Duration begins(const std::string& manager);
  // It ended, or was given up, having taken so long.
  void ends(const std::string& manager, Duration charged, Duration took);
  // It was computed to the end: the mean learns from it.
  void learn(Duration took);

  // It has no link and no work any more.
  void forget(const std::string& manager) { accounts_.erase(manager); }
  std::size_t accounts() const { return accounts_.size(); }

 private:
  struct Account {
    Duration spent{};
    std::uint64_t last_turn = 0;
  };

  std::map<std::string, Account> accounts_;
  Duration clock_{};  // where the manager whose turn came last was then
  Duration mean_{1};
  std::uint64_t turns_ = 0;
};

}  // namespace imgrec::worker
