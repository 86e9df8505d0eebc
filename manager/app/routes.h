// The table of the API's addresses: which call a path means, and which methods it takes. What is
// not in it is a file of the website, or nothing.
//
// Thread rule: constants and pure functions. Owns: nothing; a match views the path it was made of.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace imgrec::manager {

enum class Call {
  kImages,
  kImage,
  kContent,
  kCluster,
  kSession,
  kOpenApi,
  kSocket,
  kMetrics,
  kHealth,
  kReady,
  kTask,      // the course project's API
  kTaskPage,  // the same
  kServer,    // the Open Inference Protocol, from here on
  kServerLive,
  kServerReady,
  kModel,
  kModelReady,
  kModelStats,
  kModelInfer,
};

// How a call tells its problems.
enum class Dialect { kProblem, kInference, kTask };

struct Route {
  Call call;
  std::string_view pattern;  // "{}" stands for one segment
  std::string_view methods;  // as in Allow
  Dialect dialect = Dialect::kProblem;
  bool guarded = true;  // asks for the access token, where there is one
};

struct RouteMatch {
  const Route* route;
  std::vector<std::string_view> segments;  // what stood for each "{}"

  bool takes(std::string_view method) const;
};

std::span<const Route> routes();

// `path`: percent-decoded.
std::optional<RouteMatch> match_route(std::string_view path);

// How problems at this address are told, also where nothing is at it. `path`: percent-decoded.
Dialect dialect_of(std::string_view path);

}  // namespace imgrec::manager
