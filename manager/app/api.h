// The front of the API: who is asking, whether he may, and which call he means. The calls
// themselves are in images_api, operations_api, task_api; what is no call is a file of the website.
//
// Thread rule: handle() on any thread (the HTTP reactors'), upgrade() on the io_context's; neither
// blocks.
// Owns: nothing but its options and the request rates. Borrows the rest, which outlives it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "manager/app/access.h"
#include "manager/app/images_api.h"
#include "manager/app/inference_api.h"
#include "manager/app/live_feed.h"
#include "manager/app/operations_api.h"
#include "manager/app/problem.h"
#include "manager/app/routes.h"
#include "manager/app/task_api.h"
#include "manager/core/rate_limiter.h"
#include "manager/http/http_message.h"
#include "manager/http/http_server.h"
#include "manager/http/static_files.h"

namespace imgrec::manager {

struct ApiOptions {
  ImagesApiOptions images;
  std::shared_ptr<const proto::JoinToken> token;  // null: the API is open
  std::vector<std::string> cors_origins;
  double rate_limit = 0;  // requests a second of one address; 0: any
  unsigned rate_burst = 1;
  std::string secret;          // the data directory's
  bool public_metrics = true;  // false: they are on the operations port instead
};

// What the calls work on.
struct ApiParts {
  Intake& intake;
  Storage& storage;
  AdmissionGate& gate;
  Control& control;
  LiveFeed& feed;
  Metrics& metrics;
  const StaticFiles& files;
};

class Api {
 public:
  Api(ApiOptions options, const ApiParts& parts);

  void handle(HttpRequest request, Responder respond);
  void upgrade(UpgradeRequest upgrade);

  Control::ImageObserver& observer() { return inference_; }

 private:
  std::optional<RouteMatch> find_route(std::string_view path) const;
  std::optional<Problem> too_often(const RouteMatch* match, const HttpRequest& request);
  // Why the request is not let in, whatever it wants.
  std::optional<Problem> refuse(const RouteMatch* match, const HttpRequest& request,
                                const SessionId& session, bool other_origin);
  void answer(const RouteMatch& match, HttpRequest request, SessionId session, Responder respond);
  void dispatch(const RouteMatch& match, HttpRequest request, const SessionId& session,
                const Responder& respond);
  std::optional<HttpResponse> page_for_nothing(const HttpRequest& request);
  void serve_file(const HttpRequest& request, const Responder& respond);
  void begin_session(const HttpRequest& request, const SessionId& session,
                     const Responder& respond);

  const AccessControl access_;
  const CorsPolicy cors_;
  const std::string secret_;
  const bool public_metrics_;
  std::mutex rates_mutex_;
  RateLimiter rates_;  // guarded by rates_mutex_
  LiveFeed& feed_;
  const StaticFiles& files_;
  ImagesApi images_;
  OperationsApi operations_;
  TaskApi tasks_;
  InferenceApi inference_;
};

}  // namespace imgrec::manager
