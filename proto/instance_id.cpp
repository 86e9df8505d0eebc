#include "proto/instance_id.h"

#include <algorithm>

namespace imgrec::proto {
namespace {
constexpr std::string_view kMark = "--";
}

std::string instance_id(const std::string& process, unsigned change) {
  if (change == 0) return process;
  return process + std::string(kMark) + std::to_string(change);
}

std::string_view process_of(std::string_view instance_id) {
  const std::size_t mark = instance_id.rfind(kMark);
  if (mark == instance_id.npos || mark == 0) return instance_id;
  const std::string_view number = instance_id.substr(mark + kMark.size());
  const bool digits = !number.empty() && std::all_of(number.begin(), number.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
  return digits ? instance_id.substr(0, mark) : instance_id;
}

}  // namespace imgrec::proto
