// What a worker does with the jobs that its managers assign: order, credit, repeated jobs,
// cancelling, draining. Pure: events and time in, intentions out; it does no I/O, starts no
// thread and reads no clock.
//
// Thread rule: confined to one thread (the worker's network thread).
// Owns: the jobs that are held, and recent answers. Image bytes are shared with the frames they
// came in.
//
// The rules:
// - The managers take turns by computing time (FairTurns): a photo waits for what is in hand and
//   for its own manager's, not for the whole window of another. Each manager's run in the order of
//   arrival. Decoding runs ahead of inference, so that a batch is ready for each stream that gets
//   free. A stream takes the largest batch that is there by then, else the next picture alone.
// - Credit counts per link: attempts that wait for an answer. More are refused (kOverCredit). So is
//   what would take a manager over its equal share of max_held_bytes, but for its only one: all
//   images held are bounded by that figure and one image for each manager.
// - A job that is here already is not computed twice: from the cache where it was answered, else
//   the work in progress answers it, under the newest attempt only. (An attempt that comes during
//   the inference gets as many classes as that inference was asked for.)
// - "Begun" means that its inference has begun. Work not begun that nobody waits for any more
//   (cancelled, its link lost) is dropped; begun work goes on, and its answer goes to the cache.
// - An attempt that waits, decoded or not, at its deadline is given up (kDeadline), which also says
//   that it did no harm here. One that a thread has in hand is not: it is answered late, if ever.
// - Draining, the worker's own, a manager's or that of one link, hands back what has not begun
//   (kDraining), finishes the rest, then says BYE: to every manager, or on that link.
// - One core, one model: what it computes and remembers is never an answer of another model.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/ids.h"
#include "proto/messages.h"
#include "worker/core/batch_sizes.h"
#include "worker/core/engine.h"
#include "worker/core/fair_turns.h"
#include "worker/core/result_cache.h"
#include "worker/core/work_time.h"

namespace imgrec::worker {

using TimePoint = std::chrono::steady_clock::time_point;
using LinkId = NumericId<struct LinkTag>;  // a connection to a manager; numbered by the shell
using WorkId = NumericId<struct WorkTag>;  // one computation; numbered by the core

// ---- events: what happened --------------------------------------------------------------------
struct LinkUp {  // registered
  LinkId link;
  std::string manager_id;
};
struct LinkLost {
  LinkId link;
};
struct JobAssigned {
  LinkId link;
  proto::Assign assign;
};
struct AttemptCancelled {
  LinkId link;
  proto::Cancel cancel;
};
struct ManagerDraining {  // it sends nothing new, and leaves when what has begun is answered
  LinkId link;
};
struct LinkRetired {  // another link of this process serves this manager from now on
  LinkId link;
  std::chrono::milliseconds deadline{};
  std::string reason;
};
struct PrepareDone {
  WorkId work;
  EngineResult<std::shared_ptr<const PreparedImage>> result;
  std::chrono::microseconds decode{};
};
struct InferDone {  // of one StartInfer
  struct Picture {
    WorkId work;
    InferResult result;
  };
  std::vector<Picture> pictures;
  std::chrono::microseconds inference{};  // of all of them together
};
struct DrainRequested {  // the worker is to leave, within `deadline`
  std::chrono::milliseconds deadline{};
  std::string reason;
};
struct Tick {};  // time passed; send it when next_deadline() is reached
using Event = std::variant<LinkUp, LinkLost, JobAssigned, AttemptCancelled, ManagerDraining,
                           LinkRetired, PrepareDone, InferDone, DrainRequested, Tick>;

// ---- actions: what is to be done, in this order -----------------------------------------------
struct StartPrepare {
  WorkId work;
  proto::SharedBytes image;
};
struct StartInfer {  // these, together, on one stream
  struct Picture {
    WorkId work;
    std::shared_ptr<const PreparedImage> image;
  };
  std::vector<Picture> pictures;  // 1, or one of WorkerCoreOptions::batches
  unsigned top_k = 0;
};
struct SendOutcome {
  LinkId link;
  proto::Outcome outcome;
};
struct SendFail {
  LinkId link;
  proto::Fail fail;
};
struct SendDrain {
  LinkId link;
  proto::Drain drain;
};
struct SendBye {  // and close this link; LinkLost need not follow
  LinkId link;
  std::string reason;
};
struct Leave {  // end the process; nothing follows
  int exit_code = 0;
  std::string reason;
};
using Action =
    std::variant<StartPrepare, StartInfer, SendOutcome, SendFail, SendDrain, SendBye, Leave>;

struct WorkerCoreOptions {
  // Attempts held per manager; (streams + 1) x the largest batch keeps streams busy.
  unsigned credit = 2;
  unsigned streams = 1;   // inferences at the same time
  BatchSizes batches;     // pictures of one inference, where there are as many
  unsigned decoders = 1;  // decodes at the same time
  std::uint64_t max_held_bytes = 256ull << 20;  // of images as uploaded, all managers together
  std::size_t cached_answers = 4096;
  double fail_probability = 0;     // at each job: leave on purpose, for experiments
  std::function<double()> random;  // uniform in [0, 1); needed where fail_probability > 0
};

struct WorkerCounters {
  std::uint64_t assigned = 0;    // ASSIGN frames taken in
  std::uint64_t done = 0;        // answered with classes, cached ones included
  std::uint64_t failed = 0;      // answered with FAIL, for whatever reason
  std::uint64_t returned = 0;    // of these, those handed back unharmed: leaving, over credit
  std::uint64_t from_cache = 0;  // answered without computing
  std::uint64_t unwanted = 0;    // computed, but nobody waited any more
  std::uint64_t inferences = 0;  // fewer than photos where they were computed together
  WorkTime decode;
  WorkTime inference;

  WorkerCounters& operator+=(const WorkerCounters& more);
};

// Transitions: kServing -> kDraining -> kLeft, and kServing -> kLeft (failing on purpose).
enum class WorkerState { kServing, kDraining, kLeft };
bool transition_allowed(WorkerState from, WorkerState to);

inline constexpr std::string_view kFailOnPurposeReason = "failing on purpose (--fail-probability)";

class WorkerCore {
 public:
  explicit WorkerCore(WorkerCoreOptions options);

  // REQUIRES: `now` never goes back. Events about links or work that the core does not know (any
  // more) are ignored.
  [[nodiscard]] std::vector<Action> on_event(Event event, TimePoint now);

  // When to send Tick next; nullopt when nothing is timed.
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;

  [[nodiscard]] proto::Load load() const;             // for PING and PONG
  [[nodiscard]] std::size_t held(LinkId link) const;  // attempts that wait for an answer
  [[nodiscard]] WorkerState state() const { return state_; }
  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }

 private:
  struct Link {
    std::string manager_id;
    bool drain_sent = false;
    std::string
        goodbye{};  // not empty: it takes nothing new, and BYE says this once all is answered
    bool leaving() const { return !goodbye.empty(); }
  };
  // Who waits for a piece of work. More than one only where two links lead to the same manager.
  struct Waiter {
    LinkId link;
    std::uint32_t attempt = 0;
    unsigned top_k = 0;
    TimePoint received;
    std::optional<TimePoint> expires;
  };
  enum class Stage { kWaiting, kPreparing, kPrepared, kInferring };
  static bool in_hand(Stage stage) {  // of a thread
    return stage == Stage::kPreparing || stage == Stage::kInferring;
  }
  struct Work {
    JobKey key;
    proto::SharedBytes image;
    Stage stage = Stage::kWaiting;
    std::vector<Waiter> waiters;
    std::shared_ptr<const PreparedImage> prepared;
    unsigned top_k = 0;
    std::uint64_t turn = 0;  // in which order it was begun
    FairTurns::Duration charged{};
    std::chrono::microseconds decode{};
  };
  using WorkMap = std::map<WorkId, Work>;  // in the order of arrival

  void handle(LinkUp&& event, TimePoint now);
  void handle(LinkLost&& event, TimePoint now);
  void handle(JobAssigned&& event, TimePoint now);
  void handle(AttemptCancelled&& event, TimePoint now);
  void handle(ManagerDraining&& event, TimePoint now);
  void handle(LinkRetired&& event, TimePoint now);
  void handle(PrepareDone&& event, TimePoint now);
  void handle(InferDone&& event, TimePoint now);
  void handle(DrainRequested&& event, TimePoint now);
  void handle(Tick&& event, TimePoint now);

  bool fails_on_purpose();
  // Why this manager may have no more here; empty: it may.
  std::string over_credit(LinkId link, const JobKey& key, std::size_t bytes) const;
  void add_work(JobKey key, proto::SharedBytes image, Waiter waiter);
  void leave(int exit_code, std::string_view bye_reason, std::string reason);
  bool answer_from_cache(LinkId link, const JobKey& key, const proto::Assign& assign);
  // Where the job is here already: joins it. False: it is new.
  bool join(const JobKey& key, const JobAssigned& event, const Waiter& waiter);
  void fail(LinkId link, JobId job, std::uint32_t attempt, proto::FailCode code, bool retriable,
            std::string text);
  void finish(WorkMap::iterator work, Answer answer, std::chrono::microseconds inference,
              TimePoint now);
  template <class Predicate>
  void remove_waiters(Predicate remove);
  // FAIL kDraining for what has not begun and `whose` is true of.
  template <class Predicate>
  void hand_back(std::string_view why, Predicate whose);
  void expire(TimePoint now);
  void dispatch();
  void start_inferences();
  StartInfer next_batch();
  void start_decodes();
  WorkMap::iterator next_waiting();
  WorkMap::iterator erase(WorkMap::iterator work);
  void forget_idle(const std::string& manager);
  void say_goodbyes();
  WorkMap::iterator find(const JobKey& key);
  std::size_t count(Stage stage) const;
  void transition(WorkerState to);

  WorkerCoreOptions options_;
  ResultCache cache_;
  WorkerState state_ = WorkerState::kServing;
  std::map<LinkId, Link> links_;
  WorkMap work_;
  std::uint64_t next_work_ = 1;
  unsigned busy_streams_ = 0;
  FairTurns turns_;
  std::uint64_t last_turn_ = 0;
  std::optional<TimePoint> drain_deadline_;
  std::string drain_reason_;
  WorkerCounters counters_;
  std::vector<Action> actions_;  // of the event in hand
};

}  // namespace imgrec::worker
