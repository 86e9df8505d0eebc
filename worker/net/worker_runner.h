// A whole worker, but for its configuration and its engine: signals, the model that is served, the
// change to another one, and the end.
//
// Thread rule: run() makes its caller the network thread; request_stop() and request_reload() from
// any thread.
// Owns: the io_context, the services (one for each model in use), and a thread while a model is
// loaded or an old one is unloaded.
//
// Start: the compute threads start and warm up; only then are the managers looked up and connected
// to. From then on the finder says which there are: those that appear get a link of the newest
// model, those that are gone lose theirs.
//
// Another model, on request_reload() or SIGHUP:
//   1. a thread of its own opens the engine again; where the folder still holds the model that
//      serves, that is all;
//   2. it warms up on threads of its own, while the old one goes on;
//   3. its service connects to every manager that is known, beside the links of the old one;
//   4. where it is registered, the old link drains: what has begun is answered by the old model,
//   the
//      rest goes back to the manager. Where it is refused the old one goes on, and the new one asks
//      again;
//   5. when it has no link left, the old model is unloaded.
// Whatever fails in 1 or 2 is logged, and the old model goes on. A request during 1 and 2 is
// remembered, once, and served after them, because the folder may have changed since it was read.
//
// Shutdown, on request_stop() or SIGTERM:
//   1. links that are not registered give up;
//   2. DRAIN goes to each manager, and what has not begun goes back to it (FAIL kDraining);
//   3. what has begun is finished and answered, for at most drain_timeout;
//   4. BYE to each manager, flushed, connections closed (at most close_timeout);
//   5. the threads end. A second signal skips to the end, with exit code 1.
// The other ways out: failing on purpose (code 1), an engine that cannot warm up at the start (1),
// an operations port that cannot be had (3), and every manager refusing this worker for good (3).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "net/ops_server.h"
#include "proto/status.h"
#include "worker/core/engine.h"
#include "worker/core/worker_core.h"
#include "worker/net/manager_finder.h"
#include "worker/net/model_service.h"
#include "worker/net/worker_runner_options.h"
#include "worker/net/worker_status.h"

namespace imgrec::worker {

struct WorkerExit {
  int code = 0;
  std::string reason;
  // A thread is still inside the engine, a model's loader or the resolver, and would have to be
  // waited for: the process should end by _Exit.
  bool abandoned_work = false;
};

// Opens the model as it is on disk now. `serving`: the digest of the one in use; where that is the
// one on disk still, the result is null. Runs on a thread of its own.
using EngineReopener = std::function<Result<std::unique_ptr<Engine>>(const std::string& serving)>;

class WorkerRunner final : private ModelService::Owner, private ManagerFinder::Listener {
 public:
  // REQUIRES: at least one manager. Without `reopen` there is nothing to reload.
  WorkerRunner(WorkerRunnerOptions options, std::shared_ptr<Engine> engine,
               EngineReopener reopen = {});
  ~WorkerRunner() override;

  // Runs until the worker has left. Call once.
  WorkerExit run();

  // Starts the shutdown; does nothing the second time.
  void request_stop(std::string reason);
  // Looks whether there is another model, and changes to it.
  void request_reload(std::string reason);

 private:
  // A service that has left, until its threads have ended and its engine is gone.
  struct Unloading {
    std::unique_ptr<ModelService> service;
    std::thread thread;
  };
  using Opened = Result<std::unique_ptr<Engine>>;

  std::unique_ptr<ModelService> make_service(std::shared_ptr<Engine> engine);
  Status open_ops_port();
  WorkerStatus status() const;
  void begin();
  void reload(const std::string& reason);
  void on_opened(Opened opened);
  void on_warm(const Status& status);
  void take_over();
  void end_reload();
  void unload(std::unique_ptr<ModelService> service);
  void unload_those_that_left();
  void stop(std::string reason);
  void leave(int code, std::string reason);
  void finish_if_stopped();
  void await_signal();
  std::vector<ModelService*> services() const;  // those that have links, oldest first
  WorkerExit exit_report();

  void open_link(LinkId link, const ManagerAddress& to) override;
  void close_link(LinkId link) override;
  void park_link(LinkId link) override;
  void wake_link(LinkId link) override;

  void on_registered(ModelService& service, LinkId link, const std::string& manager_id) override;
  void on_lost(ModelService& service, LinkId link) override;
  void on_refused(ModelService& service, LinkId link, const proto::Refuse& refuse) override;
  void on_left(ModelService& service, int code, const std::string& reason) override;
  void on_link_stopped(ModelService& service) override;

  const WorkerRunnerOptions options_;
  const EngineReopener reopen_;
  const std::string process_id_;  // of its HELLOs: tells a restarted worker from a reconnected one
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_guard_;
  boost::asio::signal_set signals_;
  ManagerFinder finder_;
  unsigned made_ = 0;  // services so far
  std::list<Unloading> unloading_;
  std::vector<std::unique_ptr<ModelService>> older_;  // being replaced; oldest first
  std::unique_ptr<ModelService> newest_;
  std::unique_ptr<ModelService> candidate_;  // warming up, to be the newest
  std::thread loader_;
  bool ready_ = false;         // the first one is warm
  bool reloading_ = false;     // steps 1 and 2
  bool reload_again_ = false;  // asked for meanwhile
  bool stopping_ = false;
  WorkerCounters past_;                // of services that are gone
  std::uint64_t past_reconnects_ = 0;  // the same
  std::optional<WorkerExit> exit_;     // set: the worker leaves
  std::optional<net::OpsServer> ops_;  // last: it asks all of the above
};

}  // namespace imgrec::worker
