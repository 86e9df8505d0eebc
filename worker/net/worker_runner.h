// A whole worker, but for its configuration and its engine: threads, links to managers, and the
// core that decides, wired together.
//
// Thread rule: run() makes its caller the network thread; request_stop() from any thread.
// Owns: the io_context, the pool, the core and the links. Borrows the engine.
//
// Start: the compute threads start and warm up; only then are the managers connected to.
//
// Shutdown, on request_stop() or SIGTERM:
//   1. links that are not registered give up;
//   2. DRAIN goes to each manager, and what has not begun goes back to it (FAIL kDraining);
//   3. what has begun is finished and answered, for at most drain_timeout;
//   4. BYE to each manager, flushed, connections closed (at most close_timeout);
//   5. the threads end. A second signal skips to the end, with exit code 1.
// The other ways out: failing on purpose (code 1), an engine that cannot warm up (1), and every
// manager refusing this worker for good (3).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "worker/core/engine.h"
#include "worker/core/worker_core.h"
#include "worker/net/compute_pool.h"
#include "worker/net/manager_link.h"

namespace imgrec::worker {

struct WorkerRunnerOptions {
  std::vector<ManagerEndpoint> managers;
  std::string name;
  unsigned streams = 1;
  unsigned credit = 2;  // at least streams + 1 keeps the streams busy
  double fail_probability = 0;
  std::chrono::milliseconds drain_timeout{10'000};
  std::size_t cached_answers = 4096;
  ManagerLinkOptions link;
  bool handle_signals = false;     // SIGTERM and SIGINT; needs them unblocked
  std::function<double()> random;  // uniform in [0, 1); empty: a generator seeded by the system
};

struct WorkerExit {
  int code = 0;
  std::string reason;
  // A thread is still inside the engine or the resolver and would have to be waited for: the
  // process should end by _Exit.
  bool abandoned_work = false;
};

class WorkerRunner final : public ManagerLink::Listener {
 public:
  // REQUIRES: at least one manager; engine outlives the runner.
  WorkerRunner(WorkerRunnerOptions options, Engine& engine);
  ~WorkerRunner() override;

  // Runs until the worker has left. Call once.
  WorkerExit run();

  // Starts the shutdown; does nothing the second time.
  void request_stop(std::string reason);

 private:
  void connect_all();
  void apply(Event event);
  void carry_out(Action action);
  void stop(std::string reason);
  void leave(int code, std::string reason);
  void finish_if_stopped();
  void arm_core_timer();
  void await_signal();

  void on_registered(LinkId link, const proto::Welcome& welcome) override;
  void on_message(LinkId link, proto::Message message) override;
  void on_lost(LinkId link) override;
  void on_refused(LinkId link, const proto::Refuse& refuse) override;
  void on_stopped(LinkId link) override;

  WorkerRunnerOptions options_;
  Engine& engine_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_guard_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer core_timer_;
  WorkerCore core_;
  std::map<LinkId, std::shared_ptr<ManagerLink>> links_;
  std::set<LinkId> refused_for_good_;
  std::optional<WorkerExit> exit_;  // set: the worker leaves
  ComputePool pool_;                // last: its threads end first
};

}  // namespace imgrec::worker
