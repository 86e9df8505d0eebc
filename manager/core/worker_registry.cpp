#include "manager/core/worker_registry.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "proto/instance_id.h"

namespace imgrec::manager {
namespace {

constexpr std::size_t kMaxModels = 2;  // the one that serves, and the one that replaces it
constexpr std::size_t kMaxLeft = 4096;

std::string in_words(const std::string& name, const std::string& digest) {
  return "'" + name + "' (digest " + digest.substr(0, 12) + ")";
}

}  // namespace

std::optional<proto::Refuse> WorkerRegistry::judge(const proto::Hello& hello) const {
  using std::chrono::milliseconds;
  const std::string process(proto::process_of(hello.instance_id));
  const bool here = std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return proto::process_of(entry.second.instance_id) == process;
  });
  if (!here && workers_.size() >= max_workers_) {
    return proto::Refuse{
        proto::RefuseCode::kFull, true, milliseconds(30'000),
        "this manager has all the " + std::to_string(max_workers_) + " workers that it takes"};
  }
  if (hello.labels.empty()) {
    return proto::Refuse{proto::RefuseCode::kBadHello, false, milliseconds(0),
                         "the model '" + hello.model_name + "' has no labels"};
  }
  if (!model_ || serves(hello.model_digest)) return std::nullopt;
  const std::string theirs = "; this worker has " + in_words(hello.model_name, hello.model_digest);
  if (!here && !may_come_back(process, hello.model_digest)) {
    return proto::Refuse{proto::RefuseCode::kModel, true, milliseconds(10'000),
                         "this manager's workers serve the model " +
                             in_words(model_->name, model_->digest) + theirs +
                             ": start it with the same model folder, or change the others' first "
                             "(SIGHUP), or stop them"};
  }
  if (may_bring(hello.model_digest, process)) return std::nullopt;
  return proto::Refuse{proto::RefuseCode::kModel, true, milliseconds(10'000),
                       "this manager's workers are changing to the model " +
                           in_words(model_->name, model_->digest) + theirs +
                           ", which would be a third one: finish that change first"};
}

// Not with the model that the others have left since: that would be a change back.
bool WorkerRegistry::may_come_back(const std::string& process, const std::string& digest) const {
  const auto last = std::find_if(left_.rbegin(), left_.rend(),
                                 [&](const Left& left) { return left.process == process; });
  return last != left_.rend() && last->replaced != digest;
}

// The process' own connection with another model does not count: it is to go.
bool WorkerRegistry::may_bring(const std::string& digest, const std::string& process) const {
  std::set<std::string_view> digests{digest};
  for (const auto& [id, worker] : workers_) {
    if (proto::process_of(worker.instance_id) != process) digests.insert(worker.model.digest);
  }
  return digests.size() <= kMaxModels;
}

bool WorkerRegistry::serves(const std::string& digest) const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [&](const auto& entry) { return entry.second.model.digest == digest; });
}

RegisteredWorker& WorkerRegistry::add(WorkerId id, const proto::Hello& hello, std::string address,
                                      TimePoint now) {
  const ModelIdentity model{hello.model_name, hello.model_digest, hello.labels.size()};
  if (!model_ || !serves(model.digest)) model_ = model;
  RegisteredWorker worker{.id = id,
                          .name = hello.name,
                          .instance_id = hello.instance_id,
                          .address = std::move(address),
                          .model = model,
                          .credit = hello.credit,
                          .streams = hello.streams,
                          .draining = false,
                          .connected = now,
                          .done = 0,
                          .failed = 0,
                          .rate = RateMeter(now)};
  return workers_.emplace(id, std::move(worker)).first->second;
}

void WorkerRegistry::remove(WorkerId worker) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return;
  const std::string& digest = found->second.model.digest;
  left_.push_back({std::string(proto::process_of(found->second.instance_id)),
                   model_ && model_->digest != digest ? digest : ""});
  if (left_.size() > kMaxLeft) left_.pop_front();
  workers_.erase(found);
  if (!model_ || serves(model_->digest)) return;
  model_.reset();
  if (!workers_.empty()) model_ = workers_.rbegin()->second.model;
}

std::optional<ModelIdentity> WorkerRegistry::replaced_model() const {
  for (const auto& [id, worker] : workers_) {
    if (worker.model.digest != model_->digest) return worker.model;
  }
  return std::nullopt;
}

RegisteredWorker* WorkerRegistry::find(WorkerId worker) {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? nullptr : &found->second;
}

std::optional<WorkerId> WorkerRegistry::find_instance(const std::string& instance_id) const {
  for (const auto& [id, worker] : workers_) {
    if (worker.instance_id == instance_id) return id;
  }
  return std::nullopt;
}

}  // namespace imgrec::manager
