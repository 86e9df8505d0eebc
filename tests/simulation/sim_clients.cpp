#include "tests/simulation/sim_clients.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace imgrec::simulation {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerWithin{4'000};  // then the client takes it for lost

}  // namespace

void SimClients::start() {
  for (const BatchPlan& batch : plan_.batches) {
    if (batch.shard != shard_) continue;
    ++unfinished_;
    world_.loop.after(batch.at, [this, &batch] { upload(batch); });
  }
}

void SimClients::try_upload_later(const BatchPlan& batch) {
  world_.loop.after(world_.random.time(milliseconds(50), milliseconds(400)),
                    [this, &batch] { upload(batch); });
}

void SimClients::upload(const BatchPlan& batch) {
  if (!manager_.serves()) return try_upload_later(batch);
  std::vector<SimStorage::NewImage> images;
  for (const ImagePlan& image : batch.images) {
    images.push_back({image, batch.session, make_image(image.kind, world_.random)});
  }
  const auto answered = std::make_shared<bool>(false);
  manager_.upload(std::move(images), [this, &batch, answered](const auto& stored) {
    if (std::exchange(*answered, true)) return;
    world_.tell({0x202, stored.ok(), batch.images.size()}, [&] {
      return "an upload of " + std::to_string(batch.images.size()) + " images gets " +
             (stored.ok() ? "202" : "507: " + stored.status().message());
    });
    if (!stored.ok()) return try_upload_later(batch);
    --unfinished_;
    accepted(batch, *stored);
  });
  // Sending it again would be new images: whether the lost ones exist is for the checks to see.
  world_.loop.after(kAnswerWithin, [this, answered] {
    if (!std::exchange(*answered, true)) --unfinished_;
  });
}

void SimClients::accepted(const BatchPlan& batch, const std::vector<manager::ImageRecord>& images) {
  for (std::size_t i = 0; i < images.size(); ++i) {
    const JobId job = images[i].job;
    truth_.images[job].acknowledged = true;
    const auto& wait = batch.images[i].deleted_after;
    if (!wait) continue;
    ++unfinished_;
    truth_.images[job].delete_wanted = true;
    world_.loop.after(*wait, [this, job] { remove(job); });
  }
}

void SimClients::try_remove_later(JobId job) {
  world_.loop.after(world_.random.time(milliseconds(50), milliseconds(400)),
                    [this, job] { remove(job); });
}

void SimClients::remove(JobId job) {
  if (!manager_.serves()) return try_remove_later(job);
  const auto answered = std::make_shared<bool>(false);
  manager_.remove(job, [this, job, answered](const Status& removed) {
    if (std::exchange(*answered, true)) return;
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return try_remove_later(job);
    --unfinished_;
  });
  world_.loop.after(kAnswerWithin, [this, job, answered] {
    if (!std::exchange(*answered, true)) remove(job);
  });
}

}  // namespace imgrec::simulation
