#include "manager/app/operations_api.h"

#include <memory>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "manager/app/json.h"
#include "manager/app/openapi.h"
#include "manager/app/problem.h"

namespace imgrec::manager {
namespace {

HttpResponse plain(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.headers = {{"Cache-Control", "no-store"}};
  response.body = std::make_shared<const std::string>(std::move(text));
  return response;
}

HttpResponse upgrade_required() {
  HttpResponse response = problem(426, "upgrade_required", "this address speaks WebSocket");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

HttpResponse openapi() {
  HttpResponse response;
  response.content_type = "application/json";
  response.headers = {{"Cache-Control", "no-cache"}};
  response.body = openapi_document();
  return response;
}

}  // namespace

void OperationsApi::handle(const RouteMatch& match, const HttpRequest& request,
                           const Responder& respond) {
  switch (match.route->call) {
    case Call::kCluster:
      return get_cluster(request, respond);
    case Call::kMetrics:
      return get_metrics(respond);
    case Call::kOpenApi:
      return respond(openapi());
    case Call::kSocket:
      return respond(upgrade_required());
    case Call::kReady:
      return respond(intake_.open() ? plain(200, "ready\n") : plain(503, "shutting down\n"));
    default:
      return respond(plain(200, "ok\n"));  // it answers, so it lives
  }
}

void OperationsApi::get_cluster(const HttpRequest& request, const Responder& respond) {
  constexpr std::uint64_t kMost = ClusterHistory::kSamples;
  const auto seconds = query_number(request, "history", 0, 1, kMost);
  if (!seconds) return respond(problem(bad_number("history", 1, kMost)));
  control_.read_cluster(
      [this, respond](ClusterView view) {
        view.sockets = feed_.sockets();
        respond(json_response(200, cluster_json(view)));
      },
      *seconds > 0 ? std::optional(std::chrono::seconds(*seconds)) : std::nullopt);
}

void OperationsApi::get_metrics(const Responder& respond) {
  control_.read_cluster([this, respond](ClusterView view) {
    view.sockets = feed_.sockets();
    HttpResponse response = plain(200, metrics_.text(view, gate_.view()));
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    respond(std::move(response));
  });
}

}  // namespace imgrec::manager
