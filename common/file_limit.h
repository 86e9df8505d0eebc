// How many files and sockets this process may have open.
//
// Thread rule: once, at start. Owns: nothing.
#pragma once

#include <cstdint>

namespace imgrec {

// Raises the soft limit to the hard one, as a server may that uses no select(); gives what it is
// then. Logs a warning where that is less than `wanted`.
std::uint64_t raise_file_limit(std::uint64_t wanted);

}  // namespace imgrec
