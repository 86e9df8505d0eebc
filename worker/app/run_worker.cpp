#include "worker/app/run_worker.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <unistd.h>

#include "common/logging.h"
#include "worker/net/worker_runner.h"

namespace imgrec::worker {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

int fail(const std::string& program, const std::string& text, int code) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), text.c_str());
  return code;
}

// A SIGHUP while the first model is loaded waits for the runner instead of ending the process: the
// model may have been replaced after it was read.
void block_until_running(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// Until the runner takes this signal over nothing has begun, so that leaving at once is leaving
// in good order. A handler says so itself, because the first process of a container gets no signal
// that it does not handle: it would wait for the model, and then not know that it should leave.
void leave_at_once(int signal) {
  std::signal(signal, [](int) { ::_exit(0); });
}

int work(const std::string& program, const WorkerConfig& config,
         const EngineReopener& open_engine) {
  // SIGTERM and SIGINT are the runner's, by way of Asio; a closed log pipe must not kill us.
  std::signal(SIGPIPE, SIG_IGN);
  block_until_running(SIGHUP);
  if (const Status s = init_logging(program, config.log_level); !s.ok()) {
    return fail(program, s.message(), kWrongUsage);
  }
  auto options = runner_options(config);
  if (!options.ok()) return fail(program, options.status().message(), kWrongUsage);
  auto engine = open_engine("");
  if (!engine.ok()) return fail(program, engine.status().message(), kWrongUsage);
  WorkerRunner runner(*std::move(options), *std::move(engine), open_engine);
  const WorkerExit exit = runner.run();
  if (exit.code != 0) fail(program, exit.reason, exit.code);
  // A thread inside a hung engine or resolver would keep the process from ending.
  if (exit.abandoned_work) std::_Exit(exit.code);
  return exit.code;
}

}  // namespace

int run_worker(const std::string& program, OptionSet& options, const WorkerConfig& config, int argc,
               char** argv, const EngineReopener& open_engine) {
  leave_at_once(SIGTERM);
  leave_at_once(SIGINT);
  try {
    const auto command = options.parse(argc, argv);
    if (!command.ok()) return fail(program, command.status().message(), kWrongUsage);
    switch (*command) {
      case Command::kHelp:
        std::fputs(options.help().c_str(), stdout);
        return 0;
      case Command::kVersion:
        std::puts(version_line(program).c_str());
        return 0;
      case Command::kCheckConfig:
        std::printf("%s: the configuration is good\n", program.c_str());
        return 0;
      case Command::kRun:
        break;
    }
    return work(program, config, open_engine);
  } catch (const std::exception& error) {
    return fail(program, std::string("stopped by an unexpected error: ") + error.what(), kFailed);
  }
}

}  // namespace imgrec::worker
