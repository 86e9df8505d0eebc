// Prints its process id at start, its environment and its arguments, as prepare_process_environment
// leaves them.
#include <cstdio>

#include <unistd.h>

#include "worker/inference/blas_choice.h"

extern char** environ;

int main(int argc, char** argv) {
  std::printf("start %d\n", static_cast<int>(getpid()));
  std::fflush(stdout);
  imgrec::worker::prepare_process_environment(argv);
  for (char** entry = environ; *entry != nullptr; ++entry) std::printf("env %s\n", *entry);
  for (int i = 1; i < argc; ++i) std::printf("arg %s\n", argv[i]);
  return 7;
}
