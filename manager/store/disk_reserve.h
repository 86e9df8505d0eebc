// Room set aside on the data directory's disk. On a full disk the database's log cannot grow, so
// that not even a deletion could be stored: then this room is given up for what frees more of it,
// deletions and results, and uploads wait until it can be taken again.
//
// Thread rule: confined to one thread.
// Owns: the file DIR/reserve.
#pragma once

#include <cstddef>
#include <filesystem>
#include <utility>

namespace imgrec::manager {

class DiskReserve {
 public:
  static constexpr std::size_t kBytes = 1u << 20;

  explicit DiskReserve(std::filesystem::path file) : file_(std::move(file)) {}

  // Takes the room where the disk has twice as much; else leaves things as they are.
  void take();
  // Gives it to others; false: there is none to give.
  bool give_up();
  bool given_up() const { return given_up_; }  // and not taken again

 private:
  std::filesystem::path file_;
  bool taken_ = false;
  bool given_up_ = false;
};

}  // namespace imgrec::manager
