// Prometheus metrics, as docs/metrics.md lists them.
//
// Thread rule: observe() and text() from any thread.
// Owns: the registry.
#pragma once

#include <string>

#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "manager/app/admission_gate.h"
#include "manager/app/cluster_view.h"
#include "manager/app/control.h"

namespace imgrec::manager {

class Metrics : public Control::ImageObserver {
 public:
  Metrics();

  void on_state(const ImageRecord&) override {}
  void on_settled(const ImageRecord& image) override;
  void on_deleted(const ImageRecord&) override {}

  // The text exposition format, version 0.0.4.
  std::string text(const ClusterView& view, const AdmissionGate::View& admission) const;

 private:
  prometheus::Registry registry_;
  prometheus::Histogram& job_duration_;
};

}  // namespace imgrec::manager
