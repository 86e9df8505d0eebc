#include "manager/app/api.h"

#include <algorithm>
#include <utility>

#include <boost/asio/write.hpp>
#include <nlohmann/json.hpp>

#include "manager/app/json.h"
#include "manager/app/sessions.h"
#include "manager/http/http_text.h"
#include "manager/http/response_head.h"

namespace imgrec::manager {

namespace {

HttpResponse told(Dialect dialect, const Problem& what) {
  switch (dialect) {
    case Dialect::kTask:
      return task_problem(what);
    case Dialect::kInference:
      return inference_problem(what);
    case Dialect::kProblem:
      break;
  }
  return problem(what);
}

HttpResponse in_dialect(Dialect dialect, const Problem& what) {
  HttpResponse response = told(dialect, what);
  if (what.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

// OPTIONS changes nothing, but a browser asks it before it does.
bool reads_only(const HttpRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

// Do the answers of this call tell the client the session that they are of?
bool makes_session(const RouteMatch& match, const HttpRequest& request) {
  switch (match.route->call) {
    case Call::kImages:
    case Call::kSession:
    case Call::kTask:
      return request.method != "OPTIONS";
    default:
      return false;
  }
}

HttpResponse method_not_allowed(const Route& route) {
  HttpResponse response = in_dialect(
      route.dialect,
      Problem(405, "method_not_allowed", "this address takes " + std::string(route.methods)));
  response.headers.emplace_back("Allow", route.methods);
  return response;
}

HttpResponse no_content() {
  HttpResponse response;
  response.status = 204;
  return response;
}

// A cookie whose session was just made is given with whatever answer comes.
Responder with_cookie(Responder respond, std::string cookie) {
  return [respond = std::move(respond), cookie = std::move(cookie)](HttpResponse response) {
    response.headers.emplace_back("Set-Cookie", cookie);
    respond(std::move(response));
  };
}

// An upgrade that is refused: the socket is Asio's already, so the answer is written by hand.
void refuse_upgrade(UpgradeRequest upgrade, const Problem& why) {
  HttpResponse response = in_dialect(Dialect::kProblem, why);
  make_sendable(response);
  auto socket = std::make_shared<boost::asio::ip::tcp::socket>(std::move(upgrade.socket));
  auto text =
      std::make_shared<std::string>(response_head(response, /*keep_alive=*/false) + *response.body);
  boost::asio::async_write(*socket, boost::asio::buffer(*text),
                           [socket, text](boost::system::error_code, std::size_t) {
                             boost::system::error_code ignored;
                             socket->shutdown(boost::asio::socket_base::shutdown_send, ignored);
                           });
}

Problem token_required() {
  return Problem(401, "token_required",
                 "this server asks for its access token: send Authorization: Bearer TOKEN");
}

}  // namespace

Api::Api(ApiOptions options, const ApiParts& parts)
    : access_(std::move(options.token)),
      cors_(std::move(options.cors_origins)),
      secret_(std::move(options.secret)),
      rates_(options.rate_limit, options.rate_burst),
      feed_(parts.feed),
      files_(parts.files),
      images_(options.images, parts.intake, parts.storage, parts.control),
      operations_(parts.intake, parts.gate, parts.control, parts.feed, parts.metrics),
      tasks_(options.images.upload, parts.intake, images_),
      inference_(options.images, parts.intake, parts.storage, parts.control) {}

void Api::handle(HttpRequest request, Responder respond) {
  const std::string path = request.path;  // the match looks into it
  const auto match = match_route(path);
  const Dialect dialect = dialect_of(path);
  const bool other_origin = cors_.admits(request);
  if (other_origin) {
    std::erase_if(request.headers, [](const auto& header) { return header.first == "cookie"; });
    respond = [respond = std::move(respond),
               origin = std::string(request.header("origin"))](HttpResponse response) {
      CorsPolicy::open(origin, response);
      respond(std::move(response));
    };
  }
  auto session = session_of(request);
  if (!session.ok()) {
    return respond(in_dialect(dialect, Problem(400, "bad_session", session.status().message())));
  }
  if (const auto why = refuse(match ? &*match : nullptr, request, *session, other_origin)) {
    return respond(in_dialect(dialect, *why));
  }
  if (!match) return serve_file(request, *session, respond);
  if (request.method == "OPTIONS") {
    HttpResponse response = no_content();
    response.headers.emplace_back("Allow", match->route->methods);
    if (other_origin) CorsPolicy::allow(match->route->methods, response);
    return respond(std::move(response));
  }
  if (!match->takes(request.method)) return respond(method_not_allowed(*match->route));
  answer(*match, std::move(request), *std::move(session), std::move(respond));
}

std::optional<Problem> Api::too_often(const HttpRequest& request) {
  std::optional<std::chrono::nanoseconds> wait;
  {
    const std::scoped_lock lock(rates_mutex_);
    wait = rates_.refuse(rate_key(request.peer), std::chrono::steady_clock::now());
  }
  if (!wait) return std::nullopt;
  return Problem(429, "rate_limited", "this address makes more requests than it may: wait a moment")
      .after(std::chrono::ceil<std::chrono::seconds>(*wait));
}

std::optional<Problem> Api::refuse(const RouteMatch* match, const HttpRequest& request,
                                   const SessionId& session, bool other_origin) {
  const Call call = match ? match->route->call : Call::kImages;
  const bool probe = match && (call == Call::kHealth || call == Call::kReady ||
                               call == Call::kServerLive || call == Call::kServerReady);
  if (!probe) {
    if (auto why = too_often(request)) return why;
  }
  if (!reads_only(request) && !other_origin && !same_site(request)) {
    return Problem(403, "cross_site", "another site's page may not change anything here");
  }
  if (match && match->route->guarded && request.method != "OPTIONS" &&
      !access_.admits(request, session)) {
    return token_required();
  }
  return std::nullopt;
}

// Everything that this request makes belongs to the session that its answer names.
void Api::answer(const RouteMatch& match, HttpRequest request, SessionId session,
                 Responder respond) {
  if (session.empty() && makes_session(match, request)) {
    const std::string_view key = request.header("idempotency-key");
    const bool repeatable = match.route->call == Call::kImages && !key.empty();
    session = repeatable ? session_of_key(key, secret_) : new_session();
    respond = with_cookie(std::move(respond), session_cookie(session, request));
  }
  dispatch(match, std::move(request), session, respond);
}

void Api::dispatch(const RouteMatch& match, HttpRequest request, const SessionId& session,
                   const Responder& respond) {
  switch (match.route->call) {
    case Call::kImages:
    case Call::kImage:
    case Call::kContent:
      return images_.handle(match, std::move(request), session, respond);
    case Call::kSession:
      return begin_session(request, session, respond);
    case Call::kCluster:
    case Call::kOpenApi:
    case Call::kSocket:
    case Call::kMetrics:
    case Call::kHealth:
    case Call::kReady:
      return operations_.handle(match, request, respond);
    case Call::kTask:
    case Call::kTaskPage:
      return tasks_.handle(match, std::move(request), session, respond);
    case Call::kServer:
    case Call::kServerLive:
    case Call::kServerReady:
    case Call::kModel:
    case Call::kModelReady:
    case Call::kModelStats:
    case Call::kModelInfer:
      return inference_.handle(match, std::move(request), respond);
  }
}

// The page's first request makes its session, so that all that follow are of one.
void Api::serve_file(const HttpRequest& request, const SessionId& session,
                     const Responder& respond) {
  const bool asks = request.method == "OPTIONS";
  HttpRequest looked_at;
  if (asks) {
    looked_at.method = "HEAD";
    looked_at.path = request.path;
  }
  auto file = files_.respond(asks ? looked_at : request);
  if (!file) {
    return respond(in_dialect(dialect_of(request.path),
                              Problem(404, "not_found", "there is nothing at this address")));
  }
  if (asks) {
    HttpResponse response = no_content();
    response.headers.emplace_back("Allow", "GET, HEAD, OPTIONS");
    return respond(std::move(response));
  }
  if (session.empty() && file->content_type.starts_with("text/html")) {
    file->headers.emplace_back("Set-Cookie", session_cookie(new_session(), request));
  }
  respond(std::move(*file));
}

// {"token":"…"} for a page, which cannot send Authorization with everything that it loads.
void Api::begin_session(const HttpRequest& request, const SessionId& session,
                        const Responder& respond) {
  if (!access_.asks()) return respond(no_content());
  constexpr std::size_t kMaxBody = 4096;
  const auto json = request.body.size() > kMaxBody
                        ? nlohmann::json()
                        : nlohmann::json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  const bool named = json.is_object() && json.contains("token") && json["token"].is_string();
  if (!named) {
    return respond(problem(400, "bad_request", "send JSON: {\"token\": \"the access token\"}"));
  }
  if (!access_.is_token(json["token"].get_ref<const std::string&>())) {
    return respond(in_dialect(Dialect::kProblem,
                              Problem(401, "bad_token", "that is not this server's access token")));
  }
  HttpResponse response = no_content();
  response.headers.emplace_back("Set-Cookie", access_.cookie(session, request));
  respond(std::move(response));
}

void Api::upgrade(UpgradeRequest upgrade) {
  const HttpRequest& request = upgrade.request;
  const auto refused = [&](const Problem& why) { refuse_upgrade(std::move(upgrade), why); };
  const auto match = match_route(request.path);
  if (!match || match->route->call != Call::kSocket) {
    return refused(Problem(404, "not_found", "the WebSocket is at /ws"));
  }
  auto session = session_of(request);
  if (!session.ok()) return refused(Problem(400, "bad_session", session.status().message()));
  if (!same_site(request)) {
    return refused(Problem(403, "cross_site", "another site's page may not listen here"));
  }
  if (const auto why = refuse(&*match, request, *session, /*other_origin=*/false)) {
    return refused(*why);
  }
  if (session->empty()) {
    return refused(
        Problem(401, "no_session",
                "open the page first (it sets the session's cookie), or send X-Session"));
  }
  constexpr auto kLast = static_cast<std::uint64_t>(INT64_MAX);
  const auto after = query_number(request, "after", 0, 0, kLast);
  if (!after) return refused(bad_number("after", 0, kLast));
  const bool replay = request.has_query("after");
  feed_.open(std::move(upgrade), *std::move(session),
             replay ? std::optional(*after) : std::nullopt);
}

}  // namespace imgrec::manager
