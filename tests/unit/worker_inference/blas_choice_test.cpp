#include "worker/inference/blas_choice.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

namespace imgrec::worker {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr CpuFeatures kOld{};
constexpr CpuFeatures kAvx2{.avx2_fma = true, .avx512 = false};
constexpr CpuFeatures kAvx512{.avx2_fma = true, .avx512 = true};

TEST(BetterBlasCore, WidensWhatOpenBlasTakesForAnOldCpu) {
  EXPECT_EQ(better_blas_core("Prescott", kAvx512), "SkylakeX");
  EXPECT_EQ(better_blas_core("Prescott", kAvx2), "Haswell");
  EXPECT_EQ(better_blas_core("Sandybridge", kAvx2), "Haswell");
  EXPECT_EQ(better_blas_core("Haswell", kAvx512), "SkylakeX");
  EXPECT_EQ(better_blas_core("Zen", kAvx512), "SkylakeX");
}

TEST(BetterBlasCore, LeavesAGoodChoiceAlone) {
  EXPECT_EQ(better_blas_core("Cooperlake", kAvx512), "");
  EXPECT_EQ(better_blas_core("SkylakeX", kAvx512), "");
  EXPECT_EQ(better_blas_core("SapphireRapids", kAvx512), "");
  EXPECT_EQ(better_blas_core("Zen", kAvx2), "");
  EXPECT_EQ(better_blas_core("Haswell", kAvx2), "");
  EXPECT_EQ(better_blas_core("Prescott", kOld), "");
}

TEST(BetterBlasCore, LeavesAnotherBlasAlone) { EXPECT_EQ(better_blas_core("", kAvx512), ""); }

// The lines that environment_probe prints, run by the shell with `assignments` in front.
std::vector<std::string> probe(const std::string& assignments, const std::string& arguments,
                               int& code) {
  const std::string command =
      "env -i " + assignments + " " + IMGREC_ENVIRONMENT_PROBE + " " + arguments + " 2>&1";
  std::vector<std::string> lines;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return lines;
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) {
    lines.emplace_back(buffer);
    if (lines.back().ends_with('\n')) lines.back().pop_back();
  }
  const int status = pclose(pipe);
  code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return lines;
}

TEST(PrepareProcessEnvironment, StartsAgainOnceWithWhatIsMissing) {
  int code = 0;
  const std::vector<std::string> lines =
      probe("OPENBLAS_NUM_THREADS=3", "one 'two words' ''", code);
  EXPECT_EQ(code, 7);
  ASSERT_GE(lines.size(), 2U);
  EXPECT_THAT(lines[0], StartsWith("start "));
  EXPECT_EQ(lines[1], lines[0]);  // the second start, in the same process
  EXPECT_EQ(std::count(lines.begin(), lines.end(), lines[0]), 2);
  EXPECT_THAT(lines, Contains("env OPENBLAS_NUM_THREADS=3"));  // the user's word
  EXPECT_THAT(lines, Contains("env MALLOC_ARENA_MAX=2"));
  EXPECT_THAT(lines, Contains("env MALLOC_TRIM_THRESHOLD_=67108864"));
  EXPECT_THAT(lines, Contains("env MALLOC_MMAP_THRESHOLD_=8388608"));
  EXPECT_THAT(lines, Contains("env GLIBC_TUNABLES=glibc.malloc.hugetlb=1"));
  EXPECT_THAT(lines, Contains("env LRU_CACHE_CAPACITY=16"));
  EXPECT_THAT(lines, Contains(StartsWith("env ONEDNN_PRIMITIVE_CACHE_CAPACITY=")));
  EXPECT_THAT(lines, Contains(StartsWith("env OPENCV_IO_MAX_IMAGE_PIXELS=")));
  EXPECT_THAT(lines, Not(Contains(HasSubstr("IMGREC_ENVIRONMENT_PREPARED"))));
  EXPECT_THAT(lines, Contains("arg one"));
  EXPECT_THAT(lines, Contains("arg two words"));
  EXPECT_EQ(lines.back(), "arg ");
}

TEST(PrepareProcessEnvironment, GoesOnAtOnceWhereNothingIsMissing) {
  int code = 0;
  const std::vector<std::string> lines = probe(
      "OPENBLAS_NUM_THREADS=1 MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=1000000 "
      "MALLOC_MMAP_THRESHOLD_=1000000 GLIBC_TUNABLES=glibc.malloc.hugetlb=0 LRU_CACHE_CAPACITY=1 "
      "ONEDNN_PRIMITIVE_CACHE_CAPACITY=1 OPENCV_IO_MAX_IMAGE_PIXELS=1 OPENBLAS_CORETYPE=Haswell",
      "", code);
  EXPECT_EQ(code, 7);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(std::count(lines.begin(), lines.end(), lines[0]), 1);
}

TEST(PrepareProcessEnvironment, NeverOverridesTheUsersKernels) {
  setenv("OPENBLAS_CORETYPE", "Prescott", 1);
  for (const EnvironmentVariable& variable : missing_environment()) {
    EXPECT_NE(variable.name, "OPENBLAS_CORETYPE") << "the user's choice was overridden";
  }
  unsetenv("OPENBLAS_CORETYPE");
}

}  // namespace
}  // namespace imgrec::worker
