// A queue that allocates only when it is longer than it ever was.
//
// Thread rule: not shared. Owns: its elements.
#pragma once

#include <cstddef>
#include <vector>

namespace imgrec::link {

template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  T& front() { return items_[head_]; }  // REQUIRES: !empty()

  void push(T item) {
    if (size_ == items_.size()) grow();
    items_[(head_ + size_++) % items_.size()] = item;
  }

  void pop() {  // REQUIRES: !empty()
    head_ = (head_ + 1) % items_.size();
    --size_;
  }

 private:
  void grow() {
    std::vector<T> larger(items_.empty() ? 64 : items_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = items_[(head_ + i) % items_.size()];
    items_.swap(larger);
    head_ = 0;
  }

  std::vector<T> items_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace imgrec::link
