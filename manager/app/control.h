// The manager's control: carries out what the scheduler decides, with the storage on one side and
// the workers on the other. The life of every open image passes through here.
//
// Thread rule: runs on the io_context's one thread. Methods marked "any thread" post to it.
// Owns: the scheduler, the worker server, what is open. Borrows the io_context and the storage,
// which outlive it; observers outlive it too.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "manager/app/cluster_view.h"
#include "manager/core/image_record.h"
#include "manager/core/rate_meter.h"
#include "manager/core/scheduler.h"
#include "manager/net/worker_server.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

struct ControlOptions {
  WorkerServerOptions workers;
  SchedulerOptions scheduler;
};

class Control : private WorkerServer::Observer {
 public:
  // What happens to images, on the control thread.
  class ImageObserver {
   public:
    virtual ~ImageObserver() = default;
    virtual void on_state(const ImageRecord& image) = 0;    // queued again, or assigned: a hint
    virtual void on_settled(const ImageRecord& image) = 0;  // durable, once per image
    virtual void on_deleted(const ImageRecord& image) = 0;
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
  void read_cluster(std::function<void(ClusterView)> done);

  // ---- control thread ----
  ClusterView view() const;
  bool is_open(JobId job) const { return open_.contains(job); }
  std::optional<ModelIdentity> model() const { return workers_.registry().model(); }

  // Assigns nothing more, waits up to `grace` for what is in flight, says BYE to the workers, and
  // calls back. What is still open stays durable and runs again at the next start.
  void shut_down(std::chrono::milliseconds grace, std::function<void()> done);

 private:
  void on_worker_joined(const RegisteredWorker& worker, const proto::Hello& hello) override;
  void on_worker_draining(WorkerId worker) override;
  void on_worker_left(WorkerId worker) override;
  void on_outcome(WorkerId worker, const proto::Outcome& outcome) override;
  void on_fail(WorkerId worker, const proto::Fail& fail) override;

  void schedule(const Event& event, const proto::Outcome* outcome = nullptr);
  void perform(const AssignJob& action);
  void perform(const CancelAttempt& action);
  void perform(const SettleDone& action, const proto::Outcome* outcome);
  void perform(const SettleFailed& action);
  void perform(const DropReport& action);
  void send_assignment(const AssignJob& action, const Result<proto::SharedBytes>& bytes);
  void settle(Settlement settlement);
  void on_settle_stored(const Settlement& settlement, const Result<ImageRecord>& stored);
  void arm_timer();
  void notify_state(JobId job);
  void maybe_finish_shutdown();

  boost::asio::io_context& io_;
  Storage& storage_;
  Scheduler scheduler_;
  WorkerServer workers_;
  boost::asio::steady_timer timer_;
  std::optional<TimePoint> armed_;
  std::unordered_map<JobId, ImageRecord> open_;  // accepted, and not known to be settled
  std::vector<ImageObserver*> observers_;
  RateMeter rate_;
  std::uint64_t settling_ = 0;  // settlements that the storage has not confirmed
  boost::asio::steady_timer shutdown_timer_;
  std::function<void()> shutdown_done_;
};

}  // namespace imgrec::manager
