// The manager's control: the shell around ManagerCore. It brings the core what happens (uploads,
// what workers say, answers of the storage, time) and carries out what the core decides.
//
// Thread rule: runs on the io_context's one thread. Methods marked "any thread" post to it.
// Owns: the core, the worker server. Borrows the io_context and the storage, which outlive it;
// observers outlive it too.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/logging.h"
#include "manager/app/cluster_view.h"
#include "manager/core/cluster_monitor.h"
#include "manager/core/image_record.h"
#include "manager/core/manager_core.h"
#include "manager/net/worker_server.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

// The model that is served, for calls that are about it.
struct ServedModel {
  std::optional<ModelIdentity> identity;  // nullopt: no worker is here
  bool ready = false;                     // a worker would begin with an image now
};

struct ControlOptions {
  WorkerServerOptions workers;
  ManagerCoreOptions core;
};

class Control : private WorkerServer::Listener {
 public:
  // What happens to images, on the control thread.
  class ImageObserver {
   public:
    virtual ~ImageObserver() = default;
    virtual void on_state(const ImageRecord& image) = 0;    // queued again, or assigned: a hint
    virtual void on_settled(const ImageRecord& image) = 0;  // durable, once per image
    virtual void on_deleted(const ImageRecord& image) = 0;
    virtual void on_second() {}  // view() has a new sample
  };

  Control(boost::asio::io_context& io, Storage& storage, ControlOptions options);

  void add_observer(ImageObserver& observer) { observers_.push_back(&observer); }

  // Schedules what the storage still has open, and listens for workers. Before the io_context runs.
  Status start();
  std::uint16_t worker_port() const { return workers_.port(); }

  // ---- any thread ----
  void add_images(std::vector<ImageRecord> images);  // durable ones
  void image_removed(ImageRecord image);
  // Calls back on the control thread with the images' live states filled in.
  void read_live(std::vector<ImageRecord> images,
                 std::function<void(std::vector<ImageRecord>)> done);
  // `history`: with the samples of so many seconds; none: without.
  void read_cluster(std::function<void(ClusterView)> done,
                    std::optional<std::chrono::seconds> history = std::nullopt);
  void read_model(std::function<void(ServedModel)> done);

  // ---- control thread ----
  ClusterView view() const;  // the links' figures are of the last second
  ClusterView fresh_view();  // counters of the links up to now, unless workers are very many
  bool is_open(JobId job) const { return core_.open_image(job) != nullptr; }
  std::optional<ModelIdentity> model() const { return core_.registry().model(); }

  // Assigns nothing more, waits up to `grace` for what is in flight, says BYE to the workers, and
  // calls back. What is still open stays durable and runs again at the next start.
  void shut_down(std::chrono::milliseconds grace, std::function<void()> done);

 private:
  void on_hello(WorkerId worker, const std::string& address, proto::Hello hello) override;
  void on_message(WorkerId worker, proto::Message message) override;
  void on_round_trip(WorkerId worker, std::chrono::microseconds rtt, bool guessed) override;
  void on_worker_left(WorkerId worker, const Status& why) override;

  // Applies the event, or queues it where one is being applied: carrying an action out may be the
  // cause of the next event, and each event's actions are to be carried out before that.
  void apply(CoreEvent event);
  void perform(const AssignJob& action);
  void perform(const CancelAttempt& action);
  void perform(const DropReport& action);
  void perform(const WelcomeWorker& action);
  void perform(const RefuseWorker& action);
  void perform(const DrainWorker& action);
  void perform(const DismissWorker& action);
  void perform(RememberModel& action);
  void perform(StoreSettlement& action);
  void perform(const AnnounceState& action);
  void perform(AnnounceSettled& action);
  void perform(const AnnounceRemoved& action);
  void perform(const FinishShutdown& action);
  void send_assignment(const AssignJob& action, const Result<proto::SharedBytes>& bytes);
  std::string name_of(WorkerId worker) const;  // for the log; "" where it is not registered
  void arm_timer();
  void sample_each_second();
  WorkerSnapshot snapshot(const RegisteredWorker& worker, TimePoint at) const;

  boost::asio::io_context& io_;
  Storage& storage_;
  ManagerCore core_;
  ClusterMonitor monitor_;
  JoinInfo join_;  // its port is known once workers_ listens
  WorkerServer workers_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer second_timer_;
  std::optional<TimePoint> armed_;
  std::deque<CoreEvent> waiting_;  // to be applied, in order
  bool applying_ = false;
  std::vector<ImageObserver*> observers_;
  LogLimiter refusals_;
  std::function<void()> shutdown_done_;
};

}  // namespace imgrec::manager
