#include "manager/app/images_api.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "manager/app/json.h"
#include "manager/app/sessions.h"
#include "manager/http/byte_range.h"

namespace imgrec::manager {
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxKeyLength = 255;

Json rejected_json(const std::vector<RejectedFile>& rejected) {
  Json list = Json::array();
  for (const auto& file : rejected) {
    list.push_back(
        {{"name", file.name}, {"error", {{"code", file.why.code}, {"detail", file.why.detail}}}});
  }
  return list;
}

HttpResponse accepted(const StoredUpload& upload, const std::vector<RejectedFile>& rejected,
                      unsigned top) {
  Json list = Json::array();
  for (const auto& image : upload.images) list.push_back(image_json(image, top));
  HttpResponse response =
      json_response(202, {{"images", std::move(list)}, {"rejected", rejected_json(rejected)}});
  if (upload.replayed) response.headers.emplace_back("Idempotency-Replayed", "true");
  return response;
}

// Nothing of the request was accepted: the answer is that of the first file.
HttpResponse all_rejected(const std::vector<RejectedFile>& rejected) {
  const Problem first(rejected.front().why);
  Json json = problem_json(first);
  json["rejected"] = rejected_json(rejected);
  HttpResponse response = json_response(first.status, json);
  response.content_type = "application/problem+json";
  return response;
}

Problem bad_key() {
  return Problem(400, "bad_idempotency_key",
                 "Idempotency-Key must be one value of 1 to 255 visible characters; make it "
                 "random, for instance: uuidgen");
}

bool well_formed_key(std::string_view key) {
  return !key.empty() && key.size() <= kMaxKeyLength &&
         std::all_of(key.begin(), key.end(), [](char c) { return '!' <= c && c <= '~'; });
}

// nullopt in the result: the request has no key.
std::variant<std::optional<UploadKey>, Problem> upload_key(const HttpRequest& request,
                                                           const SessionId& session) {
  const auto count =
      std::count_if(request.headers.begin(), request.headers.end(),
                    [](const auto& header) { return header.first == "idempotency-key"; });
  if (count == 0) return std::optional<UploadKey>();
  const std::string_view key = request.header("idempotency-key");
  if (count > 1 || !well_formed_key(key)) return bad_key();
  return std::optional(UploadKey{session, std::string(key), {}});
}

}  // namespace

void ImagesApi::handle(const RouteMatch& match, HttpRequest request, const SessionId& session,
                       const Responder& respond) {
  if (match.route->call == Call::kImages) {
    if (request.method == "POST") return upload(std::move(request), session, respond);
    return list(request, session, respond);
  }
  ImageId id{std::string(match.segments.at(0))};
  if (match.route->call == Call::kContent) {
    send_content(std::move(id), std::move(request), session, respond,
                 [](const Problem& what) { return problem(what); });
  } else if (request.method == "DELETE") {
    delete_image(std::move(id), session, respond);
  } else {
    get_image(std::move(id), request, session, respond);
  }
}

void ImagesApi::upload(HttpRequest request, const SessionId& session, const Responder& respond) {
  if (const auto why = intake_.closed(session)) return respond(problem(*why));
  const auto max_wait = static_cast<std::uint64_t>(options_.max_wait.count());
  const auto wait = query_number(request, "wait", 0, 0, max_wait);
  const auto top = query_number(request, "top", kDefaultTop, 1, kStoredPredictions);
  if (!wait) return respond(problem(bad_number("wait", 0, max_wait)));
  if (!top) return respond(problem(bad_number("top", 1, kStoredPredictions)));
  auto key = upload_key(request, session);
  if (const auto* bad = std::get_if<Problem>(&key)) return respond(problem(*bad));

  auto read = read_upload(request, session, options_.upload);
  if (const auto* refusal = std::get_if<Refusal>(&read)) {
    return respond(problem(Problem(*refusal)));
  }
  auto& found = std::get<Upload>(read);
  if (found.images.empty()) return respond(all_rejected(found.rejected));
  auto& named = std::get<0>(key);
  if (named) named->fingerprint = fingerprint(found);
  intake_.accept(std::move(found.images), std::move(named), std::chrono::seconds(*wait), session,
                 [respond, top = static_cast<unsigned>(*top),
                  rejected = std::move(found.rejected)](const Intake::Outcome& outcome) {
                   if (const auto* why = std::get_if<Problem>(&outcome)) {
                     return respond(problem(*why));
                   }
                   respond(accepted(std::get<StoredUpload>(outcome), rejected, top));
                 });
}

void ImagesApi::list(const HttpRequest& request, const SessionId& session,
                     const Responder& respond) {
  constexpr unsigned kMaxLimit = 200;
  const auto limit = query_number(request, "limit", 50, 1, kMaxLimit);
  const auto wanted = query_number(request, "top", kDefaultTop, 1, kStoredPredictions);
  if (!limit) return respond(problem(bad_number("limit", 1, kMaxLimit)));
  if (!wanted) return respond(problem(bad_number("top", 1, kStoredPredictions)));
  const auto top = static_cast<unsigned>(*wanted);
  const auto send = [respond, top](const std::string& next,
                                   const std::vector<ImageRecord>& images) {
    Json rows = Json::array();
    for (const auto& image : images) rows.push_back(image_json(image, top));
    respond(json_response(200, {{"images", std::move(rows)},
                                {"next_cursor", next.empty() ? Json(nullptr) : Json(next)}}));
  };
  storage_.list(session, *limit, request.query_value("cursor"),
                [this, respond, send](Result<ImagePage> page) {
                  if (page.ok()) {
                    control_.read_live(
                        std::move(page->images),
                        [send, next = page->next_cursor](const std::vector<ImageRecord>& images) {
                          send(next, images);
                        });
                  } else if (page.status().code() == StatusCode::kInvalidArgument) {
                    respond(problem(Problem(400, "bad_cursor", page.status().message())));
                  } else {
                    respond(problem(not_stored("images_not_listed", page.status())));
                  }
                });
}

void ImagesApi::find(ImageId id, const SessionId& session, Found found,
                     std::function<void(const Problem&)> missing) {
  storage_.find(std::move(id), [session, found = std::move(found),
                                missing = std::move(missing)](Result<ImageRecord> image) {
    if (image.ok() && may_see(session, *image)) return found(*std::move(image));
    const bool unknown = image.ok() || image.status().code() == StatusCode::kNotFound;
    missing(unknown ? no_such_image() : not_stored("image_not_read", image.status()));
  });
}

void ImagesApi::get_image(ImageId id, const HttpRequest& request, const SessionId& session,
                          const Responder& respond) {
  const auto top = query_number(request, "top", kDefaultTop, 1, kStoredPredictions);
  if (!top) return respond(problem(bad_number("top", 1, kStoredPredictions)));
  find(
      std::move(id), session,
      [this, respond, top = static_cast<unsigned>(*top)](ImageRecord image) {
        control_.read_live({std::move(image)},
                           [respond, top](const std::vector<ImageRecord>& live) {
                             respond(json_response(200, image_json(live.front(), top)));
                           });
      },
      [respond](const Problem& why) { respond(problem(why)); });
}

void ImagesApi::send_content(ImageId id, HttpRequest request, const SessionId& session,
                             const Responder& respond,
                             const std::function<HttpResponse(const Problem&)>& refused) {
  const std::string etag = "\"" + id.text + "\"";  // the bytes of an id never change
  auto send = [request = std::move(request), etag, respond, refused](const std::string& type,
                                                                     proto::SharedBytes bytes) {
    HttpResponse response;
    response.content_type = type;
    // The bytes came from a stranger: they are a picture to be shown and nothing else.
    response.headers = {
        {"Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'"},
        {"Content-Disposition", "inline"},
        {"Cache-Control", "private, max-age=31536000, immutable"}};
    response.body = std::move(bytes);
    answer_conditions(request, etag, response);
    if (response.status != 416) return respond(std::move(response));
    HttpResponse refusal = refused(Problem(416, "range_not_satisfiable",
                                           "Range names no byte of this photo; Content-Range says "
                                           "how many there are"));
    std::move(response.headers.begin(), response.headers.end(),
              std::back_inserter(refusal.headers));
    respond(std::move(refusal));
  };
  find(
      std::move(id), session,
      [this, send = std::move(send), respond, refused](const ImageRecord& image) {
        storage_.load_bytes(image.job, [send, respond, refused,
                                        type = image.media_type](Result<proto::SharedBytes> bytes) {
          if (bytes.ok()) return send(type, *std::move(bytes));
          respond(refused(not_stored("bytes_not_read", bytes.status())));
        });
      },
      [respond, refused](const Problem& why) { respond(refused(why)); });
}

void ImagesApi::delete_image(ImageId id, const SessionId& session, const Responder& respond) {
  const auto removed = [this, respond](Result<ImageRecord> image) {
    if (!image.ok()) {
      return respond(problem(image.status().code() == StatusCode::kNotFound
                                 ? no_such_image()
                                 : not_stored("image_not_deleted", image.status())));
    }
    control_.image_removed(*std::move(image));
    HttpResponse response;
    response.status = 204;
    respond(std::move(response));
  };
  find(
      std::move(id), session,
      [this, removed](const ImageRecord& image) { storage_.remove(image.id, removed); },
      [respond](const Problem& why) { respond(problem(why)); });
}

}  // namespace imgrec::manager
