// Files written by hand: LibTorch's own writing ends the program where the disk is full.
//
// Thread rule: one thread at a time for each file. Owns: nothing.
#pragma once

#include <filesystem>
#include <string>

#include "proto/status.h"

namespace imgrec::training {

// kInternal: it cannot be written, and why. What was written stays.
Status write_file(const std::string& bytes, const std::filesystem::path& file);

// The same, but `file` is as it was before or holds all of `bytes`, whatever happens, a power cut
// included: written beside it as FILE.new, which is removed where it cannot be, and renamed.
Status replace_file(const std::string& bytes, const std::filesystem::path& file);

}  // namespace imgrec::training
