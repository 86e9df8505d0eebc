#include <cstdio>
#include <exception>

#include <spdlog/spdlog.h>

#include "common/file_limit.h"
#include "common/logging.h"
#include "common/signals.h"
#include "manager/app/manager.h"
#include "manager/app/manager_config.h"

namespace {

constexpr int kFailed = 1;       // while running
constexpr int kWrongUsage = 2;   // flags or configuration
constexpr int kUnavailable = 3;  // a port or a directory cannot be had

int fail(const imgrec::Status& status, int code) {
  std::fprintf(stderr, "imgrec-manager: %s\n", status.message().c_str());
  return code;
}

int run(int argc, char** argv) {
  using namespace imgrec;
  block_termination_signals();
  manager::ManagerConfig config;
  OptionSet options = manager::manager_options(config);
  const auto command = options.parse(argc, argv);
  if (!command.ok()) return fail(command.status(), kWrongUsage);
  switch (*command) {
    case Command::kHelp:
      std::fputs(options.help().c_str(), stdout);
      return 0;
    case Command::kVersion:
      std::puts(version_line("imgrec-manager").c_str());
      return 0;
    case Command::kCheckConfig:
      std::puts("imgrec-manager: the configuration is good");
      return 0;
    case Command::kRun:
      break;
  }
  if (const Status s = init_logging("imgrec-manager", config.log_level); !s.ok()) {
    return fail(s, kWrongUsage);
  }
  raise_file_limit(config.max_connections + config.max_workers);
  const auto running = manager::Manager::start(config);
  if (!running.ok()) {
    const bool usage = running.status().code() == StatusCode::kInvalidArgument;
    return fail(running.status(), usage ? kWrongUsage : kUnavailable);
  }
  spdlog::info("manager_stopping signal={}", wait_for_termination());
  (*running)->stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "imgrec-manager: stopped by an unexpected error: %s\n", e.what());
    return kFailed;
  }
}
