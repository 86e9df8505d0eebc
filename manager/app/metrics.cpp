#include "manager/app/metrics.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "common/metric_families.h"

namespace imgrec::manager {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;

double number(std::uint64_t n) { return MetricFamilies::number(n); }

prometheus::Histogram& make_histogram(prometheus::Registry& registry) {
  return prometheus::BuildHistogram()
      .Name("imgrec_job_duration_seconds")
      .Help("From the first byte of the upload to the durable result")
      .Register(registry)
      .Add({}, prometheus::Histogram::BucketBoundaries{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
                                                       30, 60, 300});
}

void add_ledger(MetricFamilies& out, const Totals& totals) {
  out.counter("imgrec_images_accepted_total", "Images answered with 202", totals.accepted);
  out.counter("imgrec_images_done_total", "Images recognised", totals.done);
  out.counter("imgrec_images_failed_total", "Images failed with a reason, deleted ones included",
              totals.failed);
  out.gauge("imgrec_images_open", "Images accepted and not settled yet", number(totals.open));
}

void add_storage(MetricFamilies& out, const Totals& totals) {
  out.gauge("imgrec_stored_bytes", "Uploaded bytes of all images there are",
            number(totals.stored_bytes));
  out.counter("imgrec_images_expired_total", "Settled images removed by age or for room",
              totals.expired);
}

void add_admission(MetricFamilies& out, const AdmissionGate::View& admission) {
  out.gauge("imgrec_open_bytes", "Bytes of images that are open or being stored",
            number(admission.open.bytes));
  out.gauge("imgrec_unstored_bytes", "Bytes of uploads that wait for the disk",
            number(admission.unstored_bytes));
  out.counters("imgrec_uploads_refused_total", "Uploads refused for want of room", "reason",
               {{"queue", number(admission.refused_queue)},
                {"session", number(admission.refused_session)},
                {"disk", number(admission.refused_disk)},
                {"size", number(admission.refused_size)}});
}

void add_attempts(MetricFamilies& out, const SchedulerCounters& counters) {
  out.counters("imgrec_attempts_total", "Assignments of a job to a worker", "result",
               {{"assigned", number(counters.assigned)},
                {"resent", number(counters.resent)},
                {"timed_out", number(counters.timed_out)},
                {"dropped", number(counters.dropped)},
                {"requeued", number(counters.requeued)},
                {"hedged", number(counters.hedged)},
                {"hedges_won", number(counters.hedges_won)}});
}

void add_workers(MetricFamilies& out, const ClusterView& view) {
  double draining = 0;
  double ejected = 0;
  for (const auto& worker : view.workers) {
    if (worker.draining) {
      ++draining;
    } else if (worker.ejected) {
      ++ejected;
    }
  }
  const double ready = number(view.workers.size()) - draining - ejected;
  out.gauges("imgrec_workers", "Registered workers", "state",
             {{"ready", ready}, {"draining", draining}, {"ejected", ejected}});
  out.counter("imgrec_worker_ejections_total", "Workers left out for a while as they kept failing",
              view.attempts.ejections);
}

double seconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

// Quantiles of the last minute; count and sum since the start, as a summary has them.
void add_phases(MetricFamilies& out, const ClusterView& view) {
  std::vector<ClientMetric> phases;
  for (std::size_t i = 0; i < kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    ClientMetric metric;
    metric.label = {{"phase", std::string(to_string(phase))}};
    metric.summary.sample_count = view.phase_sums[i].count;
    metric.summary.sample_sum = seconds(view.phase_sums[i].time);
    const auto& of = view.latency[phase];
    const auto value = [&of](std::chrono::microseconds Percentiles::*which) {
      return of ? seconds((*of).*which) : std::numeric_limits<double>::quiet_NaN();
    };
    metric.summary.quantile = {{0.5, value(&Percentiles::p50)},
                               {0.9, value(&Percentiles::p90)},
                               {0.99, value(&Percentiles::p99)}};
    phases.push_back(std::move(metric));
  }
  out.add("imgrec_phase_duration_seconds", "Time that settled images spent, in all and by phase",
          MetricType::Summary, std::move(phases));
}

// The workers' connections together: a label for each worker would have no bound.
void add_links(MetricFamilies& out, const std::vector<WorkerSnapshot>& workers) {
  std::vector<double> round_trips;
  std::map<std::string, double> by_control;  // its names are the kernel's, and few
  double delivery = 0;
  double unacknowledged = 0;
  double window = 0;
  for (const auto& worker : workers) {
    if (!worker.link) continue;
    const net::TcpFigures& tcp = worker.link->tcp;
    if (tcp.least_rtt) round_trips.push_back(seconds(*tcp.least_rtt));
    if (!tcp.congestion_control.empty()) {
      by_control[tcp.congestion_control] += tcp.connections;
    }
    delivery += number(tcp.delivery_bits_per_s.value_or(0)) / 8;
    unacknowledged += number(tcp.unacknowledged_bytes.value_or(0));
    window += number(tcp.congestion_window_bytes.value_or(0));
  }
  std::sort(round_trips.begin(), round_trips.end());
  if (!round_trips.empty()) {
    out.gauges("imgrec_worker_rtt_seconds",
               "Least TCP round trips of the last minutes to the workers", "of",
               {{"nearest", round_trips.front()},
                {"median", round_trips[round_trips.size() / 2]},
                {"farthest", round_trips.back()}});
  }
  out.gauge("imgrec_worker_delivery_bytes_per_second",
            "TCP delivery rates to all workers, added up", delivery);
  out.gauge("imgrec_worker_unacknowledged_bytes", "Bytes sent to workers and not acknowledged",
            unacknowledged);
  out.gauge("imgrec_worker_congestion_window_bytes",
            "What TCP allows to be unacknowledged, all workers together", window);
  if (!by_control.empty()) {
    out.gauges("imgrec_worker_connections",
               "Connections that carry images to workers, by TCP congestion control",
               "congestion_control", {by_control.begin(), by_control.end()});
  }
}

void add_wire(MetricFamilies& out, const net::TcpTraffic& traffic) {
  out.counters("imgrec_worker_wire_bytes_total",
               "Bytes of IP packets to workers (out) and from them (in), those sent again included",
               "direction",
               {{"out", number(traffic.wire_bytes_out)}, {"in", number(traffic.wire_bytes_in)}});
  out.counters("imgrec_worker_wire_segments_total",
               "TCP segments to workers (out) and from them (in), those sent again included",
               "direction",
               {{"out", number(traffic.segments_out)}, {"in", number(traffic.segments_in)}});
  out.counter("imgrec_worker_data_segments_total", "TCP segments with payload sent to workers",
              traffic.data_segments_out);
  out.counter("imgrec_worker_retransmissions_total", "TCP segments sent to workers again",
              traffic.retransmissions);
  out.counter("imgrec_worker_retransmitted_bytes_total",
              "Payload of the TCP segments sent to workers again", traffic.retransmitted_bytes);
}

}  // namespace

Metrics::Metrics() : job_duration_(make_histogram(registry_)) {}

void Metrics::on_settled(const ImageRecord& image) {
  job_duration_.Observe(std::chrono::duration<double>(image.timing.total).count());
}

std::string Metrics::text(const ClusterView& view, const AdmissionGate::View& admission) const {
  MetricFamilies families;
  add_ledger(families, view.totals);
  add_storage(families, view.totals);
  add_admission(families, admission);
  add_workers(families, view);
  add_links(families, view.workers);
  add_wire(families, view.wire.traffic);
  families.gauge("imgrec_queue_depth", "Jobs that wait for a worker", number(view.queue_depth));
  families.gauge("imgrec_in_flight", "Jobs with an attempt out", number(view.in_flight));
  add_attempts(families, view.attempts);
  families.gauge("imgrec_websocket_sessions", "Open WebSockets", number(view.sockets));
  add_phases(families, view);
  families.add(registry_.Collect());
  return families.text();
}

}  // namespace imgrec::manager
