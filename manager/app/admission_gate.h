// The door of the upload call: Admission behind a lock and on the real clock. Uploads ask here
// first; what becomes of their images is told here.
//
// Thread rule: every method from any thread.
// Owns: the admission's counts, and how many uploads were refused for what.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "manager/app/control.h"
#include "manager/core/admission.h"
#include "manager/core/image_record.h"

namespace imgrec::manager {

class AdmissionGate : public Control::ImageObserver {
 public:
  // Room reserved for one upload. Given back by its end of life, unless its images were stored.
  class Ticket {
   public:
    Ticket(AdmissionGate& gate, SessionId session, Admission::Load load)
        : gate_(gate), session_(std::move(session)), load_(load) {}
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    // From now on each image holds its room until it settles or is deleted. Once, and before
    // anybody else may hear of these images.
    void stored(const std::vector<ImageRecord>& images);

   private:
    AdmissionGate& gate_;  // outlives the ticket
    const SessionId session_;
    const Admission::Load load_;
    bool stored_ = false;
  };

  struct Answer {
    Admission::Decision decision;
    std::shared_ptr<Ticket> ticket;  // where it is admitted
  };

  explicit AdmissionGate(AdmissionOptions options);

  Answer request(const SessionId& session, Admission::Load upload);
  // Would one image more be refused already? Spares the reading of a body.
  std::optional<Admission::Decision> refuses(const SessionId& session);
  void resumed(const std::vector<ImageRecord>& images);  // open since before this process

  struct View {  // for the metrics
    Admission::Load open;
    std::uint64_t unstored_bytes = 0;
    std::uint64_t refused_queue = 0;
    std::uint64_t refused_session = 0;
    std::uint64_t refused_disk = 0;
    std::uint64_t refused_size = 0;
  };
  View view() const;

  void on_state(const ImageRecord&) override {}
  void on_settled(const ImageRecord& image) override { release(image); }
  void on_deleted(const ImageRecord& image) override { release(image); }

 private:
  void count(const Admission::Decision& decision);
  void hold(const std::vector<ImageRecord>& images);
  void release(const ImageRecord& image);

  mutable std::mutex mutex_;
  Admission admission_;                            // this and all below: guarded by mutex_
  std::unordered_map<JobId, std::uint64_t> held_;  // bytes of each open image
  View refused_;                                   // only the counts of refusals
};

}  // namespace imgrec::manager
