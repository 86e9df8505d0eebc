#include "manager/app/routes.h"

#include <algorithm>
#include <array>

namespace imgrec::manager {
namespace {

constexpr std::string_view kReads = "GET, HEAD, OPTIONS";
constexpr std::string_view kPosts = "POST, OPTIONS";
constexpr auto kInference = Dialect::kInference;

// Health says nothing that is worth a token, and probes have none; the document of the API has to
// be read before one can be sent.
constexpr bool kOpen = false;

constexpr std::array kRoutes = {
    Route{Call::kImages, "/api/v1/images", "GET, HEAD, POST, OPTIONS"},
    Route{Call::kImage, "/api/v1/images/{}", "GET, HEAD, DELETE, OPTIONS"},
    Route{Call::kContent, "/api/v1/images/{}/content", kReads},
    Route{Call::kCluster, "/api/v1/cluster", kReads},
    Route{Call::kSession, "/api/v1/session", kPosts, Dialect::kProblem, kOpen},
    Route{Call::kOpenApi, "/api/v1/openapi.json", kReads, Dialect::kProblem, kOpen},
    Route{Call::kSocket, "/ws", "GET, OPTIONS"},
    Route{Call::kMetrics, "/metrics", kReads},
    Route{Call::kHealth, "/healthz", kReads, Dialect::kProblem, kOpen},
    Route{Call::kReady, "/readyz", kReads, Dialect::kProblem, kOpen},
    Route{Call::kTask, "/api/task", kPosts, Dialect::kTask},
    Route{Call::kTaskPage, "/upload/{}", kReads, Dialect::kTask},
    Route{Call::kServer, "/v2", kReads, kInference},
    Route{Call::kServerLive, "/v2/health/live", kReads, kInference, kOpen},
    Route{Call::kServerReady, "/v2/health/ready", kReads, kInference, kOpen},
    Route{Call::kModelStats, "/v2/models/stats", kReads, kInference},
    Route{Call::kModel, "/v2/models/{}", kReads, kInference},
    Route{Call::kModel, "/v2/models/{}/versions/{}", kReads, kInference},
    Route{Call::kModelReady, "/v2/models/{}/ready", kReads, kInference},
    Route{Call::kModelReady, "/v2/models/{}/versions/{}/ready", kReads, kInference},
    Route{Call::kModelStats, "/v2/models/{}/stats", kReads, kInference},
    Route{Call::kModelStats, "/v2/models/{}/versions/{}/stats", kReads, kInference},
    Route{Call::kModelInfer, "/v2/models/{}/infer", kPosts, kInference},
    Route{Call::kModelInfer, "/v2/models/{}/versions/{}/infer", kPosts, kInference},
};

// Takes the part up to the next slash off the front.
std::string_view take_segment(std::string_view& path) {
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(std::min(end + 1, path.size()));
  return segment;
}

bool matches(std::string_view pattern, std::string_view path,
             std::vector<std::string_view>& segments) {
  segments.clear();
  while (!pattern.empty() && !path.empty()) {
    const bool more = path.find('/') != std::string_view::npos;
    const bool more_expected = pattern.find('/') != std::string_view::npos;
    if (more != more_expected) return false;
    const std::string_view expected = take_segment(pattern);
    const std::string_view found = take_segment(path);
    if (expected == "{}" && !found.empty()) {
      segments.push_back(found);
    } else if (expected != found) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

}  // namespace

bool RouteMatch::takes(std::string_view method) const {
  for (std::string_view rest = route->methods; !rest.empty();) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    if (rest.substr(0, end) == method) return true;
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  return false;
}

std::span<const Route> routes() { return kRoutes; }

std::optional<RouteMatch> match_route(std::string_view path) {
  RouteMatch match{};
  for (const Route& route : kRoutes) {
    if (!matches(route.pattern, path, match.segments)) continue;
    match.route = &route;
    return match;
  }
  return std::nullopt;
}

Dialect dialect_of(std::string_view path) {
  if (const auto match = match_route(path)) return match->route->dialect;
  return path.starts_with("/v2/") ? Dialect::kInference : Dialect::kProblem;
}

}  // namespace imgrec::manager
