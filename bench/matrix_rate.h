// How fast this core multiplies matrices: what bounds every convolution on it.
//
// Thread rule: one thread at a time.
// Owns: nothing.
#pragma once

#include <string>

namespace imgrec::bench {

// OpenBLAS' own name for the kernels that it chose ("SkylakeX"); empty: another BLAS.
std::string blas_kernels();

// Multiplications and additions a second, of one multiplication of square single-precision matrices
// by the BLAS that LibTorch uses, on one thread. 0: there is no BLAS.
class MatrixRate {
 public:
  double measure();
};

}  // namespace imgrec::bench
