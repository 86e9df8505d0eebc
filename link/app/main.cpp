#include <cstdio>
#include <exception>

#include "common/logging.h"
#include "common/options.h"
#include "common/signals.h"
#include "link/app/control_socket.h"
#include "link/app/emulator.h"
#include "link/app/link_config.h"

namespace {

using imgrec::Command;
using imgrec::Status;

constexpr int kGood = 0, kFailed = 1, kWrongUsage = 2, kNoResource = 3;

int fail(int code, const Status& status) {
  std::fprintf(stderr, "imgrec-link: %s\n", status.message().c_str());
  return code;
}

int send(const imgrec::link::LinkOptions& options) {
  const auto answer = imgrec::link::ask(options.control, options.send);
  if (!answer.ok()) return fail(kNoResource, answer.status());
  std::puts(answer->c_str());
  return answer->starts_with(R"({"error")") ? kFailed : kGood;
}

int run(int argc, char** argv) {
  imgrec::link::LinkOptions options;
  imgrec::OptionSet set = imgrec::link::link_option_set(options);
  const auto command = set.parse(argc, argv);
  if (!command.ok()) return fail(kWrongUsage, command.status());
  if (*command == Command::kHelp) return std::fputs(set.help().c_str(), stdout), kGood;
  if (*command == Command::kVersion) {
    return std::puts(imgrec::version_line("imgrec-link").c_str()), kGood;
  }
  if (!options.send.empty()) return send(options);
  const auto links = imgrec::link::links_of(options);
  if (!links.ok()) return fail(kWrongUsage, links.status());
  if (Status s = imgrec::init_logging("imgrec-link", options.log_level); !s.ok()) {
    return fail(kWrongUsage, s);
  }
  if (*command == Command::kCheckConfig) return kGood;
  imgrec::block_termination_signals();
  auto emulator = imgrec::link::Emulator::open(options, *links);
  if (!emulator.ok()) return fail(kNoResource, emulator.status());
  const Status status = (*emulator)->run();
  return status.ok() ? kGood : fail(kFailed, status);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imgrec-link: stopped by an unexpected error: %s\n", error.what());
    return kFailed;
  }
}
