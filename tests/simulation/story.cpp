#include "tests/simulation/story.h"

#include <cstdio>

namespace imgrec::simulation {

void Story::add(TimePoint now, std::string words) {
  const auto us =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  char time[32];
  std::snprintf(time, sizeof time, "%10.6f  ", static_cast<double>(us) / 1e6);
  lines_.push_back(time + std::move(words));
  if (lines_.size() <= kept_lines_) return;
  lines_.pop_front();
  ++forgotten_;
}

}  // namespace imgrec::simulation
