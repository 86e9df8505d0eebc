// What each storage.sync policy costs: uploads/s and the time from an upload's last byte to the
// moment its 202 may go out, for one client and for many at once.
//
// Usage: storage_bench [--dir DIR] [--seconds N] [--clients N] [--kilobytes N] [--rounds N]
// Prints a table; the data it writes below DIR is removed at the end. The policies take turns in
// each round, so that what else the machine does falls on all of them.
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
  int seconds = 5;
  int clients = 64;
  int rounds = 3;
  std::size_t bytes = 100'000;
};

struct Figures {
  std::vector<double> milliseconds;
  double seconds = 0;
};

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
  for (auto& each : running) {
    const auto times = each.get();
    figures.milliseconds.insert(figures.milliseconds.end(), times.begin(), times.end());
  }
  figures.seconds += std::chrono::duration<double>(Clock::now() - start).count();
  storage->reset();
  fs::remove_all(dir);
}

double percentile(const std::vector<double>& sorted, double p) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(p * static_cast<double>(sorted.size() - 1) + 0.5);
  return sorted[index];
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
      auto& times = figures[i].milliseconds;
      std::sort(times.begin(), times.end());
      std::printf("| %s | %d | %.0f | %.2f | %.2f |\n",
                  std::string(to_string(kPolicies[i])).c_str(), clients,
                  static_cast<double>(times.size()) / figures[i].seconds, percentile(times, 0.5),
                  percentile(times, 0.99));
    }
  }
  return 0;
}
