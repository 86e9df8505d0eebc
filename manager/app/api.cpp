#include "manager/app/api.h"

#include <charconv>
#include <optional>
#include <utility>

#include <boost/asio/write.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"
#include "manager/app/json.h"
#include "manager/app/sessions.h"
#include "manager/http/response_head.h"

namespace imgrec::manager {
using Json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kImages = "/api/v1/images";
constexpr std::string_view kContent = "/content";
constexpr std::size_t kIdLength = 32;

// Retry-After where no rate says it: a restart is quick, a full disk waits for a person.
constexpr std::chrono::seconds kRestartTime(5);
constexpr std::chrono::seconds kDiskRepairTime(30);

// A decimal number of a query, within bounds; `fallback` where it is not given; nullopt where it
// makes no sense.
template <class T>
std::optional<T> query_number(const HttpRequest& request, std::string_view name, T fallback, T low,
                              T high) {
  if (!request.has_query(name)) return fallback;
  const std::string text = request.query_value(name);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < low || value > high) return std::nullopt;
  return value;
}

template <class T>
HttpResponse bad_number(std::string_view name, T low, T high) {
  return problem(400, "bad_parameter",
                 "'" + std::string(name) + "' must be a whole number from " + std::to_string(low) +
                     " to " + std::to_string(high));
}

HttpResponse method_not_allowed(std::string allow) {
  HttpResponse response =
      problem(405, "method_not_allowed", "this address takes " + allow + " only");
  response.headers.emplace_back("Allow", std::move(allow));
  return response;
}

HttpResponse no_such_image() {
  return problem(404, "no_such_image",
                 "there is no such image: it was deleted, or it belongs to another session");
}

HttpResponse plain(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.headers = {{"Cache-Control", "no-store"}};
  response.body = std::make_shared<const std::string>(std::move(text));
  return response;
}

Json rejected_json(const std::vector<RejectedFile>& rejected) {
  Json list = Json::array();
  for (const auto& file : rejected) {
    list.push_back(
        {{"name", file.name}, {"error", {{"code", file.why.code}, {"detail", file.why.detail}}}});
  }
  return list;
}

HttpResponse accepted(const std::vector<ImageRecord>& images,
                      const std::vector<RejectedFile>& rejected, unsigned top) {
  Json list = Json::array();
  for (const auto& image : images) list.push_back(image_json(image, top));
  return json_response(202, {{"images", std::move(list)}, {"rejected", rejected_json(rejected)}});
}

// Nothing of the request was accepted: the answer is that of the first file.
HttpResponse all_rejected(const std::vector<RejectedFile>& rejected) {
  const Refusal& first = rejected.front().why;
  Json json = problem_json(first.status, first.code, first.detail);
  json["rejected"] = rejected_json(rejected);
  HttpResponse response = json_response(first.status, json);
  response.content_type = "application/problem+json";
  return response;
}

Admission::Load load_of(const Upload& upload) {
  Admission::Load load{upload.images.size(), 0};
  for (const NewImage& image : upload.images) load.bytes += image.bytes->size();
  return load;
}

HttpResponse try_later(HttpResponse response, std::chrono::seconds wait) {
  response.headers.emplace_back("Retry-After", std::to_string(wait.count()));
  return response;
}

HttpResponse not_admitted(const Admission::Decision& decision) {
  switch (decision.verdict) {
    case Admission::Verdict::kTooLarge:
      return problem(413, "request_exceeds_queue",
                     "this request holds more than one session may ever have waiting: send it in "
                     "smaller parts");
    case Admission::Verdict::kSessionFull:
      return try_later(problem(429, "session_queue_full",
                               "so many images of this session wait already that the rest of the "
                               "queue is kept for others: try again later"),
                       decision.retry_after);
    case Admission::Verdict::kDiskBusy:
      return try_later(
          problem(429, "disk_busy", "uploads come faster than they can be stored: try again later"),
          decision.retry_after);
    case Admission::Verdict::kQueueFull:
    case Admission::Verdict::kAdmitted:
      break;
  }
  return try_later(
      problem(429, "too_many_open_images",
              "so many images wait already that this one would wait too long: try again later"),
      decision.retry_after);
}

// What the client may know of the storage's trouble. Paths and reasons are in the log.
HttpResponse storage_problem(const Status& status) {
  switch (status.code()) {
    case StatusCode::kResourceExhausted:
      return try_later(problem(507, "storage_full",
                               "the server's disk is full: nothing was changed; try again "
                               "when there is room"),
                       kDiskRepairTime);
    case StatusCode::kUnavailable:
      return try_later(problem(503, "storage_unavailable",
                               "the server's disk does not work: nothing was changed; "
                               "try again later"),
                       kDiskRepairTime);
    case StatusCode::kDataLoss:
      return problem(500, "storage_damaged",
                     "the server's database or a stored file is damaged; its log says which");
    default:
      return problem(status);
  }
}

HttpResponse not_stored(std::string_view event, const Status& status) {
  spdlog::error("{} error={}", event, log_text(status.message()));
  return storage_problem(status);
}

// An upgrade that is refused: the socket is Asio's already, so the answer is written by hand.
void refuse_upgrade(UpgradeRequest upgrade, HttpResponse response) {
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

}  // namespace

Api::Api(ApiOptions options, Storage& storage, AdmissionGate& gate, Control& control,
         LiveFeed& feed, Waiters& waiters, Metrics& metrics, const StaticFiles& files)
    : options_(options),
      storage_(storage),
      gate_(gate),
      control_(control),
      feed_(feed),
      waiters_(waiters),
      metrics_(metrics),
      files_(files) {}

void Api::handle(HttpRequest request, Responder respond) {
  auto session = session_of(request);
  if (!session.ok()) {
    respond(problem(400, "bad_session", session.status().message()));
    return;
  }
  const bool needs_session = request.path == "/" || request.path == kImages;
  if (session->empty() && needs_session) {
    // Everything that this request makes belongs to the session that its answer names.
    SessionId fresh = new_session();
    Responder with_cookie = [respond = std::move(respond),
                             cookie = session_cookie(fresh, request)](HttpResponse response) {
      response.headers.emplace_back("Set-Cookie", cookie);
      respond(std::move(response));
    };
    route(std::move(request), fresh, with_cookie);
    return;
  }
  route(std::move(request), *session, respond);
}

void Api::route(HttpRequest request, const SessionId& session, const Responder& respond) {
  const std::string_view path = request.path;
  if (request.method != "GET" && request.method != "HEAD" && !same_site(request)) {
    respond(problem(403, "cross_site", "another site's page may not change anything here"));
    return;
  }
  if (path == kImages) {
    images(std::move(request), session, respond);
    return;
  }
  if (path.starts_with(kImages) && path[kImages.size()] == '/') {
    image(request, session, respond);
    return;
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const bool operations =
      path == "/api/v1/cluster" || path == "/metrics" || path == "/healthz" || path == "/readyz";
  if (operations && !reads) {
    respond(method_not_allowed("GET, HEAD"));
  } else if (path == "/api/v1/cluster") {
    get_cluster(request, respond);
  } else if (path == "/metrics") {
    get_metrics(respond);
  } else if (path == "/healthz") {
    respond(plain(200, "ok\n"));
  } else if (path == "/readyz") {
    respond(ready_ ? plain(200, "ready\n") : plain(503, "shutting down\n"));
  } else if (path == "/ws") {
    HttpResponse response = problem(426, "upgrade_required", "this address speaks WebSocket");
    response.headers.emplace_back("Upgrade", "websocket");
    respond(std::move(response));
  } else if (auto file = files_.respond(request)) {
    respond(std::move(*file));
  } else {
    respond(problem(404, "not_found", "there is nothing at this address"));
  }
}

void Api::images(HttpRequest request, const SessionId& session, const Responder& respond) {
  if (request.method == "POST") {
    upload(std::move(request), session, respond);
  } else if (request.method == "GET" || request.method == "HEAD") {
    list(request, session, respond);
  } else {
    respond(method_not_allowed("GET, HEAD, POST"));
  }
}

void Api::upload(HttpRequest request, const SessionId& session, const Responder& respond) {
  if (!ready_) {
    return respond(
        try_later(problem(503, "shutting_down", "the manager is shutting down"), kRestartTime));
  }
  if (const auto refused = gate_.refuses(session)) return respond(not_admitted(*refused));
  const long max_wait = static_cast<long>(options_.max_wait.count());
  const auto wait = query_number<long>(request, "wait", 0, 0, max_wait);
  const auto top = query_number<unsigned>(request, "top", kDefaultTop, 1, kStoredPredictions);
  if (!wait) return respond(bad_number<long>("wait", 0, max_wait));
  if (!top) return respond(bad_number<unsigned>("top", 1, kStoredPredictions));

  auto read = read_upload(request, session, options_.upload);
  if (const auto* refusal = std::get_if<Refusal>(&read)) {
    respond(problem(refusal->status, refusal->code, refusal->detail));
    return;
  }
  auto& found = std::get<Upload>(read);
  if (found.images.empty()) {
    respond(all_rejected(found.rejected));
    return;
  }
  store(std::move(found), std::chrono::seconds(*wait), *top, session, respond);
}

void Api::store(Upload upload, std::chrono::seconds wait, unsigned top, const SessionId& session,
                const Responder& respond) {
  const auto admission = gate_.request(session, load_of(upload));
  if (!admission.ticket) return respond(not_admitted(admission.decision));
  storage_.add_images(std::move(upload.images),
                      [this, respond, wait, top, rejected = std::move(upload.rejected),
                       ticket = admission.ticket](Result<std::vector<ImageRecord>> stored) {
                        if (!stored.ok()) {
                          respond(not_stored("upload_not_stored", stored.status()));
                          return;
                        }
                        ticket->stored(*stored);
                        control_.add_images(*stored);
                        if (wait.count() == 0) {
                          respond(accepted(*stored, rejected, top));
                          return;
                        }
                        waiters_.wait(
                            std::move(*stored), wait,
                            [respond, rejected, top](const std::vector<ImageRecord>& images) {
                              respond(accepted(images, rejected, top));
                            });
                      });
}

void Api::list(const HttpRequest& request, const SessionId& session, const Responder& respond) {
  constexpr unsigned kMaxLimit = 200;
  const auto limit = query_number<unsigned>(request, "limit", 50, 1, kMaxLimit);
  const auto top = query_number<unsigned>(request, "top", kDefaultTop, 1, kStoredPredictions);
  if (!limit) return respond(bad_number<unsigned>("limit", 1, kMaxLimit));
  if (!top) return respond(bad_number<unsigned>("top", 1, kStoredPredictions));
  storage_.list(
      session, *limit, request.query_value("cursor"),
      [this, respond, top = *top](Result<ImagePage> page) {
        if (!page.ok()) {
          respond(page.status().code() == StatusCode::kInvalidArgument
                      ? problem(page.status())  // the cursor
                      : not_stored("images_not_listed", page.status()));
          return;
        }
        const std::string next = page->next_cursor;
        control_.read_live(std::move(page->images), [respond, top,
                                                     next](const std::vector<ImageRecord>& images) {
          Json rows = Json::array();
          for (const auto& image : images) rows.push_back(image_json(image, top));
          respond(json_response(200, {{"images", std::move(rows)},
                                      {"next_cursor", next.empty() ? Json(nullptr) : Json(next)}}));
        });
      });
}

// /api/v1/images/{id} and /api/v1/images/{id}/content
void Api::image(const HttpRequest& request, const SessionId& session, const Responder& respond) {
  std::string_view rest = std::string_view(request.path).substr(kImages.size() + 1);
  const bool content = rest.ends_with(kContent);
  if (content) rest.remove_suffix(kContent.size());
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (rest.size() != kIdLength) {
    respond(no_such_image());
    return;
  }
  ImageId id{std::string(rest)};
  if (content) {
    if (!reads) return respond(method_not_allowed("GET, HEAD"));
    get_content(std::move(id), session, respond);
  } else if (reads) {
    const auto top = query_number<unsigned>(request, "top", kDefaultTop, 1, kStoredPredictions);
    if (!top) return respond(bad_number<unsigned>("top", 1, kStoredPredictions));
    get_image(std::move(id), *top, session, respond);
  } else if (request.method == "DELETE") {
    delete_image(std::move(id), session, respond);
  } else {
    respond(method_not_allowed("GET, HEAD, DELETE"));
  }
}

void Api::get_image(ImageId id, unsigned top, const SessionId& session, const Responder& respond) {
  storage_.find(std::move(id), [this, top, session, respond](Result<ImageRecord> found) {
    if (!found.ok() && found.status().code() != StatusCode::kNotFound) {
      respond(not_stored("image_not_read", found.status()));
      return;
    }
    if (!found.ok() || !may_see(session, *found)) {
      respond(no_such_image());
      return;
    }
    control_.read_live({std::move(*found)}, [respond, top](const std::vector<ImageRecord>& live) {
      respond(json_response(200, image_json(live.front(), top)));
    });
  });
}

void Api::get_content(ImageId id, const SessionId& session, const Responder& respond) {
  storage_.find(std::move(id), [this, session, respond](Result<ImageRecord> found) {
    if (!found.ok() || !may_see(session, *found)) {
      respond(found.ok() || found.status().code() == StatusCode::kNotFound
                  ? no_such_image()
                  : not_stored("image_not_read", found.status()));
      return;
    }
    storage_.load_bytes(
        found->job, [respond, type = found->media_type](Result<proto::SharedBytes> bytes) {
          if (!bytes.ok()) return respond(not_stored("bytes_not_read", bytes.status()));
          HttpResponse response;
          response.content_type = type;
          // The bytes came from a stranger: they are a picture to be shown and nothing else.
          response.headers = {
              {"Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'"},
              {"Content-Disposition", "inline"},
              {"Cache-Control", "private, max-age=31536000, immutable"}};
          response.body = std::move(*bytes);
          respond(std::move(response));
        });
  });
}

void Api::delete_image(ImageId id, const SessionId& session, const Responder& respond) {
  storage_.find(id, [this, id, session, respond](Result<ImageRecord> found) {
    if (!found.ok() || !may_see(session, *found)) {
      respond(found.ok() || found.status().code() == StatusCode::kNotFound
                  ? no_such_image()
                  : not_stored("image_not_read", found.status()));
      return;
    }
    storage_.remove(id, [this, respond](Result<ImageRecord> removed) {
      if (!removed.ok()) {
        respond(removed.status().code() == StatusCode::kNotFound
                    ? no_such_image()
                    : not_stored("image_not_deleted", removed.status()));
        return;
      }
      control_.image_removed(std::move(*removed));
      HttpResponse response;
      response.status = 204;
      respond(std::move(response));
    });
  });
}

void Api::get_cluster(const HttpRequest& request, const Responder& respond) {
  constexpr long kMost = ClusterHistory::kSamples;
  const auto seconds = query_number<long>(request, "history", 0, 1, kMost);
  if (!seconds) return respond(bad_number<long>("history", 1, kMost));
  control_.read_cluster(
      [this, respond](ClusterView view) {
        view.sockets = feed_.sockets();
        respond(json_response(200, cluster_json(view)));
      },
      *seconds > 0 ? std::optional(std::chrono::seconds(*seconds)) : std::nullopt);
}

void Api::get_metrics(const Responder& respond) {
  control_.read_cluster([this, respond](ClusterView view) {
    view.sockets = feed_.sockets();
    HttpResponse response = plain(200, metrics_.text(view, gate_.view()));
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    respond(std::move(response));
  });
}

void Api::upgrade(UpgradeRequest upgrade) {
  const HttpRequest& request = upgrade.request;
  if (request.path != "/ws") {
    refuse_upgrade(std::move(upgrade), problem(404, "not_found", "the WebSocket is at /ws"));
    return;
  }
  if (!same_site(request)) {
    refuse_upgrade(std::move(upgrade),
                   problem(403, "cross_site", "another site's page may not listen here"));
    return;
  }
  auto session = session_of(request);
  if (!session.ok() || session->empty()) {
    refuse_upgrade(
        std::move(upgrade),
        problem(401, "no_session",
                "open the page first (it sets the session's cookie), or send X-Session"));
    return;
  }
  const auto after =
      query_number<std::uint64_t>(request, "after", 0, 0, static_cast<std::uint64_t>(INT64_MAX));
  if (!after) {
    refuse_upgrade(std::move(upgrade),
                   problem(400, "bad_parameter", "'after' must be the number of an event"));
    return;
  }
  const bool replay = request.has_query("after");
  feed_.open(std::move(upgrade), std::move(*session),
             replay ? std::optional(*after) : std::nullopt);
}

}  // namespace imgrec::manager
