// A page of Prometheus metrics, put together family by family.
//
// Only for programs that link prometheus-cpp (core): the library imgrec_common itself does not.
//
// Thread rule: confined to one thread. Owns: the families.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace imgrec {

class MetricFamilies {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;
  // A value of a family's one label, and what is counted or measured there.
  using Values = std::vector<std::pair<std::string, double>>;

  void counter(std::string name, std::string help, std::uint64_t value) {
    one(std::move(name), std::move(help), prometheus::MetricType::Counter, number(value));
  }
  void gauge(std::string name, std::string help, double value) {
    one(std::move(name), std::move(help), prometheus::MetricType::Gauge, value);
  }
  void counters(std::string name, std::string help, const std::string& label, Values values) {
    by_label(std::move(name), std::move(help), prometheus::MetricType::Counter, label,
             std::move(values));
  }
  void gauges(std::string name, std::string help, const std::string& label, Values values) {
    by_label(std::move(name), std::move(help), prometheus::MetricType::Gauge, label,
             std::move(values));
  }
  // What something is, in its labels; its value is 1.
  void info(std::string name, std::string help, Labels labels) {
    auto& family = begin(std::move(name), std::move(help), prometheus::MetricType::Gauge);
    family.metric.push_back(sample(family.type, 1, std::move(labels)));
  }
  // Of samples that were made elsewhere: histograms, summaries.
  void add(std::string name, std::string help, prometheus::MetricType type,
           std::vector<prometheus::ClientMetric> samples) {
    begin(std::move(name), std::move(help), type).metric = std::move(samples);
  }
  void add(std::vector<prometheus::MetricFamily> families) {
    for (auto& family : families) all_.push_back(std::move(family));
  }

  // The text exposition format, version 0.0.4.
  std::string text() const { return prometheus::TextSerializer().Serialize(all_); }

  static double number(std::uint64_t n) { return static_cast<double>(n); }

 private:
  // Good until the next one begins.
  prometheus::MetricFamily& begin(std::string name, std::string help, prometheus::MetricType type) {
    return all_.emplace_back(prometheus::MetricFamily{std::move(name), std::move(help), type, {}});
  }

  static prometheus::ClientMetric sample(prometheus::MetricType type, double value, Labels labels) {
    prometheus::ClientMetric sample;
    sample.label = std::move(labels);
    if (type == prometheus::MetricType::Counter) {
      sample.counter.value = value;
    } else {
      sample.gauge.value = value;
    }
    return sample;
  }

  void one(std::string name, std::string help, prometheus::MetricType type, double value) {
    begin(std::move(name), std::move(help), type).metric.push_back(sample(type, value, {}));
  }

  void by_label(std::string name, std::string help, prometheus::MetricType type,
                const std::string& label, Values values) {
    auto& family = begin(std::move(name), std::move(help), type);
    for (auto& [value_of_label, value] : values) {
      family.metric.push_back(sample(type, value, {{label, std::move(value_of_label)}}));
    }
  }

  std::vector<prometheus::MetricFamily> all_;
};

}  // namespace imgrec
