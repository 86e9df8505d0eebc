#include "client/app/classify_command.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "client/app/client_config.h"
#include "client/app/photo_files.h"
#include "client/app/result_printer.h"

namespace imgrec::client {
namespace {

// More than any server takes in one request by default.
constexpr std::size_t kMaxStandardInput = 64 * 1024 * 1024;

int fail(const std::string& text, int code) {
  std::fprintf(stderr, "imgrec: %s\n", text.c_str());
  return code;
}

Result<std::string> read_standard_input() {
  std::string bytes;
  std::vector<char> piece(256 * 1024);
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return Status(StatusCode::kInvalidArgument,
                    std::string("it cannot be read: ") + std::strerror(errno));
    }
    bytes.append(piece.data(), static_cast<std::size_t>(got));
    if (bytes.size() > kMaxStandardInput) {
      return Status(StatusCode::kResourceExhausted, "more than 64 MiB came on standard input");
    }
  }
  if (bytes.empty())
    return Status(StatusCode::kFailedPrecondition, "nothing came on standard input");
  return bytes;
}

// Opens each photo when its turn has come.
class Photos {
 public:
  explicit Photos(const std::vector<std::string>& paths) : files(find_photos(paths)) {
    for (PhotoFile& file : files) {
      if (file.path != kStandardInput) continue;
      auto bytes = read_standard_input();
      if (!bytes.ok()) {
        standard_input_status_ = bytes.status();
      } else {
        file.bytes = bytes->size();
        standard_input_ = text_body(*std::move(bytes));
      }
    }
  }

  Result<Upload> open(FileId id) const {
    const PhotoFile& file = files[id.value];
    if (!file.problem.empty()) return Status(StatusCode::kInvalidArgument, file.problem);
    if (file.path == kStandardInput) {
      if (!standard_input_) return standard_input_status_;
      return Upload{"stdin", standard_input_};
    }
    auto body = open_file_body(file.path);
    if (!body.ok()) return body.status();
    return Upload{std::filesystem::path(file.path).filename().string(), *std::move(body)};
  }

  std::vector<PhotoFile> files;

 private:
  std::shared_ptr<UploadBody> standard_input_;
  Status standard_input_status_;  // why there is none
};

int classify(const ClientConfig& config, const std::vector<std::string>& paths) {
  std::signal(SIGPIPE, SIG_IGN);  // an output that is closed is an error of its own
  auto access = server_access(config);
  if (!access.ok()) return fail(access.status().message(), kExitWrongUsage);
  const Photos photos(paths);

  RunnerOptions options;
  options.access = *std::move(access);
  options.classify.files = photos.files.size();
  options.classify.parallel = config.parallel;
  options.classify.top = config.classes();
  options.classify.own_session = config.session.empty();
  options.classify.remove_after = config.remove;
  options.classify.timeout = config.timeout;
  options.open = [&photos](FileId file) { return photos.open(file); };
  ResultPrinter printer(config, photos.files);
  options.wants_progress = printer.wants_progress();
  const std::string session = options.access.session;

  ClientRunner runner(std::move(options), printer);
  if (!printer.begin()) return fail("standard output takes nothing", kExitFailed);
  const RunResult result = runner.run();
  const bool printed = printer.end(result, session);
  const int code = printed ? exit_code(result.end.ending, result.progress) : kExitFailed;
  if (result.must_exit_hard) std::_Exit(code);
  return code;
}

}  // namespace

int run_classify(int argc, const char* const* argv) {
  ClientConfig config;
  OptionSet options = client_options(config);
  std::vector<std::string> paths;
  const auto command = options.parse(argc, argv, &paths);
  if (!command.ok()) return fail(command.status().message(), kExitWrongUsage);
  switch (*command) {
    case Command::kHelp:
      std::fputs(options.help().c_str(), stdout);
      return kExitGood;
    case Command::kVersion:
      std::puts(version_line("imgrec").c_str());
      return kExitGood;
    case Command::kCheckConfig:
      std::puts("imgrec: the configuration is good");
      return kExitGood;
    case Command::kRun:
      break;
  }
  if (paths.empty()) {
    return fail("name a photo or a directory; imgrec classify --help says more", kExitWrongUsage);
  }
  if (std::count(paths.begin(), paths.end(), kStandardInput) > 1) {
    return fail("standard input (-) can be read once only", kExitWrongUsage);
  }
  return classify(config, paths);
}

}  // namespace imgrec::client
