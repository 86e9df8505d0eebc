// One model at work: its engine, the threads that compute, the core that decides, and a link to
// each manager that its owner knows of. A worker has one; while it changes its model it has two,
// each with links of its own, so that what came over a connection is answered by the model which
// that connection's HELLO named.
//
// Life: warm_up() -> add_link() of each manager -> retire() of each link, or drain() -> the core
// leaves, the links stop -> stop_computing(), from a thread that may wait -> destroyed.
//
// Thread rule: the io_context's one thread, but for stop_computing().
// Owns: the engine's last but one reference, the pool, the core, the links. Borrows the io_context
// and the owner, which outlive it. The owner must not destroy it from inside a call of its own.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "proto/messages.h"
#include "proto/status.h"
#include "worker/core/engine.h"
#include "worker/core/worker_core.h"
#include "worker/net/compute_pool.h"
#include "worker/net/manager_link.h"
#include "worker/net/worker_runner_options.h"
#include "worker/net/worker_status.h"

namespace imgrec::worker {

class ModelService final : private ManagerLink::Listener {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_registered(ModelService& service, LinkId link,
                               const std::string& manager_id) = 0;
    virtual void on_lost(ModelService& service, LinkId link) = 0;
    virtual void on_refused(ModelService& service, LinkId link, const proto::Refuse& refuse) = 0;
    // Its core has left: all is answered, or given up.
    virtual void on_left(ModelService& service, int code, const std::string& reason) = 0;
    virtual void on_link_stopped(ModelService& service) = 0;
  };

  // `options` and `owner` outlive it. `instance_id`: what its links say in HELLO.
  ModelService(boost::asio::io_context& io, const WorkerRunnerOptions& options,
               std::string instance_id, std::shared_ptr<Engine> engine, Owner& owner);
  ~ModelService() override;

  // Starts the compute threads. `ready` is called once, when all are warm or one cannot be.
  void warm_up(std::function<void(Status)> ready);

  // Begins to connect to this manager. Its number is the same in every service.
  // REQUIRES: the number was never used here.
  void add_link(LinkId link, const ManagerAddress& to, bool parked);
  // The manager is not there any more, and there is no connection to it.
  void remove_link(LinkId link);
  // Does nothing where there is no such link (any more).
  void park_link(LinkId link);
  void wake_link(LinkId link);
  bool registered(LinkId link) const;

  // Another service serves this manager from now on: DRAIN, what has not begun goes back, the rest
  // is answered, BYE. A link that is not registered just stops. When it was the last one, the core
  // leaves within `deadline`.
  void retire(LinkId link, std::chrono::milliseconds deadline, const std::string& reason);
  // The same for those that are not registered.
  void retire_unregistered(std::chrono::milliseconds deadline, const std::string& reason);

  // The worker leaves: the same for all.
  void drain(std::chrono::milliseconds deadline, const std::string& reason);
  // At once: a BYE where there is a connection.
  void stop_links();

  // Ends the compute threads, waiting for what they have in hand, and lets the engine go. Any
  // thread; the last call before the destructor.
  void stop_computing();

  const ModelDescription& model() const { return model_; }
  unsigned batch() const { return batch_; }  // the largest
  const WorkerCounters& counters() const { return core_.counters(); }
  std::uint64_t reconnects() const { return reconnects_; }
  // Its load and its links; a manager that another service has a link to as well is one entry.
  void add_to(WorkerStatus& status) const;
  bool serving() const { return core_.state() == WorkerState::kServing; }
  bool left() const { return core_.state() == WorkerState::kLeft; }
  bool links_stopped() const;
  bool refused_by_all() const;  // for good; false where there is no manager
  // A thread is inside the engine, and cannot be interrupted.
  bool has_thread_at_work() const { return !pool_.idle(); }

 private:
  void apply(Event event);
  void carry_out(Action action);
  void send(SendOutcome action);
  void send(SendFail action);
  void send(SendDrain action);
  void send(SendBye action);
  void arm_core_timer();
  void forget(LinkId link);

  void on_registered(LinkId link, const proto::Welcome& welcome) override;
  void on_message(LinkId link, proto::Message message) override;
  void on_lost(LinkId link) override;
  void on_refused(LinkId link, const proto::Refuse& refuse) override;
  void on_stopped(LinkId link) override;

  boost::asio::io_context& io_;
  const WorkerRunnerOptions& options_;
  const std::string instance_id_;
  Owner& owner_;
  std::shared_ptr<Engine> engine_;
  const ModelDescription model_;
  const unsigned batch_;
  boost::asio::steady_timer core_timer_;
  WorkerCore core_;
  std::map<LinkId, std::shared_ptr<ManagerLink>> links_;
  std::set<LinkId> retired_;  // not to come back
  std::set<LinkId> removed_;  // to be forgotten once they have stopped
  std::set<LinkId> refused_for_good_;
  std::set<LinkId> registered_once_;
  std::uint64_t reconnects_ = 0;
  ComputePool pool_;  // last: its threads end first
};

}  // namespace imgrec::worker
