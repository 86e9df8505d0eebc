#include "worker/core/fair_turns.h"

#include <algorithm>
#include <tuple>

namespace imgrec::worker {
namespace {

constexpr int kMeanWeight = 8;  // a new piece counts one in so many

}  // namespace

void FairTurns::wakes(const std::string& manager) {
  Account& account = accounts_[manager];
  account.spent = std::max(account.spent, clock_);
}

std::string FairTurns::choose(const std::set<std::string>& waiting) const {
  return *std::min_element(waiting.begin(), waiting.end(),
                           [this](const std::string& a, const std::string& b) {
                             const Account& x = accounts_.at(a);
                             const Account& y = accounts_.at(b);
                             return std::tie(x.spent, x.last_turn) < std::tie(y.spent, y.last_turn);
                           });
}

FairTurns::Duration FairTurns::begins(const std::string& manager) {
  Account& account = accounts_[manager];
  clock_ = std::max(clock_, account.spent);
  account.spent += mean_;
  account.last_turn = ++turns_;
  return mean_;
}

void FairTurns::ends(const std::string& manager, Duration charged, Duration took) {
  const auto account = accounts_.find(manager);
  if (account != accounts_.end()) account->second.spent += took - charged;
}

void FairTurns::learn(Duration took) {
  const Duration sane = std::max(took, Duration(1));
  mean_ = mean_ == Duration(1) ? sane : std::max(mean_ + (sane - mean_) / kMeanWeight, Duration(1));
}

}  // namespace imgrec::worker
