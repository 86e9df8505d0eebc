// Thread rule: pure functions.
// Owns: nothing.
#pragma once

#include <algorithm>
#include <vector>

namespace imgrec::bench {

// 0 of none; the mean of the middle two of an even number.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// The median of a[i] / b[i]: both were measured one after the other, so that what slowed the
// machine down then slowed both.
inline double median_ratio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (b[i] > 0) ratios.push_back(a[i] / b[i]);
  }
  return median(std::move(ratios));
}

}  // namespace imgrec::bench
