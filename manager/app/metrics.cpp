#include "manager/app/metrics.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace imgrec::manager {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

prometheus::Histogram& make_histogram(prometheus::Registry& registry) {
  return prometheus::BuildHistogram()
      .Name("imgrec_job_duration_seconds")
      .Help("From the first byte of the upload to the durable result")
      .Register(registry)
      .Add({}, prometheus::Histogram::BucketBoundaries{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
                                                       30, 60, 300});
}

MetricFamily family(std::string name, std::string help, MetricType type) {
  MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  return family;
}

void add(MetricFamily& family, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(std::move(metric));
}

void add_single(std::vector<MetricFamily>& out, std::string name, std::string help, MetricType type,
                double value) {
  out.push_back(family(std::move(name), std::move(help), type));
  add(out.back(), value);
}

void add_ledger(std::vector<MetricFamily>& out, const Totals& totals) {
  const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
  add_single(out, "imgrec_images_accepted_total", "Images answered with 202", MetricType::Counter,
             number(totals.accepted));
  add_single(out, "imgrec_images_done_total", "Images recognised", MetricType::Counter,
             number(totals.done));
  add_single(out, "imgrec_images_failed_total",
             "Images failed with a reason, deleted ones included", MetricType::Counter,
             number(totals.failed));
  add_single(out, "imgrec_images_open", "Images accepted and not settled yet", MetricType::Gauge,
             number(totals.open));
}

void add_storage(std::vector<MetricFamily>& out, const Totals& totals) {
  add_single(out, "imgrec_stored_bytes", "Uploaded bytes of all images there are",
             MetricType::Gauge, static_cast<double>(totals.stored_bytes));
  add_single(out, "imgrec_images_expired_total", "Settled images removed by age or for room",
             MetricType::Counter, static_cast<double>(totals.expired));
}

void add_admission(std::vector<MetricFamily>& out, const AdmissionGate::View& admission) {
  add_single(out, "imgrec_open_bytes", "Bytes of images that are open or being stored",
             MetricType::Gauge, static_cast<double>(admission.open.bytes));
  add_single(out, "imgrec_unstored_bytes", "Bytes of uploads that wait for the disk",
             MetricType::Gauge, static_cast<double>(admission.unstored_bytes));
  MetricFamily refused = family("imgrec_uploads_refused_total", "Uploads refused for want of room",
                                MetricType::Counter);
  const std::pair<const char*, std::uint64_t> reasons[] = {{"queue", admission.refused_queue},
                                                           {"session", admission.refused_session},
                                                           {"disk", admission.refused_disk},
                                                           {"size", admission.refused_size}};
  for (const auto& [reason, count] : reasons) {
    add(refused, static_cast<double>(count), {{"reason", reason}});
  }
  out.push_back(std::move(refused));
}

void add_attempts(std::vector<MetricFamily>& out, const SchedulerCounters& counters) {
  MetricFamily attempts =
      family("imgrec_attempts_total", "Assignments of a job to a worker", MetricType::Counter);
  const std::pair<const char*, std::uint64_t> results[] = {
      {"assigned", counters.assigned},    {"resent", counters.resent},
      {"timed_out", counters.timed_out},  {"dropped", counters.dropped},
      {"requeued", counters.requeued},    {"hedged", counters.hedged},
      {"hedges_won", counters.hedges_won}};
  for (const auto& [result, count] : results) {
    add(attempts, static_cast<double>(count), {{"result", result}});
  }
  out.push_back(std::move(attempts));
}

void add_workers(std::vector<MetricFamily>& out, const ClusterView& view) {
  MetricFamily workers = family("imgrec_workers", "Registered workers", MetricType::Gauge);
  double draining = 0;
  double ejected = 0;
  for (const auto& worker : view.workers) {
    if (worker.draining) {
      ++draining;
    } else if (worker.ejected) {
      ++ejected;
    }
  }
  const auto all = static_cast<double>(view.workers.size());
  add(workers, all - draining - ejected, {{"state", "ready"}});
  add(workers, draining, {{"state", "draining"}});
  add(workers, ejected, {{"state", "ejected"}});
  out.push_back(std::move(workers));
  add_single(out, "imgrec_worker_ejections_total",
             "Workers left out for a while as they kept failing", MetricType::Counter,
             static_cast<double>(view.attempts.ejections));
}

double seconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

// Quantiles of the last minute; count and sum since the start, as a summary has them.
void add_phases(std::vector<MetricFamily>& out, const ClusterView& view) {
  MetricFamily phases =
      family("imgrec_phase_duration_seconds", "Time that settled images spent, in all and by phase",
             MetricType::Summary);
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
    phases.metric.push_back(std::move(metric));
  }
  out.push_back(std::move(phases));
}

// The workers' connections together: a label for each worker would have no bound.
void add_links(std::vector<MetricFamily>& out, const ClusterView& view) {
  std::vector<double> round_trips;
  double delivery = 0;
  double unacknowledged = 0;
  for (const auto& worker : view.workers) {
    if (!worker.link) continue;
    if (worker.link->least_rtt) round_trips.push_back(seconds(*worker.link->least_rtt));
    delivery += static_cast<double>(worker.link->delivery_bits_per_s.value_or(0)) / 8;
    unacknowledged += static_cast<double>(worker.link->unacknowledged_bytes.value_or(0));
  }
  std::sort(round_trips.begin(), round_trips.end());
  MetricFamily rtt =
      family("imgrec_worker_rtt_seconds",
             "Least TCP round trips of the last minutes to the workers", MetricType::Gauge);
  if (!round_trips.empty()) {
    add(rtt, round_trips.front(), {{"of", "nearest"}});
    add(rtt, round_trips[round_trips.size() / 2], {{"of", "median"}});
    add(rtt, round_trips.back(), {{"of", "farthest"}});
    out.push_back(std::move(rtt));
  }
  add_single(out, "imgrec_worker_retransmissions_total", "TCP segments sent to workers again",
             MetricType::Counter, static_cast<double>(view.retransmissions));
  add_single(out, "imgrec_worker_delivery_bytes_per_second",
             "TCP delivery rates to all workers, added up", MetricType::Gauge, delivery);
  add_single(out, "imgrec_worker_unacknowledged_bytes",
             "Bytes sent to workers and not acknowledged", MetricType::Gauge, unacknowledged);
}

}  // namespace

Metrics::Metrics() : job_duration_(make_histogram(registry_)) {}

void Metrics::on_settled(const ImageRecord& image) {
  job_duration_.Observe(std::chrono::duration<double>(image.timing.total).count());
}

std::string Metrics::text(const ClusterView& view, const AdmissionGate::View& admission) const {
  std::vector<MetricFamily> families;
  add_ledger(families, view.totals);
  add_storage(families, view.totals);
  add_admission(families, admission);
  add_workers(families, view);
  add_links(families, view);
  add_single(families, "imgrec_queue_depth", "Jobs that wait for a worker", MetricType::Gauge,
             static_cast<double>(view.queue_depth));
  add_single(families, "imgrec_in_flight", "Jobs with an attempt out", MetricType::Gauge,
             static_cast<double>(view.in_flight));
  add_attempts(families, view.attempts);
  add_single(families, "imgrec_websocket_sessions", "Open WebSockets", MetricType::Gauge,
             static_cast<double>(view.sockets));
  add_phases(families, view);
  for (auto& collected : registry_.Collect()) families.push_back(std::move(collected));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace imgrec::manager
