// What happened in one schedule, in words, for a person who follows a failure; and a sum over all
// of it, which two runs of one seed must have in common.
//
// Words cost more than the whole simulation, so they are only made when somebody will read them:
// a failing seed is run again for its words.
//
// Thread rule: not shared. Owns: its lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <utility>

#include "tests/simulation/random.h"

namespace imgrec::simulation {

class Story {
 public:
  // `kept_lines`: the newest so many; 0: no words are made.
  explicit Story(std::size_t kept_lines) : kept_lines_(kept_lines) {}

  // `facts` are what the sum is made of. `words`: a function that makes the line.
  template <class Words>
  void tell(TimePoint now, std::initializer_list<std::uint64_t> facts, Words&& words) {
    mix(static_cast<std::uint64_t>(now.time_since_epoch().count()));
    for (const std::uint64_t fact : facts) mix(fact);
    if (kept_lines_ > 0) add(now, std::forward<Words>(words)());
  }

  std::uint64_t sum() const { return sum_; }
  const std::deque<std::string>& lines() const { return lines_; }
  std::size_t forgotten() const { return forgotten_; }  // lines that came before lines()

 private:
  void mix(std::uint64_t fact) {
    sum_ = (sum_ ^ fact) * 0x9E3779B97F4A7C15u;
    sum_ ^= sum_ >> 29;
  }
  void add(TimePoint now, std::string words);

  std::size_t kept_lines_;
  std::size_t forgotten_ = 0;
  std::uint64_t sum_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace imgrec::simulation
