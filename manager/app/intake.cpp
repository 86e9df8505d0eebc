#include "manager/app/intake.h"

#include <utility>

namespace imgrec::manager {
namespace {

Admission::Load load_of(const std::vector<NewImage>& images) {
  Admission::Load load{images.size(), 0};
  for (const NewImage& image : images) load.bytes += image.bytes->size();
  return load;
}

Problem refusal_of(const Status& not_added) {
  if (not_added.code() == StatusCode::kAlreadyExists) {
    return Problem(422, "idempotency_key_reused", not_added.message());
  }
  return not_stored("upload_not_stored", not_added);
}

}  // namespace

std::optional<Problem> Intake::closed(const SessionId& session) {
  if (!open_) return shutting_down();
  if (const auto refused = gate_.refuses(session)) return not_admitted(*refused);
  return std::nullopt;
}

void Intake::accept(std::vector<NewImage> images, std::optional<UploadKey> key,
                    std::chrono::milliseconds wait, const SessionId& session, Done done) {
  if (!open_) return done(shutting_down());
  const auto admission = gate_.request(session, load_of(images));
  if (!admission.ticket) return done(not_admitted(admission.decision));
  auto on_stored = [this, wait, done = std::move(done),
                    ticket = admission.ticket](Result<StoredUpload> upload) {
    if (!upload.ok()) return done(refusal_of(upload.status()));
    if (!upload->replayed) {
      ticket->stored(upload->images);
      control_.add_images(upload->images);
    }
    stored(*std::move(upload), wait, done);
  };
  storage_.add_upload(std::move(key), std::move(images), std::move(on_stored));
}

void Intake::stored(StoredUpload upload, std::chrono::milliseconds wait, const Done& done) {
  const bool replayed = upload.replayed;
  auto answer = [done, replayed](std::vector<ImageRecord> images) {
    done(StoredUpload{std::move(images), replayed});
  };
  if (wait.count() > 0) {
    waiters_.wait(std::move(upload.images), wait, std::move(answer));
  } else if (replayed) {
    control_.read_live(std::move(upload.images), std::move(answer));
  } else {
    answer(std::move(upload.images));
  }
}

}  // namespace imgrec::manager
