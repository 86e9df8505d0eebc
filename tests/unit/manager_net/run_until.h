// Runs an io_context on the test's own thread until a condition holds.
//
// Thread rule: the test's thread. Owns nothing.
#pragma once

#include <chrono>

#include <boost/asio/io_context.hpp>

namespace imgrec::testing {

// False where the condition does not hold within a generous limit; nothing is asserted on time.
template <class Condition>
bool run_until(boost::asio::io_context& io, Condition condition,
               std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    io.restart();
    io.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace imgrec::testing
