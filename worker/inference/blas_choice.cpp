#include "worker/inference/blas_choice.h"

#include <array>
#include <cerrno>
#include <cstdlib>

#include <dlfcn.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernels/processor.h"

namespace imgrec::worker {
namespace {

constexpr const char* kGuard = "IMGREC_ENVIRONMENT_PREPARED";

struct Default {
  const char* name;
  const char* value;
};

constexpr std::array kDefaults{
    // One thread per stream; more would fight over the cores that other streams use.
    Default{"OPENBLAS_NUM_THREADS", "1"},
    // Each arena keeps what it once held; decoding and inference threads need no more than two.
    Default{"MALLOC_ARENA_MAX", "2"},
    // Each inference takes and frees some ten megabytes. malloc would give them back to the system
    // each time, and fetch them again page by page: GoogLeNet had 3,100 page faults an image, 7 ms
    // of 70. What is larger than 8 MiB (pictures that cannot be decoded smaller) goes back at once.
    Default{"MALLOC_TRIM_THRESHOLD_", "67108864"},
    Default{"MALLOC_MMAP_THRESHOLD_", "8388608"},
    // malloc asks for huge pages: an inference goes once through 65 MB of weights, which are 16,000
    // small pages and more than any processor remembers the places of. 2 % of GoogLeNet's time.
    Default{"GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"},
    // ideep and oneDNN keep compiled kernels; bounded, so that a change of model leaves little.
    // GoogLeNet needs between 64 and 128 of oneDNN's (with 16 each image compiles its kernels
    // again: 13 images/s instead of 17), and none of ideep's.
    Default{"LRU_CACHE_CAPACITY", "16"},
    Default{"ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256"},
    // OpenCV's own cap, behind that of ImageDecoder: 2^28 pixels are 805 MB decoded.
    Default{"OPENCV_IO_MAX_IMAGE_PIXELS", "268435456"},
};

// How wide the vectors of a core type's kernels are; names of OpenBLAS 0.3.21.
enum class Width { kSse, kAvx2, kAvx512 };

Width width_of(std::string_view core) {
  for (std::string_view name : {"SkylakeX", "Cooperlake", "SapphireRapids"}) {
    if (core == name) return Width::kAvx512;
  }
  for (std::string_view name : {"Haswell", "Zen"}) {
    if (core == name) return Width::kAvx2;
  }
  return Width::kSse;  // also Sandybridge, Bulldozer and other AVX cores without AVX2
}

std::string detected_blas_core() {
  using CoreName = char* (*)();
  // Found wherever it was linked; not there with another BLAS.
  const auto core_name = reinterpret_cast<CoreName>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  return core_name == nullptr ? std::string() : std::string(core_name());
}

}  // namespace

CpuFeatures detect_cpu_features() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  CpuFeatures cpu;
  cpu.avx2_fma = kernels::this_processor() == kernels::Processor::kAvx2;
  cpu.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512cd");
  return cpu;
#else
  return {};
#endif
}

std::string better_blas_core(std::string_view detected, CpuFeatures cpu) {
  if (detected.empty()) return {};
  const Width width = width_of(detected);
  // SkylakeX, not Cooperlake: its single-precision kernels are the same, and 0.3.21 answers
  // OPENBLAS_CORETYPE=Cooperlake with "Core not found" and falls back to its own detection.
  if (cpu.avx512 && width < Width::kAvx512) return "SkylakeX";
  if (cpu.avx2_fma && width < Width::kAvx2) return "Haswell";
  return {};
}

std::vector<EnvironmentVariable> missing_environment() {
  std::vector<EnvironmentVariable> missing;
  for (const Default& entry : kDefaults) {
    if (std::getenv(entry.name) == nullptr) missing.push_back({entry.name, entry.value});
  }
  if (std::getenv("OPENBLAS_CORETYPE") == nullptr) {
    std::string core = better_blas_core(detected_blas_core(), detect_cpu_features());
    if (!core.empty()) missing.push_back({"OPENBLAS_CORETYPE", std::move(core)});
  }
  return missing;
}

void prepare_process_environment(char** argv) {
  if (std::getenv(kGuard) != nullptr) {
    unsetenv(kGuard);
    // Else ps and pgrep would know every such program as "exe", the last part of what was executed.
    prctl(PR_SET_NAME, program_invocation_short_name);
    return;
  }
  const std::vector<EnvironmentVariable> missing = missing_environment();
  if (missing.empty()) return;
  for (const EnvironmentVariable& variable : missing) {
    setenv(variable.name.c_str(), variable.value.c_str(), 0);
  }
  setenv(kGuard, "1", 1);
  execv("/proc/self/exe", argv);
  unsetenv(kGuard);  // no /proc, perhaps: go on as we are
}

}  // namespace imgrec::worker
