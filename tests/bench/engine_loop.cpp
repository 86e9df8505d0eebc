// What a worker's engine does alone: one thread that decodes and recognises the same photos round
// and round, without manager, protocol or network. The yardstick of
// tests/integration/system_bench.py.
//
// Usage: engine_loop MODEL_DIR FILE...
// Says "ready" when it is warm, then for each line "N" on standard input recognises N photos, goes
// on with the next in turn, and says "images=N seconds=S cpu=S".
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "common/logging.h"
#include "worker/inference/blas_choice.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::worker {
namespace {

using Clock = std::chrono::steady_clock;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::vector<std::string> read_all(int argc, char** argv) {
  std::vector<std::string> files;
  for (int i = 2; i < argc; ++i) {
    std::ifstream stream(argv[i], std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return files;
}

// Why the picture was not recognised; empty: it was.
std::string recognise(Engine& engine, const std::string& file) {
  constexpr unsigned kTop = 5;
  auto prepared = engine.prepare(file);
  if (const auto* failed = std::get_if<EngineFailure>(&prepared)) return failed->text;
  const auto answer = engine.infer(*std::get<0>(prepared), kTop);
  if (const auto* failed = std::get_if<EngineFailure>(&answer)) return failed->text;
  return {};
}

int fail(const std::string& why) {
  std::cerr << "engine_loop: " << why << "\n";
  return 1;
}

int run(int argc, char** argv) {
  if (argc < 3) return std::cerr << "Usage: engine_loop MODEL_DIR FILE...\n", 2;
  const std::vector<std::string> files = read_all(argc, argv);
  auto engine = TorchEngine::open({.model_dir = argv[1]});
  if (!engine) return fail(engine.status().message());
  if (Status warm = (*engine)->warm_up_this_thread(); !warm.ok()) return fail(warm.message());
  std::cout << "ready" << std::endl;
  std::size_t next = 0;
  for (long images = 0; std::cin >> images;) {
    const auto start = Clock::now();
    const double cpu = cpu_seconds();
    for (long i = 0; i < images; ++i) {
      if (const auto why = recognise(**engine, files[next++ % files.size()]); !why.empty()) {
        return fail(why);
      }
    }
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    std::printf("images=%ld seconds=%.4f cpu=%.4f\n", images, elapsed.count(), cpu_seconds() - cpu);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace imgrec::worker

int main(int argc, char** argv) {
  imgrec::worker::prepare_process_environment(argv);
  if (const imgrec::Status status = imgrec::init_logging("engine_loop", "warn"); !status.ok()) {
    return imgrec::worker::fail(status.message());
  }
  return imgrec::worker::run(argc, argv);
}
