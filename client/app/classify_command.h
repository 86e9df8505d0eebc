// `imgrec classify`: from the command line to the exit code.
//
// Thread rule: main thread.
// Owns: nothing.
#pragma once

namespace imgrec::client {

inline constexpr int kExitGood = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitWrongUsage = 2;

// argv[0] is the command's name. Returns the exit code, as --help lists them.
int run_classify(int argc, const char* const* argv);

}  // namespace imgrec::client
