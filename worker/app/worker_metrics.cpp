#include "worker/app/worker_metrics.h"

#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "common/metric_families.h"
#include "common/options.h"

namespace imgrec::worker {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;

double seconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

void add_photos(MetricFamilies& out, const WorkerCounters& counters) {
  out.counters("imgrec_worker_photos_total",
               "Attempts that managers assigned, by how they were answered", "result",
               {{"done", MetricFamilies::number(counters.done)},
                {"failed", MetricFamilies::number(counters.failed - counters.returned)},
                {"returned", MetricFamilies::number(counters.returned)}});
  out.counter("imgrec_worker_cached_answers_total",
              "Attempts answered from the cache, without computing", counters.from_cache);
  out.counter("imgrec_worker_inferences_total",
              "Inferences; fewer than photos where some were computed together",
              counters.inferences);
  out.counter("imgrec_worker_unwanted_total", "Photos computed that nobody waited for any more",
              counters.unwanted);
}

void add_work(MetricFamilies& out, const WorkerStatus& status) {
  out.gauge("imgrec_worker_streams", "Threads that compute", status.streams);
  out.gauge("imgrec_worker_batch", "Photos that one of them computes together, at most",
            status.batch);
  out.gauge("imgrec_worker_running", "Photos being computed", status.load.running);
  out.gauge("imgrec_worker_queued", "Photos that wait to be computed", status.load.queued);
}

void add_time(MetricFamilies& out, std::string name, std::string help, const WorkTime& time) {
  ClientMetric metric;
  metric.histogram.sample_count = time.count;
  metric.histogram.sample_sum = seconds(time.sum);
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < time.counts.size(); ++i) {
    so_far += time.counts[i];
    ClientMetric::Bucket bucket;
    bucket.cumulative_count = so_far;
    bucket.upper_bound = i < WorkTime::kBounds.size() ? seconds(WorkTime::kBounds[i])
                                                      : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back(bucket);
  }
  out.add(std::move(name), std::move(help), MetricType::Histogram, {metric});
}

// One label value for each manager that is configured or that its name resolves to: few, and
// bounded (manager_directory.h).
void add_managers(MetricFamilies& out, const WorkerStatus& status) {
  MetricFamilies::Values connected;
  MetricFamilies::Values held;
  for (const ManagerStatus& each : status.managers) {
    connected.emplace_back(each.manager, each.connected ? 1 : 0);
    held.emplace_back(each.manager, each.held);
  }
  out.gauges("imgrec_worker_manager_connected", "1: registered with this manager; 0: not",
             "manager", std::move(connected));
  out.gauges("imgrec_worker_manager_held", "Photos of this manager that wait for an answer",
             "manager", std::move(held));
  out.gauge("imgrec_worker_manager_credit", "Photos that each manager may have here at once",
            status.credit);
  out.counter("imgrec_worker_reconnects_total",
              "Registrations with a manager whose connection had ended", status.reconnects);
}

void add_state(MetricFamilies& out, const WorkerStatus& status) {
  out.gauge("imgrec_worker_ready", "1: warm, registered and not leaving; 0: not",
            status.ready() ? 1 : 0);
  out.gauge("imgrec_worker_draining", "1: finishes what it has begun, and leaves",
            status.leaving ? 1 : 0);
  out.gauge("imgrec_worker_model_loading", "1: another model is being loaded or warmed up",
            status.reloading ? 1 : 0);
  out.info("imgrec_worker_model_info", "The model that serves",
           {{"name", status.model_name},
            {"digest", status.model_digest},
            {"classes", std::to_string(status.classes)}});
  out.info("imgrec_build_info", "What this program is",
           {{"program", "imgrec-worker"}, {"version", std::string(version())}});
}

}  // namespace

std::string worker_metrics_text(const WorkerStatus& status) {
  MetricFamilies families;
  add_state(families, status);
  add_photos(families, status.counters);
  add_work(families, status);
  add_managers(families, status);
  add_time(families, "imgrec_worker_decode_seconds", "Decoding and resizing of one photo",
           status.counters.decode);
  add_time(families, "imgrec_worker_inference_seconds", "Inference of one photo, or its share",
           status.counters.inference);
  return families.text();
}

}  // namespace imgrec::worker
