// What this library's Torch side shares: modules from memory, and Torch's errors as text.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <exception>
#include <string>

#include "worker/inference/module_file.h"

namespace torch::jit {
struct Module;  // Torch's headers, which define LOG and CHECK, are for sources alone
}

namespace imgrec::worker {

// In evaluation mode, on the CPU. Throws what Torch throws.
torch::jit::Module load_module(const ModuleFile& file);

// Without the C++ backtrace, which is for Torch's developers; 500 bytes at most.
std::string message_of(const std::exception& error);

}  // namespace imgrec::worker
