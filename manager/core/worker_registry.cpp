#include "manager/core/worker_registry.h"

#include <utility>

namespace imgrec::manager {

std::optional<proto::Refuse> WorkerRegistry::judge(const proto::Hello& hello) const {
  using std::chrono::milliseconds;
  const auto same_instance = find_instance(hello.instance_id);
  if (!same_instance && workers_.size() >= max_workers_) {
    return proto::Refuse{
        proto::RefuseCode::kFull, true, milliseconds(30'000),
        "this manager has all the " + std::to_string(max_workers_) + " workers that it takes"};
  }
  if (hello.labels.empty()) {
    return proto::Refuse{proto::RefuseCode::kBadHello, false, milliseconds(0),
                         "the model '" + hello.model_name + "' has no labels"};
  }
  if (model_ && model_->digest != hello.model_digest) {
    // The one worker that serves the model may be this very process with a newer model.
    const bool only_itself = same_instance && workers_.size() == 1;
    if (!only_itself) {
      return proto::Refuse{proto::RefuseCode::kModel, true, milliseconds(10'000),
                           "this manager's workers serve the model '" + model_->name +
                               "' (digest " + model_->digest.substr(0, 12) +
                               "); this worker has '" + hello.model_name + "' (digest " +
                               hello.model_digest.substr(0, 12) +
                               "): start it with the same model folder, or stop the others first"};
    }
  }
  return std::nullopt;
}

RegisteredWorker& WorkerRegistry::add(WorkerId id, const proto::Hello& hello, std::string address,
                                      TimePoint now) {
  model_ = ModelIdentity{hello.model_name, hello.model_digest, hello.labels.size()};
  RegisteredWorker worker{.id = id,
                          .name = hello.name,
                          .instance_id = hello.instance_id,
                          .address = std::move(address),
                          .model = *model_,
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
  workers_.erase(worker);
  if (workers_.empty()) model_.reset();
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
