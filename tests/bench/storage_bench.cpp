// What each storage.sync policy costs: uploads/s and the time from an upload's last byte to the
// moment its 202 may go out, for one client and for many at once.
//
// Usage: storage_bench [--dir DIR] [--seconds N] [--clients N] [--kilobytes N] [--rounds N]
// Prints a table; the data it writes below DIR is removed at the end. The policies take turns in
// each round, so that what else the machine does falls on all of them; a figure is the median of
// the rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <unistd.h>

#include "manager/store/storage.h"

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Settings {
  fs::path directory = fs::temp_directory_path();
  int seconds = 2;
  int clients = 64;
  int rounds = 9;
  std::size_t bytes = 100'000;
};

struct Figures {  // one entry a round
  std::vector<double> uploads_per_s;
  std::vector<double> p50_ms;
  std::vector<double> p99_ms;
};

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1) + 0.5)];
}

// One client: uploads one image after the other until `end`.
std::vector<double> upload_until(Storage& storage, const proto::SharedBytes& bytes,
                                 Clock::time_point end) {
  std::vector<double> times;
  while (Clock::now() < end) {
    const auto start = Clock::now();
    std::promise<bool> stored;
    std::vector<NewImage> images(1);
    images[0] = {SessionId{"bench"}, "photo.jpg", "image/jpeg", 640, 480, bytes, start};
    storage.add_images(std::move(images), [&stored](Result<std::vector<ImageRecord>> added) {
      stored.set_value(added.ok());
    });
    if (!stored.get_future().get()) {
      std::fputs("an upload could not be stored: is the disk full?\n", stderr);
      std::exit(1);
    }
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  return times;
}

void measure(const Settings& settings, SyncPolicy policy, int clients, Figures& figures) {
  const fs::path dir = settings.directory /
                       ("imgrec-bench-" + std::to_string(Clock::now().time_since_epoch().count()));
  StorageOptions options;
  options.data_dir = dir;
  options.cache_bytes = 0;
  options.sync = policy;
  auto storage = Storage::open(options);
  if (!storage.ok()) {
    std::fprintf(stderr, "%s\n", storage.status().message().c_str());
    std::exit(1);
  }
  ::sync();  // what the last measurement left to be written is not this one's
  const auto bytes = std::make_shared<const std::string>(settings.bytes, 'p');
  const auto start = Clock::now();
  const auto end = start + std::chrono::seconds(settings.seconds);
  std::vector<std::future<std::vector<double>>> running;
  for (int i = 0; i < clients; ++i) {
    running.push_back(
        std::async(std::launch::async, [&] { return upload_until(**storage, bytes, end); }));
  }
  std::vector<double> milliseconds;
  for (auto& each : running) {
    const auto times = each.get();
    milliseconds.insert(milliseconds.end(), times.begin(), times.end());
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  figures.uploads_per_s.push_back(static_cast<double>(milliseconds.size()) / seconds);
  figures.p50_ms.push_back(percentile(milliseconds, 0.5));
  figures.p99_ms.push_back(percentile(milliseconds, 0.99));
  storage->reset();
  fs::remove_all(dir);
}

Settings read_arguments(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    const int number = value == nullptr ? 0 : std::atoi(value);
    if (name == "--dir" && value != nullptr) {
      settings.directory = value;
    } else if (name == "--seconds" && number > 0) {
      settings.seconds = number;
    } else if (name == "--clients" && number > 0) {
      settings.clients = number;
    } else if (name == "--rounds" && number > 0) {
      settings.rounds = number;
    } else if (name == "--kilobytes" && number > 0) {
      settings.bytes = static_cast<std::size_t>(number) * 1000;
    } else {
      std::fputs(
          "usage: storage_bench [--dir DIR] [--seconds N] [--clients N] [--kilobytes N] "
          "[--rounds N]\n",
          stderr);
      std::exit(2);
    }
  }
  return settings;
}

}  // namespace
}  // namespace imgrec::manager

int main(int argc, char** argv) {
  using namespace imgrec::manager;
  const Settings settings = read_arguments(argc, argv);
  std::printf("| storage.sync | clients | uploads/s | p50 ms | p99 ms |\n|---|---|---|---|---|\n");
  constexpr SyncPolicy kPolicies[] = {SyncPolicy::kAlways, SyncPolicy::kInterval,
                                      SyncPolicy::kNone};
  for (const int clients : {1, settings.clients}) {
    Figures figures[std::size(kPolicies)];
    for (int round = 0; round < settings.rounds; ++round) {
      for (std::size_t i = 0; i < std::size(kPolicies); ++i) {
        measure(settings, kPolicies[i], clients, figures[i]);
      }
    }
    for (std::size_t i = 0; i < std::size(kPolicies); ++i) {
      std::printf("| %s | %d | %.0f | %.2f | %.2f |\n",
                  std::string(to_string(kPolicies[i])).c_str(), clients,
                  percentile(figures[i].uploads_per_s, 0.5), percentile(figures[i].p50_ms, 0.5),
                  percentile(figures[i].p99_ms, 0.5));
    }
    std::fflush(stdout);
  }
  return 0;
}
