#include "training/core/schedule.h"

#include <cmath>
#include <numbers>

namespace imgrec::training {

double Schedule::rate(std::uint64_t step) const {
  if (step < warm_up) {
    constexpr double kFirst = 0.2;
    return peak *
           (kFirst + (1 - kFirst) * static_cast<double>(step) / static_cast<double>(warm_up));
  }
  const double done = static_cast<double>(step - warm_up) /
                      static_cast<double>(steps > warm_up ? steps - warm_up : 1);
  return peak * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
}

}  // namespace imgrec::training
