#include "manager/app/json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <utility>

#include <nlohmann/json.hpp>

namespace imgrec::manager {
using Json = nlohmann::ordered_json;

namespace {

// Milliseconds with three digits behind the point; more would be noise.
double milliseconds(std::chrono::microseconds us) {
  return static_cast<double>(us.count()) / 1000.0;
}

double hundredths(double value) { return std::round(value * 100) / 100; }

Json milliseconds_or_null(const std::optional<std::chrono::microseconds>& time) {
  return time ? Json(milliseconds(*time)) : Json(nullptr);
}

Json number_or_null(const std::optional<std::uint64_t>& number) {
  return number ? Json(*number) : Json(nullptr);
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json timing_json(const ImageTiming& timing) {
  return {{"upload", milliseconds(timing.upload)},       {"queue", milliseconds(timing.queue)},
          {"wire", milliseconds(timing.wire)},           {"decode", milliseconds(timing.decode)},
          {"inference", milliseconds(timing.inference)}, {"push", milliseconds(timing.push)},
          {"total", milliseconds(timing.total)}};
}

Json model_json(const std::optional<ModelIdentity>& model) {
  if (!model) return nullptr;
  return {{"name", model->name}, {"digest", model->digest}, {"classes", model->classes}};
}

Json rate_json(const RateMeter::Rate& rate, const net::TrafficMeter::Rate& wire) {
  return {{"images_per_s", rate.images_per_s},
          {"bits_per_s", rate.bits_per_s},
          {"wire_out_bits_per_s", std::round(wire.bits_out_per_s)},
          {"wire_in_bits_per_s", std::round(wire.bits_in_per_s)}};
}

Json percentiles_json(const std::optional<Percentiles>& of) {
  if (!of) return nullptr;
  return {{"p50_ms", milliseconds(of->p50)},
          {"p90_ms", milliseconds(of->p90)},
          {"p99_ms", milliseconds(of->p99)}};
}

Json latency_json(const LatencySummary& latency) {
  Json json{{"images", latency.count}};
  for (std::size_t i = 0; i < kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    json[std::string(to_string(phase))] = percentiles_json(latency[phase]);
  }
  return json;
}

// A sample's figures by name; the history has a column of each.
using SampleFields = std::array<std::pair<const char*, Json>, 11>;

SampleFields sample_fields(const ClusterSample& sample) {
  const auto& total = sample.total;
  return {{{"second", sample.second},
           {"images_per_s", hundredths(sample.images_per_s)},
           {"bits_per_s", std::round(sample.bits_per_s)},
           {"wire_out_bits_per_s", std::round(sample.wire_out_bits_per_s)},
           {"wire_in_bits_per_s", std::round(sample.wire_in_bits_per_s)},
           {"queue_depth", sample.queue_depth},
           {"in_flight", sample.in_flight},
           {"workers", sample.workers},
           {"p50_ms", total ? Json(milliseconds(total->p50)) : Json(nullptr)},
           {"p90_ms", total ? Json(milliseconds(total->p90)) : Json(nullptr)},
           {"p99_ms", total ? Json(milliseconds(total->p99)) : Json(nullptr)}}};
}

Json sample_json(const std::optional<ClusterSample>& sample) {
  if (!sample) return nullptr;
  Json json;
  for (auto& [name, value] : sample_fields(*sample)) json[name] = std::move(value);
  return json;
}

// Columns rather than rows: the names are said once.
Json history_json(const std::vector<ClusterSample>& samples) {
  Json columns = Json::object();
  for (const auto& [name, value] : sample_fields({})) columns[name] = Json::array();
  for (const ClusterSample& sample : samples) {
    for (auto& [name, value] : sample_fields(sample)) columns[name].push_back(std::move(value));
  }
  return columns;
}

Json share_or_null(const std::optional<double>& share) {
  return share ? Json(std::round(*share * 10'000) / 10'000) : Json(nullptr);
}

// What the kernel says of a worker's connection; null where it does not.
void add_link(Json& json, const std::optional<LinkFigures>& link) {
  const net::TcpFigures tcp = link ? link->tcp : net::TcpFigures{};
  json["tcp_rtt_ms"] = milliseconds_or_null(tcp.rtt);
  json["tcp_least_rtt_ms"] = milliseconds_or_null(tcp.least_rtt);
  json["delivery_bits_per_s"] = number_or_null(tcp.delivery_bits_per_s);
  json["unacknowledged_bytes"] = number_or_null(tcp.unacknowledged_bytes);
  json["connections"] = link ? Json(tcp.connections) : Json(nullptr);
  json["congestion_control"] = text_or_null(tcp.congestion_control);
  json["congestion_window_bytes"] = number_or_null(tcp.congestion_window_bytes);
  const auto& wire = link ? link->wire : std::nullopt;
  const auto of_wire = [&wire](auto read) { return wire ? Json(read(*wire)) : Json(nullptr); };
  using Wire = LinkFigures::Wire;
  json["retransmissions"] = of_wire([](const Wire& w) { return w.traffic.retransmissions; });
  json["retransmitted_share"] =
      wire ? share_or_null(wire->last_minute.retransmitted) : Json(nullptr);
  json["wire_out_bytes"] = of_wire([](const Wire& w) { return w.traffic.wire_bytes_out; });
  json["wire_in_bytes"] = of_wire([](const Wire& w) { return w.traffic.wire_bytes_in; });
  json["wire_out_bits_per_s"] =
      of_wire([](const Wire& w) { return std::round(w.last_10s.bits_out_per_s); });
  json["wire_in_bits_per_s"] =
      of_wire([](const Wire& w) { return std::round(w.last_10s.bits_in_per_s); });
}

// Of all workers' connections since the start, but for the share: that is of the last minute.
Json wire_json(const WireFigures& wire) {
  const net::TcpTraffic& traffic = wire.traffic;
  return {{"out_bytes", traffic.wire_bytes_out},
          {"in_bytes", traffic.wire_bytes_in},
          {"data_segments", traffic.data_segments_out},
          {"retransmissions", traffic.retransmissions},
          {"retransmitted_bytes", traffic.retransmitted_bytes},
          {"retransmitted_share", share_or_null(wire.last_minute.retransmitted)}};
}

Json worker_json(const WorkerSnapshot& worker) {
  Json json{{"id", worker.id},
            {"name", worker.name},
            {"state", worker.draining  ? "draining"
                      : worker.ejected ? "ejected"
                                       : "ready"},
            {"model", worker.model.name},
            {"digest", worker.model.digest},
            {"credit", worker.credit},
            {"window", worker.window},
            {"in_flight", worker.in_flight},
            {"done", worker.done},
            {"failed", worker.failed},
            {"images_per_s", worker.images_per_s},
            {"service_ms", milliseconds(worker.service_time)},
            {"rtt_ms", milliseconds_or_null(worker.rtt)},
            {"address", worker.address},
            {"connected_s", worker.connected.count()}};
  add_link(json, worker.link);
  return json;
}

SharedText share(const Json& json) { return std::make_shared<const std::string>(dump(json)); }

}  // namespace

std::string rfc3339(WallTime time) {
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t whole = static_cast<std::time_t>(since_epoch / 1000);
  std::tm utc{};
  gmtime_r(&whole, &utc);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(since_epoch % 1000));
  return std::string(text.data(), length) + fraction.data();
}

Json image_json(const ImageRecord& image, unsigned top) {
  const std::string url = "/api/v1/images/" + image.id.text;
  const bool settled = is_settled(image.state);
  Json json{{"id", image.id.text},
            {"name", image.name},
            {"state", to_string(image.state)},
            {"created", rfc3339(image.created)},
            {"settled", image.settled ? Json(rfc3339(*image.settled)) : Json(nullptr)},
            {"url", url},
            {"content_url", url + "/content"},
            {"media_type", image.media_type},
            {"bytes", image.bytes},
            {"width", image.width},
            {"height", image.height},
            {"model", text_or_null(image.model)}};
  Json predictions = Json::array();
  for (std::size_t i = 0; i < std::min<std::size_t>(top, image.top.size()); ++i) {
    const Prediction& p = image.top[i];
    predictions.push_back({{"index", p.index}, {"label", p.label}, {"score", p.score}});
  }
  json["top"] = std::move(predictions);
  json["unsure"] = image.unsure;
  json["attempts"] = image.attempts;
  json["worker"] = text_or_null(image.worker);
  json["seq"] = image.settle_seq != 0 ? Json(image.settle_seq) : Json(nullptr);
  json["timing_ms"] = settled ? timing_json(image.timing) : Json(nullptr);
  json["error"] = image.error ? Json{{"code", image.error->code}, {"detail", image.error->detail}}
                              : Json(nullptr);
  return json;
}

Json cluster_json(const ClusterView& view) {
  Json workers = Json::array();
  for (const auto& worker : view.workers) workers.push_back(worker_json(worker));
  Json json{
      {"workers", std::move(workers)},
      {"queue_depth", view.queue_depth},
      {"in_flight", view.in_flight},
      {"model", model_json(view.model)},
      {"totals",
       {{"accepted", view.totals.accepted},
        {"done", view.totals.done},
        {"failed", view.totals.failed},
        {"open", view.totals.open}}},
      {"throughput",
       {{"10s", rate_json(view.last_10s, view.wire.last_10s)},
        {"1m", rate_json(view.last_minute, view.wire.last_minute)},
        {"all", rate_json(view.overall, view.wire.overall)}}},
      {"wire", wire_json(view.wire)},
      {"latency", {{"1m", latency_json(view.latency)}}},
      {"sockets", view.sockets},
      {"uptime_s", view.uptime.count()},
      {"join", {{"port", view.join.port}, {"tls", view.join.tls}, {"token", view.join.token}}},
      {"sample", sample_json(view.newest)}};
  if (view.history) json["history"] = history_json(*view.history);
  return json;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

HttpResponse json_response(int status, const Json& json) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  response.headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  response.body = std::make_shared<const std::string>(dump(json) + "\n");
  return response;
}

SharedText hello_event(std::uint64_t seq, const std::optional<ModelIdentity>& model) {
  return share({{"type", "hello"}, {"seq", seq}, {"model", model_json(model)}});
}

SharedText image_event(const ImageRecord& image) {
  return share({{"type", "image"}, {"seq", image.settle_seq}, {"image", image_json(image)}});
}

SharedText state_event(const StateHint& hint) {
  return share({{"type", "state"},
                {"id", hint.id.text},
                {"state", to_string(hint.state)},
                {"attempts", hint.attempts},
                {"worker", text_or_null(hint.worker)}});
}

SharedText deleted_event(const ImageId& id) {
  return share({{"type", "deleted"}, {"id", id.text}});
}

SharedText cluster_event(const ClusterView& view) {
  return share({{"type", "cluster"}, {"cluster", cluster_json(view)}});
}

}  // namespace imgrec::manager
