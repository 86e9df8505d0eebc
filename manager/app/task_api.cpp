#include "manager/app/task_api.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "manager/app/json.h"
#include "manager/http/multipart.h"

namespace imgrec::manager {
using Json = nlohmann::ordered_json;

namespace {

constexpr int kTaken = 100;
constexpr int kNoFile = 201;
constexpr int kRefused = 202;

HttpResponse answer(int status, int code, std::string_view result, Json data = nullptr) {
  return json_response(status, {{"code", code}, {"result", result}, {"data", std::move(data)}});
}

// The original answered 200 whatever its code; its clients look at the code.
HttpResponse no_file(std::string_view why) { return answer(200, kNoFile, why); }

struct NamedFile {
  std::string name;
  std::string bytes;
};

// The form's first file, whatever its field is called, or the body itself; a sentence where there
// is none.
std::variant<NamedFile, std::string> single_file(HttpRequest& request) {
  if (!is_multipart_form(request.header("content-type"))) {
    if (request.body.empty()) return "the request has no file: send one as a form's file";
    return NamedFile{"", std::move(request.body)};
  }
  const auto parts = parse_multipart(request.header("content-type"), request.body);
  if (!parts.ok()) return parts.status().message();
  const auto file = std::find_if(parts->begin(), parts->end(),
                                 [](const MultipartPart& part) { return part.is_file; });
  if (file == parts->end()) return "the form has no file";
  return NamedFile{file->file_name, std::string(file->data)};
}

}  // namespace

HttpResponse task_problem(const Problem& what) {
  HttpResponse response = answer(what.status, kRefused, what.detail);
  add_retry_after(what, response);
  return response;
}

void TaskApi::handle(const RouteMatch& match, HttpRequest request, const SessionId& session,
                     const Responder& respond) {
  if (match.route->call == Call::kTask) return create(std::move(request), session, respond);
  images_.send_content(ImageId{std::string(match.segments.at(0))}, std::move(request), session,
                       respond, [](const Problem& what) { return task_problem(what); });
}

void TaskApi::create(HttpRequest request, const SessionId& session, const Responder& respond) {
  if (const auto why = intake_.closed(session)) return respond(task_problem(*why));
  auto single = single_file(request);
  if (const auto* why = std::get_if<std::string>(&single)) return respond(no_file(*why));
  auto& file = std::get<NamedFile>(single);
  Upload upload = read_file(std::move(file.name), std::move(file.bytes), request, session, limits_);
  if (upload.images.empty()) {
    return respond(answer(200, kRefused, upload.rejected.front().why.detail));
  }
  intake_.accept(std::move(upload.images), std::nullopt, std::chrono::seconds(0), session,
                 [respond](const Intake::Outcome& outcome) {
                   if (const auto* why = std::get_if<Problem>(&outcome)) {
                     return respond(task_problem(*why));
                   }
                   const ImageRecord& image = std::get<StoredUpload>(outcome).images.front();
                   respond(answer(200, kTaken, "success", {{"task_id", image.id.text}}));
                 });
}

}  // namespace imgrec::manager
