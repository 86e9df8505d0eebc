// A disk that fails when told to: this binary's own open, write, fsync and so on, which SQLite
// calls, too. Counts the operations below one directory, and fails or dies at the n-th. Syncs below
// it are counted and not carried out: what these tests kill is the process, not the machine.
//
// Thread rule: one FaultyDisk at a time; the operations may come from any thread.
// Owns: nothing but the fault that is set.
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>

namespace imgrec::manager {

class FaultyDisk {
 public:
  enum class Fault {
    kOnce,  // the n-th fails, the rest work
    kFrom,  // the n-th and all that follow fail: the disk is full, or gone
    kDie,   // kill -9 before the n-th, in the middle of it where it is a write
  };

  explicit FaultyDisk(const std::filesystem::path& directory);
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  // Counts from now on, from 0. `error_number` is what fails, but for kDie.
  void fail_at(std::size_t n, Fault fault, int error_number = 0);
  void heal() { fail_at(std::numeric_limits<std::size_t>::max(), Fault::kOnce); }
  // Only syncs are counted and fail.
  void fail_syncs_from(std::size_t n, int error_number);

  bool struck() const;  // did anything fail?
};

}  // namespace imgrec::manager
