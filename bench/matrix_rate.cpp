#include "bench/matrix_rate.h"

#include <chrono>
#include <cstddef>
#include <vector>

#include <dlfcn.h>

namespace imgrec::bench {
namespace {

// Large enough to be bound by arithmetic, small enough to stay in the cache.
constexpr int kSize = 1024;

// The Fortran interface, which every BLAS has.
using Sgemm = void (*)(const char*, const char*, const int*, const int*, const int*, const float*,
                       const float*, const int*, const float*, const int*, const float*, float*,
                       const int*);

template <class Function>
Function loaded(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace

std::string blas_kernels() {
  const auto name = loaded<const char* (*)()>("openblas_get_corename");
  return name != nullptr ? name() : "";
}

double MatrixRate::measure() {
  const auto sgemm = loaded<Sgemm>("sgemm_");
  if (sgemm == nullptr) return 0;
  const std::vector<float> a(std::size_t{kSize} * kSize, 0.5F);
  const std::vector<float> b(std::size_t{kSize} * kSize, 0.25F);
  std::vector<float> c(std::size_t{kSize} * kSize);
  const float one = 1;
  const float zero = 0;
  const auto multiply = [&] {
    sgemm("N", "N", &kSize, &kSize, &kSize, &one, a.data(), &kSize, b.data(), &kSize, &zero,
          c.data(), &kSize);
  };
  multiply();
  constexpr int kTimes = 5;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) multiply();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  return 2.0 * kTimes * kSize * kSize * kSize / spent.count();
}

}  // namespace imgrec::bench
