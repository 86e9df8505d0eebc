// A model of manager/store/storage.h with its contract: group commit, all or nothing; answers in
// order and after the commit; what is settled or deleted cannot be settled. A crash keeps exactly
// what was committed, whether or not its answer had gone out.
//
// Thread rule: not shared; each schedule has its own.
// Owns: the durable rows, which outlive the managers, and the tasks of the present manager.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "manager/core/image_record.h"
#include "manager/core/settlement.h"
#include "proto/status.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/truth.h"
#include "tests/simulation/world.h"

namespace imgrec::simulation {

class SimStorage {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;
  enum class State { kOpen, kDone, kFailed, kDeleted };

  struct NewImage {
    ImagePlan plan;
    unsigned session = 0;
    proto::SharedBytes bytes;
  };
  struct Row {
    manager::ImageRecord record;
    State state = State::kOpen;
    unsigned settlements = 0;  // ever taken in
    unsigned settled_in_life = 0;
    proto::ScoredClass best;
  };

  SimStorage(World& world, Truth& truth, const SchedulePlan& plan, Mutant mutant);

  // A new manager: every open image, oldest first. `life`: its number.
  std::vector<manager::ImageRecord> open(unsigned life);
  void crash();           // what is not committed is lost, and so are answers
  void close_in_order();  // what waits is committed; answers are lost
  void break_disk_until(TimePoint until) { broken_until_ = until; }

  // Returns what `done` will get where it succeeds: for the mutant that does not wait for it.
  std::vector<manager::ImageRecord> add(std::vector<NewImage> images,
                                        Done<std::vector<manager::ImageRecord>> done);
  void settle(manager::Settlement settlement, Done<manager::ImageRecord> done);
  void remove(JobId job, Done<manager::ImageRecord> done);
  void register_model(const manager::ModelInfo& model) { models_.insert(model.digest); }

  proto::SharedBytes cached(JobId job) const;  // null: it must be loaded
  void load(JobId job, Done<proto::SharedBytes> done);

  const std::map<JobId, Row>& rows() const { return rows_; }
  std::size_t open_rows() const { return open_rows_; }

 private:
  using Answer = std::function<void()>;
  // At the commit, with its outcome; what is returned runs after it.
  using Task = std::function<Answer(const Status&)>;

  void push(Task task);
  void begin_commit();
  void commit();
  void answer(Answer answer);
  bool broken() const { return world_.now() < broken_until_; }
  void insert(const NewImage& image, const manager::ImageRecord& record);
  Result<manager::ImageRecord> apply(const manager::Settlement& settlement);
  Result<manager::ImageRecord> erase(JobId job);

  World& world_;
  Truth& truth_;
  const SchedulePlan& plan_;
  const Mutant mutant_;
  std::map<JobId, Row> rows_;
  std::uint64_t next_job_ = 1;
  std::uint64_t last_seq_ = 0;
  std::size_t open_rows_ = 0;
  TimePoint broken_until_{};

  // Of the present manager.
  unsigned life_ = 0;
  std::uint64_t generation_ = 0;  // answers and commits of an earlier one do not arrive
  std::set<std::string> models_;
  std::set<JobId> cached_;
  std::vector<Task> waiting_;
  std::vector<Task> batch_;  // being committed
  TimePoint last_answer_{};
};

}  // namespace imgrec::simulation
