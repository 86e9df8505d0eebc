// Environment variables that libraries read when they are loaded, before main() runs: OpenBLAS'
// kernel choice, OpenCV's pixel limit, the sizes of oneDNN's caches, malloc's arenas and pages. A
// program can set them in time only by starting itself again, which this does, once.
//
// Thread rule: first thing in main(), before any thread, file or signal is set up.
// Owns: nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace imgrec::worker {

struct EnvironmentVariable {
  std::string name;
  std::string value;
  friend bool operator==(const EnvironmentVariable&, const EnvironmentVariable&) = default;
};

struct CpuFeatures {
  bool avx2_fma = false;
  bool avx512 = false;  // F, DQ, BW, VL and CD: what OpenBLAS' SkylakeX kernels use
};

CpuFeatures detect_cpu_features();

// The OPENBLAS_CORETYPE that makes OpenBLAS use this CPU's vector width; empty where its own choice
// (`detected`, as openblas_get_corename() says it; empty: not OpenBLAS) already does. OpenBLAS
// 0.3.21 takes CPUs newer than itself for a Prescott of 2004, which costs four fifths of the speed.
std::string better_blas_core(std::string_view detected, CpuFeatures cpu);

// What prepare_process_environment would set: nothing that the user has set already.
std::vector<EnvironmentVariable> missing_environment();

// Call this first thing in main() of every program that links LibTorch or OpenCV:
//
//   int main(int argc, char** argv) {
//     imgrec::worker::prepare_process_environment(argv);
//     …
//
// Sets what missing_environment() lists and executes this program again with the same arguments:
// same process id, about 0.3 s. Returns at once where nothing is missing or it has done so before
// (the guard variable is removed again, so that child processes do not inherit it). Where executing
// fails, it returns and the program runs, more slowly.
void prepare_process_environment(char** argv);

}  // namespace imgrec::worker
