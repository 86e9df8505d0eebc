#include "tests/simulation/truth.h"

namespace imgrec::simulation {

std::string worker_name(unsigned worker) { return "w" + std::to_string(worker); }

unsigned worker_named(const std::string& name, std::size_t workers) {
  for (unsigned worker = 0; worker < workers; ++worker) {
    if (name == worker_name(worker)) return worker;
  }
  return static_cast<unsigned>(workers);
}

}  // namespace imgrec::simulation
