#include "link/app/emulator.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "link/app/statistics.h"

namespace imgrec::link {
namespace {

// Tags of what epoll reports; smaller ones are devices, link * 2 + end.
constexpr std::uint64_t kSignalTag = 1 << 20;
constexpr std::uint64_t kControlTag = kSignalTag + 1;

// Above everything without a real-time class, and low among those that have one.
constexpr int kPriority = 10;

TimePoint clock_now() { return std::chrono::steady_clock::now(); }

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Without it a busy machine delivers late what has to come on time.
bool become_realtime() {
  sched_param parameter{};
  parameter.sched_priority = kPriority;
  if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter) == 0) return true;
  spdlog::warn("link_realtime_refused error=\"{}\" effect=\"later where the machine is busy\"",
               std::strerror(errno));
  return false;
}

}  // namespace

Result<std::unique_ptr<Emulator>> Emulator::open(const LinkOptions& options,
                                                 const std::vector<LinkConfig>& links) {
  std::unique_ptr<Emulator> emulator(new Emulator(options));
  if (Status status = set_time(emulator->tick_, options.tick); !status.ok()) return status;
  emulator->poll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  for (const LinkConfig& config : links) {
    auto link = Link::open(config, options.max_packets);
    if (!link.ok()) {
      return Status(link.status().code(), "link " + config.name + ": " + link.status().message());
    }
    const std::uint64_t tag = emulator->links_.size() * 2;
    if (!emulator->watch((*link)->device(0).fd(), tag) ||
        !emulator->watch((*link)->device(1).fd(), tag + 1)) {
      return Status(StatusCode::kUnavailable, "link " + config.name + ": epoll refuses its device");
    }
    emulator->links_.push_back(*std::move(link));
    emulator->reported_.push_back(false);
  }
  if (!options.control.empty()) {
    auto control = ControlSocket::open(
        options.control,
        [self = emulator.get()](std::string_view line) { return self->answer(line); });
    if (!control.ok()) return control.status();
    emulator->control_ = *std::move(control);
    emulator->watch(emulator->control_->fd(), kControlTag);
  }
  if (Status status = emulator->listen_for_signals(); !status.ok()) return status;
  return emulator;
}

Status Emulator::listen_for_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_ || !watch(signals_.get(), kSignalTag)) {
    return {StatusCode::kUnavailable,
            std::string("signals cannot be had: ") + std::strerror(errno)};
  }
  return {};
}

bool Emulator::watch(int fd, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  return ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

Status Emulator::run() {
  // A timeout may come so much later, for the kernel to save wakes; with SCHED_FIFO it never does.
  ::prctl(PR_SET_TIMERSLACK, 1);
  realtime_ = options_.realtime && become_realtime();
  reset();
  spdlog::info("link_ready links={} realtime={} control={}", links_.size(), realtime_,
               options_.control.empty() ? "-" : options_.control);
  while (!stop_) {
    for (const auto& link : links_) more_ |= link->give_out();
    if (!more_) sleep_until_tick();
    const auto until = more_ ? clock_now() : next_wake();
    more_ = false;
    if (Status status = wait(until); !status.ok()) return status;
    drop_broken_links();
    if (next_statistics_ && clock_now() >= *next_statistics_) {
      *next_statistics_ += options_.stats_interval;
      const Status status = write_statistics();  // no reason to end an experiment
      if (!status.ok()) spdlog::warn("link_statistics_lost error=\"{}\"", status.message());
    }
    if (std::all_of(links_.begin(), links_.end(), [](const auto& l) { return l->broken(); })) {
      return {StatusCode::kUnavailable,
              "every link is broken: their devices or namespaces are gone"};
    }
  }
  return write_statistics();
}

std::optional<TimePoint> Emulator::next_wake() const {
  std::optional<TimePoint> wake = next_statistics_;
  for (const auto& link : links_) {
    const auto next = link->next_wake();
    if (next && (!wake || *next < *wake)) wake = next;
  }
  return wake;
}

Status Emulator::wait(std::optional<TimePoint> until) {
  std::array<epoll_event, 64> events;
  timespec timeout{};
  if (until) {
    const auto left = std::max<std::int64_t>((*until - clock_now()).count(), 0);
    timeout = {left / 1'000'000'000, left % 1'000'000'000};
  }
  const int count = ::epoll_pwait2(poll_.get(), events.data(), static_cast<int>(events.size()),
                                   until ? &timeout : nullptr, nullptr);
  for (int i = 0; i < count; ++i) handle(events[static_cast<std::size_t>(i)].data.u64);
  if (count >= 0 || errno == EINTR) return {};
  return {StatusCode::kInternal, std::string("epoll_pwait2: ") + std::strerror(errno) +
                                     "; this wants Linux 5.11 or newer"};
}

void Emulator::handle(std::uint64_t tag) {
  if (tag == kControlTag) return control_->work();
  if (tag == kSignalTag) {
    stop_ = true;
    return;
  }
  more_ |= links_[tag / 2]->take_in(tag % 2);
}

// What was sent before a command came waits in the devices, and the command may be seen first.
void Emulator::take_in_all() {
  for (const auto& link : links_) link->take_in_waiting();
}

// Packets that come and fall due within a tick are then handled together, for the price of one
// wake.
void Emulator::sleep_until_tick() const {
  if (tick_ == Duration(0)) return;
  const Duration now = clock_now().time_since_epoch();
  const auto next = (now / tick_ + 1) * tick_.count();
  const timespec until{next / 1'000'000'000, next % 1'000'000'000};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

void Emulator::drop_broken_links() {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (!links_[i]->broken() || reported_[i]) continue;
    reported_[i] = true;
    spdlog::error("link_broken name={} reason=\"a device or its namespace was deleted\"",
                  links_[i]->config().name);
    for (const std::size_t end : {0, 1}) {
      ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, links_[i]->device(end).fd(), nullptr);
    }
  }
}

std::string Emulator::answer(std::string_view line) {
  const auto error = [](const Status& status) {
    return nlohmann::json{{"error", status.message()}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  const auto command = parse_command(line);
  if (!command.ok()) return error(command.status());
  take_in_all();
  if (command->kind == Command::Kind::kStatistics) return statistics().dump();
  if (command->kind == Command::Kind::kReset) {
    reset();
  } else if (const Status status = apply(*command); !status.ok()) {
    return error(status);
  }
  return R"({"ok":true})";
}

// All or nothing: what fits one link and not another changes neither.
Status Emulator::apply(const Command& command) {
  struct Change {
    Direction* direction;
    DirectionSettings settings;
  };
  std::vector<Change> changes;
  for (const auto& link : links_) {
    if (command.link != "all" && command.link != link->config().name) continue;
    for (const std::size_t end : {0, 1}) {
      if (!(end == 0 ? command.a_to_b : command.b_to_a)) continue;
      Direction& direction = link->from(end);
      DirectionSettings settings = direction.settings();
      if (Status status = set_settings(settings, command.settings); !status.ok()) return status;
      if (Status status = check(settings); !status.ok()) return status;
      changes.push_back({&direction, settings});
    }
  }
  if (changes.empty()) return {StatusCode::kNotFound, "there is no link of that name"};
  for (const Change& change : changes) change.direction->change(change.settings, clock_now());
  spdlog::info("link_changed link={} a_to_b={} b_to_a={} settings=\"{}\"", command.link,
               command.a_to_b, command.b_to_a, command.settings);
  return {};
}

void Emulator::reset() {
  for (const auto& link : links_) link->reset_counters();
  began_ = clock_now();
  cpu_began_ = cpu_seconds();
  if (options_.stats_interval.count() > 0) next_statistics_ = began_ + options_.stats_interval;
}

nlohmann::ordered_json Emulator::statistics() {
  nlohmann::ordered_json links = nlohmann::ordered_json::array();
  for (const auto& link : links_) {
    links.push_back({{"name", link->config().name},
                     {"seed", link->config().seed},
                     {"mtu", link->config().mtu},
                     {"broken", link->broken()},
                     {"a_to_b", direction_json(link->from(0), link->device(0).unread_packets())},
                     {"b_to_a", direction_json(link->from(1), link->device(1).unread_packets())}});
  }
  const double seconds = std::chrono::duration<double>(clock_now() - began_).count();
  return {{"seconds", seconds},
          {"cpu_seconds", cpu_seconds() - cpu_began_},
          {"realtime", realtime_},
          {"links", std::move(links)}};
}

// Under another name first: who reads the file never sees half of it.
Status Emulator::write_statistics() {
  if (options_.stats_file.empty()) return {};
  const std::string text = statistics().dump(2) + "\n";
  if (options_.stats_file == "-") {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    return {};
  }
  const std::string fresh = options_.stats_file + ".new";
  std::ofstream(fresh, std::ios::binary | std::ios::trunc) << text;
  std::error_code error;
  if (std::filesystem::file_size(fresh, error) != text.size() || error) {
    return {StatusCode::kUnavailable, "statistics cannot be written to " + fresh};
  }
  std::filesystem::rename(fresh, options_.stats_file, error);
  if (!error) return {};
  return {StatusCode::kUnavailable,
          "statistics cannot be written to " + options_.stats_file + ": " + error.message()};
}

}  // namespace imgrec::link
