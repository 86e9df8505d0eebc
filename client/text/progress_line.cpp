#include "client/text/progress_line.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "client/text/display.h"

namespace imgrec::client {
namespace {

constexpr std::size_t kBar = 20;

std::string rate(double per_second) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), per_second < 9.95 ? "%.1f" : "%.0f", per_second);
  return text.data();
}

std::string bar(std::uint64_t done, std::uint64_t all) {
  const std::size_t filled = all == 0 ? 0 : static_cast<std::size_t>(kBar * done / all);
  return "[" + std::string(filled, '#') + std::string(kBar - filled, '-') + "]";
}

std::string_view trouble(Connection connection) {
  switch (connection) {
    case Connection::kConnecting:
      return ", connecting";
    case Connection::kLost:
      return ", connection lost, trying again";
    case Connection::kBusy:
      return ", the server is busy, waiting";
    case Connection::kOnline:
      break;
  }
  return "";
}

}  // namespace

std::string progress_line(const Progress& progress, std::uint64_t bytes,
                          std::chrono::milliseconds elapsed, std::size_t width) {
  const std::uint64_t done = progress.recognised + progress.failed;
  const double seconds = std::max(0.001, static_cast<double>(elapsed.count()) / 1000);
  std::string line = bar(done, progress.files) + " " + std::to_string(done) + "/" +
                     count_of(progress.files, "photo") + ", " +
                     byte_size(std::min(progress.bytes_sent, bytes)) + " of " + byte_size(bytes);
  if (progress.failed > 0) line += ", " + std::to_string(progress.failed) + " not recognised";
  line += trouble(progress.connection);
  if (progress.connection == Connection::kOnline && done > 0) {
    const double photos_per_s = static_cast<double>(done) / seconds;
    line +=
        ", " + rate(photos_per_s) + " photos/s, " +
        byte_size(static_cast<std::uint64_t>(static_cast<double>(progress.bytes_sent) / seconds)) +
        "/s";
    if (done < progress.files) {
      const double left = static_cast<double>(progress.files - done) / photos_per_s;
      line += ", " + duration(std::max(1.0, std::min(left, 1e9)) * 1000) + " left";
    }
  }
  if (display_width(line) <= width) return line;
  std::string cut = fit(line, std::max<std::size_t>(width, 1));
  cut.erase(cut.find_last_not_of(' ') + 1);
  return cut;
}

std::string summary_line(const Progress& progress, std::chrono::milliseconds elapsed) {
  const double seconds = std::max(0.001, static_cast<double>(elapsed.count()) / 1000);
  std::string line = count_of(progress.files, "photo") + ": " +
                     std::to_string(progress.recognised) + " recognised";
  const std::uint64_t not_done = progress.files - std::min(progress.files, progress.recognised);
  if (not_done > 0) line += ", " + std::to_string(not_done) + " not";
  return line + ", in " + duration(static_cast<double>(elapsed.count())) + " (" +
         rate(static_cast<double>(progress.recognised) / seconds) + " photos/s)";
}

}  // namespace imgrec::client
