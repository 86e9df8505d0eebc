// The calls of those who run the service: cluster figures, metrics, health, the API's own document.
//
// Thread rule: handle() on any thread (the HTTP reactors'); it never blocks.
// Owns: nothing. Borrows the rest, which outlives it.
#pragma once

#include "manager/app/admission_gate.h"
#include "manager/app/control.h"
#include "manager/app/intake.h"
#include "manager/app/live_feed.h"
#include "manager/app/metrics.h"
#include "manager/app/routes.h"
#include "manager/http/http_message.h"

namespace imgrec::manager {

class OperationsApi {
 public:
  OperationsApi(const Intake& intake, AdmissionGate& gate, Control& control, LiveFeed& feed,
                Metrics& metrics)
      : intake_(intake), gate_(gate), control_(control), feed_(feed), metrics_(metrics) {}

  // REQUIRES: a match of kCluster, kOpenApi, kSocket, kMetrics, kHealth or kReady.
  void handle(const RouteMatch& match, const HttpRequest& request, const Responder& respond);

 private:
  void get_cluster(const HttpRequest& request, const Responder& respond);
  void get_metrics(const Responder& respond);

  const Intake& intake_;
  AdmissionGate& gate_;
  Control& control_;
  LiveFeed& feed_;
  Metrics& metrics_;
};

}  // namespace imgrec::manager
