// What the manager does with images and workers, from "accepted" to "settled": who is let in, which
// worker gets which image, what becomes of each report, when a result goes to the storage, and how
// the manager leaves. Pure: events and time in, intentions out; no I/O, no clock, no thread.
//
// Thread rule: confined to one thread (the manager's control thread).
// Owns: the scheduler, the registry of workers, the records of open images. Knows neither image
// bytes nor sockets nor the database; the shell (app/control) has these, and so has the simulation.
//
// The rules:
// - An image is open from ImagesAccepted until the storage has confirmed its settlement, or its
//   client has deleted it. A settlement that could not be stored is tried again, for as long as it
//   takes: the image stays accepted, and its result is not thrown away.
// - A worker exists from WelcomeWorker until it disconnects or is dismissed. Whatever an unknown
//   worker says is ignored.
// - One process, one connection: a worker process that connects again replaces its old connection.
// - After ShutdownRequested nothing is assigned; what is in flight may finish within the grace.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "manager/core/image_record.h"
#include "manager/core/rate_meter.h"
#include "manager/core/scheduler.h"
#include "manager/core/settlement.h"
#include "manager/core/worker_registry.h"
#include "proto/ids.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::manager {

// ---- events: what happened --------------------------------------------------------------------
struct ImagesAccepted {  // durable: uploaded just now, or still open at the start
  std::vector<ImageRecord> images;
};
struct ImageRemoved {  // durable: its client deleted it
  ImageRecord image;
};
struct WorkerIntroduced {  // a connection said HELLO; `worker` is its number, never used before
  WorkerId worker;
  std::string address;
  proto::Hello hello;
};
struct WorkerSaid {  // RESULT, FAIL, DRAIN or BYE; anything else is ignored
  WorkerId worker;
  proto::Message message;
};
struct WorkerDisconnected {
  WorkerId worker;
};
struct LinkMeasured {
  WorkerId worker;
  std::chrono::microseconds rtt{};
  bool guessed = false;  // until the next one says better
};
struct BytesUnreadable {  // an AssignJob could not be carried out: the stored photo cannot be read
  WorkerId worker;
  JobId job;
  std::uint32_t attempt = 0;
  std::string text;
  bool for_good = true;  // gone or damaged; false: it may work another time
};
struct SettlementStored {  // the answer to StoreSettlement
  Settlement settlement;
  Result<ImageRecord> stored;
};
struct ShutdownRequested {
  std::chrono::milliseconds grace{};
};
using CoreEvent =
    std::variant<ImagesAccepted, ImageRemoved, WorkerIntroduced, WorkerSaid, WorkerDisconnected,
                 LinkMeasured, BytesUnreadable, SettlementStored, ShutdownRequested, Tick>;

// ---- actions: what is to be done, in this order (AssignJob, CancelAttempt, DropReport: see the
// scheduler) ------------------------------------------------------------------------------------
struct WelcomeWorker {
  WorkerId worker;
};
struct RefuseWorker {
  WorkerId worker;
  proto::Refuse refuse;
};
struct DrainWorker {
  WorkerId worker;
  proto::Drain drain;
};
struct DismissWorker {  // BYE, and close; WorkerDisconnected need not follow
  WorkerId worker;
  std::string reason;
};
struct RememberModel {  // before the first settlement that names it
  ModelInfo model;
};
struct StoreSettlement {  // SettlementStored is to follow, once
  Settlement settlement;
};
struct AnnounceState {  // queued again, or assigned: a hint for open pages
  JobId job;
};
struct AnnounceSettled {  // durable, once per image
  ImageRecord image;
};
struct AnnounceRemoved {
  ImageRecord image;
};
struct FinishShutdown {        // every worker has been dismissed; nothing follows
  std::size_t unfinished = 0;  // images in flight that were given up; they run at the next start
};
using CoreAction = std::variant<AssignJob, CancelAttempt, DropReport, WelcomeWorker, RefuseWorker,
                                DrainWorker, DismissWorker, RememberModel, StoreSettlement,
                                AnnounceState, AnnounceSettled, AnnounceRemoved, FinishShutdown>;

struct ManagerCoreOptions {
  SchedulerOptions scheduler;
  std::size_t max_workers = 4096;
  std::chrono::milliseconds settle_retry{1'000};  // after the storage could not take a settlement
};

class ManagerCore {
 public:
  ManagerCore(ManagerCoreOptions options, TimePoint now);

  // REQUIRES: `now` never goes back.
  [[nodiscard]] std::vector<CoreAction> on_event(CoreEvent event, TimePoint now);

  // When to send Tick next; nullopt when nothing is timed.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;

  // False: the attempt has ended meanwhile (its bytes came too late from the disk); do not send it.
  [[nodiscard]] bool wants(const AssignJob& assignment) const;

  // ---- for figures, and for the image's JSON ----
  // The record of an open image as it stands now; nullptr: settled, deleted or never known. Valid
  // until the next event.
  [[nodiscard]] const ImageRecord* open_image(JobId job) const;
  [[nodiscard]] const WorkerRegistry& registry() const { return registry_; }
  [[nodiscard]] const Scheduler& scheduler() const { return scheduler_; }
  [[nodiscard]] const RateMeter& rate() const { return rate_; }  // of results that won
  [[nodiscard]] std::size_t open_images() const { return open_.size(); }

 private:
  void handle(ImagesAccepted&& event);
  void handle(ImageRemoved&& event);
  void handle(WorkerIntroduced&& event);
  void handle(WorkerSaid&& event);
  void handle(WorkerDisconnected&& event);
  void handle(LinkMeasured&& event);
  void handle(BytesUnreadable&& event);
  void handle(SettlementStored&& event);
  void handle(ShutdownRequested&& event);
  void handle(Tick&& event);

  void on_outcome(WorkerId worker, const proto::Outcome& outcome);
  void on_fail(WorkerId worker, const proto::Fail& fail);
  // Lets the scheduler decide and takes its actions over. `outcome`: what AttemptSucceeded is
  // about.
  void schedule(const Event& event, const proto::Outcome* outcome = nullptr);
  void take(AssignJob&& action);
  void take(const SettleDone& action, const proto::Outcome* outcome);
  void take(SettleFailed&& action);
  void settle(Settlement settlement);
  void retry_settlements();
  void remove_worker(WorkerId worker);
  void maybe_finish_shutdown();
  std::size_t in_flight() const { return scheduler_.open_jobs() - scheduler_.queued_jobs(); }

  ManagerCoreOptions options_;
  Scheduler scheduler_;
  WorkerRegistry registry_;
  RateMeter rate_;
  std::unordered_map<JobId, ImageRecord> open_;  // accepted, and not known to be settled
  std::size_t storing_ = 0;                      // settlements that the storage has in hand
  std::multimap<TimePoint, Settlement> to_store_again_;
  std::optional<TimePoint> shutdown_deadline_;
  bool finished_ = false;  // FinishShutdown was given out

  TimePoint now_;                    // of the event in hand
  std::vector<CoreAction> actions_;  // of the event in hand
};

}  // namespace imgrec::manager
