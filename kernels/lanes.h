// Eight floats at a time, and code that is compiled for the processor that runs it.
//
// Thread rule: none. Owns: nothing.
// Inner header of this directory: vectors of the compiler's own (gcc and clang have them).
#pragma once

#include <cstddef>
#include <cstring>

// All of a kernel has to be compiled for the processor for which its outermost function is.
#define IMGREC_INLINE __attribute__((always_inline))

// The attribute of a function for Processor::kAvx2.
#if defined(__x86_64__)
#define IMGREC_FOR_AVX2 [[gnu::target("avx2,fma")]]
#else
#define IMGREC_FOR_AVX2
#endif

namespace imgrec::kernels {

// What makes Lanes of one value. (In a function of its own it would be taken apart before that is
// inlined into one for the processor.)
#define IMGREC_ALL(value) value, value, value, value, value, value, value, value

inline constexpr std::size_t kLanes = 8;
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

// From and to any place.
IMGREC_INLINE inline void load(const float* from, Lanes& lanes) {
  std::memcpy(&lanes, from, sizeof lanes);
}
IMGREC_INLINE inline void store(const Lanes& lanes, float* to) {
  std::memcpy(to, &lanes, sizeof lanes);
}

}  // namespace imgrec::kernels
