// For which processors there is code of its own.
//
// Thread rule: none. Owns: nothing.
#pragma once

namespace imgrec::kernels {

enum class Processor {
  kAny,
  kAvx2,  // x86-64 with AVX2 and FMA
};

// The best that runs here.
inline Processor this_processor() {
#if defined(__x86_64__)
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2) return Processor::kAvx2;
#endif
  return Processor::kAny;
}

}  // namespace imgrec::kernels
