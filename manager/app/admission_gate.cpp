#include "manager/app/admission_gate.h"

namespace imgrec::manager {
namespace {

TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace

AdmissionGate::Ticket::~Ticket() {
  if (stored_) return;
  const std::scoped_lock lock(gate_.mutex_);
  gate_.admission_.given_up(session_, load_);
}

void AdmissionGate::Ticket::stored(const std::vector<ImageRecord>& images) {
  const std::scoped_lock lock(gate_.mutex_);
  stored_ = true;
  gate_.admission_.stored(load_);
  gate_.hold(images);
}

AdmissionGate::AdmissionGate(AdmissionOptions options) : admission_(options, now()) {}

AdmissionGate::Answer AdmissionGate::request(const SessionId& session, Admission::Load upload) {
  const std::scoped_lock lock(mutex_);
  const auto decision = admission_.request(session, upload, now());
  if (decision.verdict != Admission::Verdict::kAdmitted) {
    count(decision);
    return {decision, nullptr};
  }
  return {decision, std::make_shared<Ticket>(*this, session, upload)};
}

std::optional<Admission::Decision> AdmissionGate::refuses(const SessionId& session) {
  const std::scoped_lock lock(mutex_);
  const auto decision = admission_.check(session, {1, 1}, now());
  if (decision.verdict == Admission::Verdict::kAdmitted) return std::nullopt;
  count(decision);
  return decision;
}

void AdmissionGate::resumed(const std::vector<ImageRecord>& images) {
  const std::scoped_lock lock(mutex_);
  for (const ImageRecord& image : images) admission_.resumed(image.session, {1, image.bytes});
  hold(images);
}

AdmissionGate::View AdmissionGate::view() const {
  const std::scoped_lock lock(mutex_);
  View view = refused_;
  view.open = admission_.open();
  view.unstored_bytes = admission_.unstored_bytes();
  return view;
}

void AdmissionGate::count(const Admission::Decision& decision) {
  switch (decision.verdict) {
    case Admission::Verdict::kAdmitted:
      break;
    case Admission::Verdict::kQueueFull:
      ++refused_.refused_queue;
      break;
    case Admission::Verdict::kSessionFull:
      ++refused_.refused_session;
      break;
    case Admission::Verdict::kDiskBusy:
      ++refused_.refused_disk;
      break;
    case Admission::Verdict::kTooLarge:
      ++refused_.refused_size;
      break;
  }
}

void AdmissionGate::hold(const std::vector<ImageRecord>& images) {
  for (const ImageRecord& image : images) held_.emplace(image.job, image.bytes);
}

// An image may be settled and deleted later, or removed by age: only the first end counts.
void AdmissionGate::release(const ImageRecord& image) {
  const std::scoped_lock lock(mutex_);
  const auto found = held_.find(image.job);
  if (found == held_.end()) return;
  admission_.settled(image.session, found->second, now());
  held_.erase(found);
}

}  // namespace imgrec::manager
