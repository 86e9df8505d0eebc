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

// Does this call need a session, be it one that is made for it?
bool makes_session(Call call) {
  return call == Call::kImages || call == Call::kSession || call == Call::kTask;
}

// Is it the session's business what this call answers?
bool names_session(Call call) {
  return call == Call::kImages || call == Call::kImage || call == Call::kContent ||
         call == Call::kSession || call == Call::kTask || call == Call::kTaskPage ||
         call == Call::kSocket;
}

bool is_probe(Call call) {
  return call == Call::kHealth || call == Call::kReady || call == Call::kServerLive ||
         call == Call::kServerReady;
}

Problem bad_session(const Status& why) { return Problem(400, "bad_session", why.message()); }

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

// For a page of another origin: it may read the answer, and leaves no cookie of ours in the
// browser.
Responder without_cookies(Responder respond, std::string origin) {
  return [respond = std::move(respond), origin = std::move(origin)](HttpResponse response) {
    std::erase_if(response.headers, [](const auto& header) {
      return equals_ignoring_case(header.first, "Set-Cookie");
    });
    CorsPolicy::open(origin, response);
    respond(std::move(response));
  };
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
      public_metrics_(options.public_metrics),
      rates_(options.rate_limit, options.rate_burst),
      feed_(parts.feed),
      files_(parts.files),
      images_(options.images, parts.intake, parts.storage, parts.control),
      operations_(parts.intake, parts.gate, parts.control, parts.feed, parts.metrics),
      tasks_(options.images.upload, parts.intake, images_),
      inference_(options.images, parts.intake, parts.storage, parts.control) {}

std::optional<RouteMatch> Api::find_route(std::string_view path) const {
  auto match = match_route(path);
  if (match && match->route->call == Call::kMetrics && !public_metrics_) match.reset();
  return match;
}

void Api::handle(HttpRequest request, Responder respond) {
  const std::string path = request.path;  // the match looks into it
  const auto match = find_route(path);
  const Dialect dialect = dialect_of(path);
  const bool other_origin = cors_.admits(request);
  if (other_origin) {
    std::erase_if(request.headers, [](const auto& header) { return header.first == "cookie"; });
    respond = without_cookies(std::move(respond), std::string(request.header("origin")));
  }
  const RouteMatch* const found = match ? &*match : nullptr;
  if (const auto why = too_often(found, request)) return respond(in_dialect(dialect, *why));
  auto session = session_of(request);
  if (!session.ok()) {
    if (match && names_session(match->route->call)) {
      return respond(in_dialect(dialect, bad_session(session.status())));
    }
    session = SessionId{};
  }
  if (const auto why = refuse(found, request, *session, other_origin)) {
    return respond(in_dialect(dialect, *why));
  }
  if (!match) return serve_file(request, respond);
  if (request.method == "OPTIONS") {
    HttpResponse response = no_content();
    response.headers.emplace_back("Allow", match->route->methods);
    if (other_origin) CorsPolicy::allow(match->route->methods, response);
    return respond(std::move(response));
  }
  if (!match->takes(request.method)) return respond(method_not_allowed(*match->route));
  answer(*match, std::move(request), *std::move(session), std::move(respond));
}

std::optional<Problem> Api::too_often(const RouteMatch* match, const HttpRequest& request) {
  if (match && is_probe(match->route->call)) return std::nullopt;
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
  if (!reads_only(request) && !other_origin && !same_site(request)) {
    return Problem(403, "cross_site", "another site's page may not change anything here");
  }
  if (match && match->route->guarded && request.method != "OPTIONS" &&
      !access_.admits(request, session)) {
    return token_required();
  }
  return std::nullopt;
}

// Everything that this request makes belongs to the session that its answer names. But that of a
// key gets no cookie: who guesses the key would have with it all that its owner does later. Nor
// does one where another site leads here: the browser has kept its session's cookie back, and would
// take this one for it.
void Api::answer(const RouteMatch& match, HttpRequest request, SessionId session,
                 Responder respond) {
  if (session.empty() && makes_session(match.route->call)) {
    const std::string_view key = request.header("idempotency-key");
    if (request.method == "POST" && match.route->call == Call::kImages && !key.empty()) {
      session = session_of_key(key, secret_);
    } else {
      session = new_session();
      if (same_site(request)) {
        respond = with_cookie(std::move(respond), session_cookie(session, request));
      }
    }
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

// For people who came by a wrong address, in words and with a way back: to where a slash too many
// led away from, or a page.
std::optional<HttpResponse> Api::page_for_nothing(const HttpRequest& request) {
  const bool person = reads_only(request) &&
                      request.header("accept").find("text/html") != std::string_view::npos &&
                      dialect_of(request.path) == Dialect::kProblem;
  if (!person) return std::nullopt;
  HttpRequest other;
  other.method = request.method;
  other.headers = request.headers;
  other.path = request.path.substr(0, request.path.find_last_not_of('/') + 1);
  if (other.path != request.path && files_.respond(other)) {
    HttpResponse redirect;
    redirect.status = 308;
    redirect.headers = {{"Location", other.path}};
    return redirect;
  }
  std::erase_if(other.headers, [](const auto& header) { return header.first == "if-none-match"; });
  other.path = "/404";
  auto page = files_.respond(other);
  if (page) page->status = 404;
  return page;
}

// No cookie comes with a file: it may be another site's link that leads here, without our cookie.
void Api::serve_file(const HttpRequest& request, const Responder& respond) {
  const bool asks = request.method == "OPTIONS";
  HttpRequest looked_at;
  if (asks) {
    looked_at.method = "HEAD";
    looked_at.path = request.path;
  }
  auto file = files_.respond(asks ? looked_at : request);
  if (!file) {
    if (auto page = page_for_nothing(request)) return respond(std::move(*page));
    return respond(in_dialect(dialect_of(request.path),
                              Problem(404, "not_found", "there is nothing at this address")));
  }
  if (!asks) return respond(std::move(*file));
  HttpResponse response = no_content();
  response.headers.emplace_back("Allow", kFileMethods);
  respond(std::move(response));
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
  if (!same_site(request)) {
    return refused(Problem(403, "cross_site", "another site's page may not listen here"));
  }
  if (const auto why = too_often(&*match, request)) return refused(*why);
  if (!session.ok()) return refused(bad_session(session.status()));
  if (const auto why = refuse(&*match, request, *session, /*other_origin=*/false)) {
    return refused(*why);
  }
  if (session->empty()) {
    return refused(
        Problem(401, "no_session",
                "read /api/v1/images first (it sets the session's cookie), or send X-Session"));
  }
  constexpr auto kLast = static_cast<std::uint64_t>(INT64_MAX);
  const auto after = query_number(request, "after", 0, 0, kLast);
  if (!after) return refused(bad_number("after", 0, kLast));
  const bool replay = request.has_query("after");
  feed_.open(std::move(upgrade), *std::move(session),
             replay ? std::optional(*after) : std::nullopt);
}

}  // namespace imgrec::manager
