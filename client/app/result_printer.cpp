#include "client/app/result_printer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

#include "client/text/display.h"
#include "client/text/progress_line.h"

namespace imgrec::client {
namespace {

constexpr std::size_t kUsualWidth = 80;

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

std::size_t terminal_width(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsualWidth;
  return size.ws_col;
}

bool wants_colours() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') &&
         (term == nullptr || std::string_view(term) != "dumb");
}

OutputOptions output_options(const ClientConfig& config, const std::vector<PhotoFile>& files) {
  OutputOptions options;
  options.kind = config.output();
  options.top = config.classes();
  if (is_terminal(STDOUT_FILENO)) {
    options.width = terminal_width(STDOUT_FILENO);
    options.colours = wants_colours();
  }
  for (const PhotoFile& file : files) {
    options.longest_path = std::max(options.longest_path, display_width(harmless(file.path)));
  }
  return options;
}

}  // namespace

ResultPrinter::ResultPrinter(const ClientConfig& config, const std::vector<PhotoFile>& files)
    : files_(files),
      quiet_(config.quiet),
      progress_(!config.quiet && is_terminal(STDERR_FILENO)),
      complains_(config.output() != OutputKind::kTable || !is_terminal(STDOUT_FILENO)),
      format_(make_result_format(output_options(config, files))) {
  for (const PhotoFile& file : files) bytes_ += file.bytes;
}

bool ResultPrinter::begin() { return print(format_->header()); }

bool ResultPrinter::on_outcome(const TellOutcome& outcome) {
  const std::string& path = files_[outcome.file.value].path;
  if (outcome.kind != OutcomeKind::kRecognised && complains_) {
    complain(harmless(path) + ": " + std::string(to_string(outcome.kind)) + " (" +
             harmless(outcome.code) + "): " + harmless(outcome.detail));
  }
  return print(format_->row(path, outcome));
}

void ResultPrinter::on_not_deleted(const TellNotDeleted& image) {
  complain("image " + image.id.text + " could not be deleted: " + harmless(image.detail));
}

void ResultPrinter::on_progress(const Progress& progress) {
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - started_);
  // The last column stays free: some terminals go on to the next line when it is written.
  const std::size_t width = terminal_width(STDERR_FILENO) - 1;
  std::fprintf(stderr, "\r%s\x1b[K", progress_line(progress, bytes_, elapsed, width).c_str());
  shown_ = true;
}

bool ResultPrinter::end(const RunResult& result, const std::string& session) {
  const bool good = print(format_->footer());
  erase_progress();
  const std::string words = last_words(result, session);
  if (!words.empty()) complain(words);
  if (!good) complain("the results could not be written to standard output");
  if (!quiet_) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - started_);
    std::fprintf(stderr, "%s\n", summary_line(result.progress, elapsed).c_str());
  }
  return good;
}

std::string ResultPrinter::last_words(const RunResult& result, const std::string& session) const {
  std::string words;
  switch (result.end.ending) {
    case Ending::kComplete:
      return {};
    case Ending::kUnreachable:
      words = "the server cannot be reached: " + harmless(result.end.reason) +
              "; check --server, and that it runs";
      break;
    case Ending::kRefused:
    case Ending::kNoOutput:
      words = "stopped: " + harmless(result.end.reason);
      break;
    case Ending::kTimedOut:
      words = "given up (--timeout): " + harmless(result.end.reason);
      break;
    case Ending::kInterrupted:
      words = harmless(result.end.reason);
      break;
  }
  if (result.progress.open > 0) {
    words += "; " + count_of(result.progress.open, "photo") +
             " without a result left at the server, in session " + session;
  }
  return words;
}

bool ResultPrinter::print(const std::string& text) {
  if (text.empty()) return true;
  if (shown_) erase_progress();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

void ResultPrinter::complain(const std::string& text) {
  erase_progress();
  std::fprintf(stderr, "imgrec: %s\n", text.c_str());
}

void ResultPrinter::erase_progress() {
  if (std::exchange(shown_, false)) std::fputs("\r\x1b[K", stderr);
}

}  // namespace imgrec::client
