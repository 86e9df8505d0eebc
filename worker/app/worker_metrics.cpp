#include "worker/app/worker_metrics.h"

#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "common/options.h"

namespace imgrec::worker {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  MetricFamily& begin(std::string name, std::string help, MetricType type) {
    MetricFamily& family = all_.emplace_back();
    family.name = std::move(name);
    family.help = std::move(help);
    family.type = type;
    return family;
  }
  static void add(MetricFamily& family, double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (family.type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family.metric.push_back(std::move(metric));
  }
  void single(std::string name, std::string help, MetricType type, double value) {
    add(begin(std::move(name), std::move(help), type), value);
  }
  const std::vector<MetricFamily>& all() const { return all_; }

 private:
  std::vector<MetricFamily> all_;
};

double number(std::uint64_t n) { return static_cast<double>(n); }

double seconds(std::chrono::microseconds time) {
  return std::chrono::duration<double>(time).count();
}

void add_photos(Families& out, const WorkerCounters& counters) {
  MetricFamily& photos =
      out.begin("imgrec_worker_photos_total",
                "Attempts that managers assigned, by how they were answered", MetricType::Counter);
  Families::add(photos, number(counters.done), {{"result", "done"}});
  Families::add(photos, number(counters.failed - counters.returned), {{"result", "failed"}});
  Families::add(photos, number(counters.returned), {{"result", "returned"}});
  out.single("imgrec_worker_cached_answers_total",
             "Attempts answered from the cache, without computing", MetricType::Counter,
             number(counters.from_cache));
  out.single("imgrec_worker_unwanted_total", "Photos computed that nobody waited for any more",
             MetricType::Counter, number(counters.unwanted));
}

void add_work(Families& out, const WorkerStatus& status) {
  out.single("imgrec_worker_streams", "Photos computed at once, at most", MetricType::Gauge,
             status.streams);
  out.single("imgrec_worker_running", "Photos being computed", MetricType::Gauge,
             status.load.running);
  out.single("imgrec_worker_queued", "Photos that wait to be computed", MetricType::Gauge,
             status.load.queued);
}

void add_time(Families& out, std::string name, std::string help, const WorkTime& time) {
  MetricFamily& family = out.begin(std::move(name), std::move(help), MetricType::Histogram);
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
  family.metric.push_back(std::move(metric));
}

// One label value for each manager that is configured or that its name resolves to: few, and
// bounded (manager_directory.h).
void add_managers(Families& out, const WorkerStatus& status) {
  MetricFamily connected = {"imgrec_worker_manager_connected",
                            "1: registered with this manager; 0: not",
                            MetricType::Gauge,
                            {}};
  MetricFamily held = {"imgrec_worker_manager_held",
                       "Photos of this manager that wait for an answer",
                       MetricType::Gauge,
                       {}};
  for (const ManagerStatus& each : status.managers) {
    Families::add(connected, each.connected ? 1 : 0, {{"manager", each.manager}});
    Families::add(held, each.held, {{"manager", each.manager}});
  }
  for (MetricFamily* family : {&connected, &held}) {
    out.begin(family->name, family->help, family->type).metric = std::move(family->metric);
  }
  out.single("imgrec_worker_manager_credit", "Photos that each manager may have here at once",
             MetricType::Gauge, status.credit);
  out.single("imgrec_worker_reconnects_total",
             "Registrations with a manager whose connection had ended", MetricType::Counter,
             number(status.reconnects));
}

void add_state(Families& out, const WorkerStatus& status) {
  out.single("imgrec_worker_ready", "1: warm, registered and not leaving; 0: not",
             MetricType::Gauge, status.ready() ? 1 : 0);
  out.single("imgrec_worker_draining", "1: finishes what it has begun, and leaves",
             MetricType::Gauge, status.leaving ? 1 : 0);
  out.single("imgrec_worker_model_loading", "1: another model is being loaded or warmed up",
             MetricType::Gauge, status.reloading ? 1 : 0);
  Families::add(out.begin("imgrec_worker_model_info", "The model that serves", MetricType::Gauge),
                1,
                {{"name", status.model_name},
                 {"digest", status.model_digest},
                 {"classes", std::to_string(status.classes)}});
  Families::add(out.begin("imgrec_build_info", "What this program is", MetricType::Gauge), 1,
                {{"program", "imgrec-worker"}, {"version", std::string(version())}});
}

}  // namespace

std::string worker_metrics_text(const WorkerStatus& status) {
  Families families;
  add_state(families, status);
  add_photos(families, status.counters);
  add_work(families, status);
  add_managers(families, status);
  add_time(families, "imgrec_worker_decode_seconds", "Decoding and resizing of one photo",
           status.counters.decode);
  add_time(families, "imgrec_worker_inference_seconds", "Inference of one photo",
           status.counters.inference);
  return prometheus::TextSerializer().Serialize(families.all());
}

}  // namespace imgrec::worker
