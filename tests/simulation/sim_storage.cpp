#include "tests/simulation/sim_storage.h"

#include <algorithm>
#include <utility>

namespace imgrec::simulation {
namespace {

using manager::ImageRecord;
using manager::ImageState;
using manager::Settlement;
using std::chrono::microseconds;
using std::chrono::milliseconds;

Status disk_error() {
  return Status(StatusCode::kInternal, "database or disk is full (simulated)");
}

}  // namespace

SimStorage::SimStorage(World& world, Truth& truth, const SchedulePlan& plan, Mutant mutant)
    : world_(world), truth_(truth), plan_(plan), mutant_(mutant) {}

std::vector<ImageRecord> SimStorage::open(unsigned life) {
  life_ = life;
  std::vector<ImageRecord> images;
  for (const auto& [job, row] : rows_) {
    if (row.state == State::kOpen) images.push_back(row.record);
  }
  return images;
}

void SimStorage::crash() {
  ++generation_;
  models_.clear();
  cached_.clear();
  waiting_.clear();
  batch_.clear();
  last_answer_ = {};
}

void SimStorage::close_in_order() {
  for (auto* tasks : {&batch_, &waiting_}) {
    for (const Task& task : *tasks) (void)task(broken() ? disk_error() : Status());
  }
  crash();
}

// ---- commits ----------------------------------------------------------------------------------

void SimStorage::push(Task task) {
  waiting_.push_back(std::move(task));
  if (batch_.empty()) begin_commit();
}

void SimStorage::begin_commit() {
  batch_ = std::exchange(waiting_, {});
  world_.loop.after(world_.random.about(plan_.commit), [this, generation = generation_] {
    if (generation == generation_) commit();
  });
}

void SimStorage::commit() {
  const bool fails = broken() || (world_.fault_phase && world_.random.chance(plan_.failed_commit));
  if (fails) {
    world_.happened(Fault::kDiskError);
    world_.tell({0xD15C, batch_.size()}, [&] {
      return "the disk fails: a commit of " + std::to_string(batch_.size()) + " tasks is undone";
    });
  }
  for (const Task& task : std::exchange(batch_, {})) {
    answer(task(fails ? disk_error() : Status()));
  }
  if (!waiting_.empty()) begin_commit();
}

// In order, like posts from the storage thread to the control thread.
void SimStorage::answer(Answer answer) {
  last_answer_ = std::max(last_answer_, world_.now() + world_.random.time({}, microseconds(500)));
  world_.loop.at(last_answer_, [this, generation = generation_, answer = std::move(answer)] {
    if (generation == generation_) answer();
  });
}

// ---- tasks ------------------------------------------------------------------------------------

std::vector<ImageRecord> SimStorage::add(std::vector<NewImage> images,
                                         Done<std::vector<ImageRecord>> done) {
  std::vector<ImageRecord> records;
  for (const NewImage& image : images) {
    ImageRecord& record = records.emplace_back();
    record.job = JobId{next_job_++};
    record.session = SessionId{"session-" + std::to_string(image.session)};
    record.bytes = image.bytes->size();
  }
  push([this, images = std::move(images), records,
        done = std::move(done)](const Status& disk) -> Answer {
    if (!disk.ok()) return [done, disk] { done(disk); };
    for (std::size_t i = 0; i < images.size(); ++i) insert(images[i], records[i]);
    return [done, records] { done(records); };
  });
  return records;
}

void SimStorage::insert(const NewImage& image, const ImageRecord& record) {
  rows_[record.job].record = record;
  ++open_rows_;
  ImageTruth& truth = truth_.images[record.job];
  truth.kind = image.plan.kind;
  truth.bytes = image.bytes;
  truth.unreadable = image.plan.unreadable;
  if (!truth.unreadable) cached_.insert(record.job);
  world_.tell({0xADD, record.job.value}, [&] {
    return "job " + std::to_string(record.job.value) + " is durable (" +
           std::string(to_string(truth.kind)) + (truth.unreadable ? ", unreadable)" : ")");
  });
}

void SimStorage::settle(Settlement settlement, Done<ImageRecord> done) {
  push([this, settlement = std::move(settlement), done = std::move(done)](const Status& disk) {
    Result<ImageRecord> stored = disk.ok() ? apply(settlement) : Result<ImageRecord>(disk);
    return [done, stored = std::move(stored)]() mutable { done(std::move(stored)); };
  });
}

Result<ImageRecord> SimStorage::apply(const Settlement& settlement) {
  const auto found = rows_.find(settlement.job);
  if (found == rows_.end() || found->second.state == State::kDeleted) {
    return Status(StatusCode::kNotFound, "the job is not stored here; it may have been deleted");
  }
  Row& row = found->second;
  const bool settled = row.state != State::kOpen;
  if (settled && mutant_ != Mutant::kDuplicates) {
    return Status(StatusCode::kFailedPrecondition, "the job is settled already");
  }
  if (settlement.done && !models_.contains(settlement.model_digest)) {
    return Status(StatusCode::kInvalidArgument, "the model was never registered");
  }
  if (!settled) --open_rows_;
  row.state = settlement.done ? State::kDone : State::kFailed;
  row.settled_in_life = life_;
  if (settlement.done) row.best = settlement.top.front();
  row.record.state = settlement.done ? ImageState::kDone : ImageState::kFailed;
  row.record.error = settlement.error;
  row.record.worker = settlement.worker;
  row.record.attempts = settlement.attempts;
  row.record.settle_seq = ++last_seq_;
  cached_.erase(settlement.job);
  world_.tell({0x5E7, settlement.job.value, row.record.settle_seq}, [&] {
    return "job " + std::to_string(settlement.job.value) + " is settled in the store as " +
           (settlement.done ? "done by " + settlement.worker
                            : "failed, " + row.record.error->code) +
           ", event " + std::to_string(row.record.settle_seq);
  });
  if (++row.settlements > 1) {
    world_.violate("job " + std::to_string(settlement.job.value) + " was settled " +
                   std::to_string(row.settlements) + " times in the store");
  }
  return row.record;
}

void SimStorage::remove(JobId job, Done<ImageRecord> done) {
  push([this, job, done = std::move(done)](const Status& disk) {
    Result<ImageRecord> removed = disk.ok() ? erase(job) : Result<ImageRecord>(disk);
    return [done, removed = std::move(removed)]() mutable { done(std::move(removed)); };
  });
}

Result<ImageRecord> SimStorage::erase(JobId job) {
  const auto found = rows_.find(job);
  if (found == rows_.end() || found->second.state == State::kDeleted) {
    return Status(StatusCode::kNotFound, "the job is not stored here; it may have been deleted");
  }
  Row& row = found->second;
  if (row.state == State::kOpen) --open_rows_;
  row.state = State::kDeleted;
  cached_.erase(job);
  world_.happened(Fault::kClientDelete);
  world_.tell({0xDE1, job.value},
              [&] { return "job " + std::to_string(job.value) + " is deleted from the store"; });
  return row.record;
}

// ---- bytes ------------------------------------------------------------------------------------

proto::SharedBytes SimStorage::cached(JobId job) const {
  if (!cached_.contains(job)) return nullptr;
  return truth_.images.at(job).bytes;
}

void SimStorage::load(JobId job, Done<proto::SharedBytes> done) {
  const ImageTruth& image = truth_.images[job];
  const auto row = rows_.find(job);
  Result<proto::SharedBytes> bytes = image.bytes;
  if (row == rows_.end() || row->second.state == State::kDeleted) {
    bytes = Status(StatusCode::kNotFound, "the job is not stored here; it may have been deleted");
  } else if (image.unreadable) {
    bytes = Status(StatusCode::kDataLoss, "input/output error (simulated)");
    world_.happened(Fault::kDiskError);
  }
  const Duration read = world_.random.time(microseconds(50), milliseconds(20));
  world_.loop.after(read, [this, generation = generation_, done = std::move(done), bytes] {
    if (generation == generation_) done(bytes);
  });
}

}  // namespace imgrec::simulation
