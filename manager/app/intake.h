// From checked images to accepted ones, for every call that takes images: room in the queue, made
// durable, given to control, and waited for where the client wants that.
//
// Thread rule: every method from any thread; callbacks come on the storage's or control's thread,
// or before the call returns.
// Owns: nothing. Borrows the gate, storage, control and the waiters, which outlive it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "manager/app/admission_gate.h"
#include "manager/app/control.h"
#include "manager/app/problem.h"
#include "manager/app/waiters.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

class Intake {
 public:
  using Outcome = std::variant<StoredUpload, Problem>;
  using Done = std::function<void(Outcome)>;

  Intake(AdmissionGate& gate, Storage& storage, Control& control, Waiters& waiters)
      : gate_(gate), storage_(storage), control_(control), waiters_(waiters) {}

  // Why an upload of this session would be refused whatever it holds: spares the reading of it.
  std::optional<Problem> closed(const SessionId& session);

  // Accepts all of the images or none. Calls back once: with their records when they are durable
  // and, with a `wait`, when all of them are settled or the time is over; or with the problem.
  // `key`: makes an upload that is sent again the same one.
  // REQUIRES: at least one image; all are of `session`.
  void accept(std::vector<NewImage> images, std::optional<UploadKey> key,
              std::chrono::milliseconds wait, const SessionId& session, Done done);

  // Takes nothing more from now on.
  void close() { open_ = false; }
  bool open() const { return open_; }

 private:
  void stored(StoredUpload upload, std::chrono::milliseconds wait, const Done& done);

  AdmissionGate& gate_;
  Storage& storage_;
  Control& control_;
  Waiters& waiters_;
  std::atomic<bool> open_{true};
};

}  // namespace imgrec::manager
