// How many bytes of heap are in use, where the build can tell (the address sanitizer).
//
// Thread rule: any thread. Owns: nothing.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define IMGREC_COUNTS_ALLOCATED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IMGREC_COUNTS_ALLOCATED 1
#endif
#endif
#ifdef IMGREC_COUNTS_ALLOCATED
// As in <sanitizer/allocator_interface.h>, which clang has and gcc 12 does not; both have the
// function.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace imgrec::fuzz {

// 0 where the build cannot tell: every bound holds then.
inline std::size_t allocated_bytes() {
#ifdef IMGREC_COUNTS_ALLOCATED
  return __sanitizer_get_current_allocated_bytes();
#else
  return 0;
#endif
}

}  // namespace imgrec::fuzz
