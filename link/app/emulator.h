// All links of one process, on one thread: waits until a packet comes or is due, takes in, gives
// out.
//
// Thread rule: one thread. Owns: links, control socket, epoll.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/unique_fd.h"
#include "link/app/control_socket.h"
#include "link/app/link.h"
#include "link/app/link_config.h"
#include "link/core/command.h"
#include "proto/status.h"

namespace imgrec::link {

class Emulator {
 public:
  // Makes the devices. REQUIRES: block_termination_signals() was called.
  static Result<std::unique_ptr<Emulator>> open(const LinkOptions& options,
                                                const std::vector<LinkConfig>& links);

  // Until SIGTERM or SIGINT (OK), or until every link is broken. Writes the statistics at the end.
  Status run();

 private:
  explicit Emulator(const LinkOptions& options) : options_(options) {}
  Status listen_for_signals();
  bool watch(int fd, std::uint64_t tag);
  void handle(std::uint64_t tag);
  void take_in_all();
  void sleep_until_tick() const;
  Status wait(std::optional<TimePoint> until);
  std::optional<TimePoint> next_wake() const;
  void drop_broken_links();

  std::string answer(std::string_view line);
  Status apply(const Command& command);
  void reset();
  nlohmann::ordered_json statistics();
  Status write_statistics();

  LinkOptions options_;
  UniqueFd poll_;
  UniqueFd signals_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<bool> reported_;  // that it is broken
  std::unique_ptr<ControlSocket> control_;
  Duration tick_{0};
  bool more_ = false;  // packets wait that were left for the next round
  bool realtime_ = false;
  bool stop_ = false;
  TimePoint began_{};  // statistics: start, or the last reset
  double cpu_began_ = 0;
  std::optional<TimePoint> next_statistics_;
};

}  // namespace imgrec::link
