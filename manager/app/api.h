// The REST calls: each handler translates, calls storage or control, and passes the responder on
// to whoever completes the request.
//
// Thread rule: handle() on any thread (the HTTP reactors'); it never blocks.
// Owns: nothing but its options. Borrows the rest, which outlives it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>

#include "manager/app/admission_gate.h"
#include "manager/app/control.h"
#include "manager/app/live_feed.h"
#include "manager/app/metrics.h"
#include "manager/app/uploads.h"
#include "manager/app/waiters.h"
#include "manager/http/http_message.h"
#include "manager/http/http_server.h"
#include "manager/http/static_files.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

struct ApiOptions {
  UploadLimits upload;
  std::chrono::seconds max_wait{60};  // of ?wait=
};

class Api {
 public:
  Api(ApiOptions options, Storage& storage, AdmissionGate& gate, Control& control, LiveFeed& feed,
      Waiters& waiters, Metrics& metrics, const StaticFiles& files);

  void handle(HttpRequest request, Responder respond);
  void upgrade(UpgradeRequest upgrade);  // on the io_context's thread

  // /readyz says 503 from now on, uploads are refused.
  void begin_shutdown() { ready_ = false; }

 private:
  void route(HttpRequest request, const SessionId& session, const Responder& respond);
  void images(HttpRequest request, const SessionId& session, const Responder& respond);
  void image(const HttpRequest& request, const SessionId& session, const Responder& respond);
  void upload(HttpRequest request, const SessionId& session, const Responder& respond);
  void store(Upload upload, std::chrono::seconds wait, unsigned top, const SessionId& session,
             const Responder& respond);
  void list(const HttpRequest& request, const SessionId& session, const Responder& respond);
  void get_image(ImageId id, unsigned top, const SessionId& session, const Responder& respond);
  void get_content(ImageId id, const SessionId& session, const Responder& respond);
  void delete_image(ImageId id, const SessionId& session, const Responder& respond);
  void get_cluster(const HttpRequest& request, const Responder& respond);
  void get_metrics(const Responder& respond);

  ApiOptions options_;
  Storage& storage_;
  AdmissionGate& gate_;
  Control& control_;
  LiveFeed& feed_;
  Waiters& waiters_;
  Metrics& metrics_;
  const StaticFiles& files_;
  std::atomic<bool> ready_{true};
};

}  // namespace imgrec::manager
