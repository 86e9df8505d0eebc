#include "manager/app/inference_api.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "common/options.h"
#include "manager/app/json.h"
#include "manager/app/sessions.h"
#include "manager/http/http_text.h"

namespace imgrec::manager {
using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

namespace {

constexpr std::string_view kHeaderLength = "Inference-Header-Content-Length";
constexpr std::string_view kHeaderLengthField = "inference-header-content-length";
// A reactor reads what takes less than some 2 ms.
constexpr std::size_t kShortJson = 64 * 1024;
constexpr std::size_t kShortAnswer = 2000;  // predictions
// Workers come back within seconds of a manager's restart.
constexpr std::chrono::seconds kWorkersReturn(2);

Problem no_model() {
  return Problem(503, "no_worker",
                 "no worker is connected, so there is no model at present: try again soon")
      .after(kWorkersReturn);
}

Problem busy() {
  return Problem(503, "overloaded",
                 "so many long requests wait to be read that there is no room for "
                 "this one: try again in a moment")
      .after(std::chrono::seconds(1));
}

Problem not_in_time(milliseconds waited) {
  return Problem(503, "not_in_time",
                 "the request was not answered within " + std::to_string(waited.count()) +
                     " ms, and is given up: try again later, or with a longer timeout")
      .after(kWorkersReturn);
}

Problem model_changed() {
  return Problem(503, "model_changed",
                 "another model answered than was asked: the cluster's was changed meanwhile; read "
                 "its metadata and try again")
      .after(kWorkersReturn);
}

// Which of the pictures a sentence is about, where there are several.
std::string about(std::size_t index, std::size_t count, std::string_view sentence) {
  const std::string where = count > 1 ? "element " + std::to_string(index) + ": " : "";
  return where + std::string(sentence);
}

// Is it the client's picture that is at fault?
bool is_clients_fault(const ImageError& error) {
  return error.code == "not_an_image" || error.code == "damaged_image" ||
         error.code == "too_many_pixels";
}

// Every class that is needed, of the model that was asked. A newer one of the same name is that
// too: its name is all that a request says.
bool answers(const ImageRecord& image, const ModelIdentity& model, std::size_t classes) {
  if (image.model != model.name || image.top.size() < classes) return false;
  // Where all are needed there is a place for each; else their number does not matter.
  return classes < model.classes ||
         std::all_of(image.top.begin(), image.top.end(),
                     [&](const Prediction& p) { return p.index < model.classes; });
}

HttpResponse with_tensors(InferenceAnswer answer) {
  HttpResponse response;
  response.content_type = answer.json_bytes ? "application/octet-stream" : "application/json";
  response.headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  if (answer.json_bytes) {
    response.headers.emplace_back(kHeaderLength, std::to_string(*answer.json_bytes));
  } else {
    answer.body += '\n';  // as every other JSON of ours, for terminals
  }
  response.body = std::make_shared<const std::string>(std::move(answer.body));
  return response;
}

}  // namespace

struct InferenceApi::Inference {
  Named named;
  InferenceRequest request;
  SessionId session;
  std::vector<NewImage> images;
  std::optional<Problem> unreadable;
  milliseconds wait{};
  Responder respond;
  ModelIdentity model;
  std::vector<WantedOutput> outputs;
};

HttpResponse inference_problem(const Problem& what) {
  HttpResponse response = json_response(what.status, {{"error", what.detail}});
  add_retry_after(what, response);
  return response;
}

void InferenceApi::handle(const RouteMatch& match, HttpRequest request, const Responder& respond) {
  Named named;
  if (!match.segments.empty()) named.name = match.segments.front();
  if (match.segments.size() > 1) named.version = match.segments.at(1);
  const Call call = match.route->call;
  switch (call) {
    case Call::kServer:
      return respond(json_response(200, server_metadata(version())));
    case Call::kServerLive:
      return respond(json_response(200, {{"live", true}}));
    case Call::kServerReady:
      return ready(respond);
    case Call::kModelInfer:
      return infer(std::move(named), std::move(request), respond);
    case Call::kModelStats:
      if (named.name.empty()) return all_statistics(respond);
      [[fallthrough]];
    default:
      return about_model(call, std::move(named), respond);
  }
}

void InferenceApi::ready(const Responder& respond) {
  control_.read_model([this, respond](const ServedModel& served) {
    const bool is_ready = intake_.open() && served.ready;
    respond(json_response(is_ready ? 200 : 503, {{"ready", is_ready}}));
  });
}

// ---- the model --------------------------------------------------------------------------------

namespace {

std::optional<Problem> not_served(const ServedModel& served, const std::string& name,
                                  const std::optional<std::string>& wanted) {
  if (!served.identity) return no_model();
  if (name != served.identity->name) {
    return Problem(404, "no_such_model",
                   "there is no model '" + std::string(utf8_prefix(name, 64)) +
                       "'; this cluster serves '" + served.identity->name + "'");
  }
  if (wanted && *wanted != kModelVersion) {
    return Problem(404, "no_such_version",
                   "the model has one version: " + std::string(kModelVersion));
  }
  return std::nullopt;
}

}  // namespace

void InferenceApi::about_model(Call call, Named named, const Responder& respond) {
  control_.read_model([this, call, named = std::move(named), respond](const ServedModel& served) {
    if (const auto why = not_served(served, named.name, named.version)) {
      return respond(inference_problem(*why));
    }
    if (call == Call::kModelStats) {
      return respond(
          json_response(200, {{"model_stats", Json::array({statistics_of(*served.identity)})}}));
    }
    if (call == Call::kModel) return respond(json_response(200, model_metadata(*served.identity)));
    const bool is_ready = intake_.open() && served.ready;
    respond(json_response(is_ready ? 200 : 503, {{"name", named.name}, {"ready", is_ready}}));
  });
}

void InferenceApi::all_statistics(const Responder& respond) {
  control_.read_model([this, respond](const ServedModel& served) {
    Json models = Json::array();
    if (served.identity) models.push_back(statistics_of(*served.identity));
    respond(json_response(200, {{"model_stats", std::move(models)}}));
  });
}

Json InferenceApi::statistics_of(const ModelIdentity& model) {
  statistics_.serves(model);
  return statistics_json(model, statistics_.counts());
}

void InferenceApi::on_settled(const ImageRecord& image) {
  if (const auto model = control_.model()) statistics_.serves(*model);
  statistics_.settled(image);
}

void InferenceApi::on_deleted(const ImageRecord& image) {
  if (const auto model = control_.model()) statistics_.serves(*model);
  statistics_.removed(image, std::chrono::system_clock::now());
}

// ---- inference --------------------------------------------------------------------------------

void InferenceApi::infer(Named named, HttpRequest request, const Responder& respond) {
  auto inference = std::make_shared<Inference>();
  inference->named = std::move(named);
  inference->session = SessionId{std::string(kTransientSession) + new_session().text};
  inference->respond = respond;
  if (const auto why = intake_.closed(inference->session)) {
    return respond(inference_problem(*why));
  }
  std::optional<std::string_view> header_length;
  if (const auto given = request.header(kHeaderLengthField); !given.empty()) header_length = given;
  if (json_length(request.body.size(), header_length).value_or(0) <= kShortJson) {
    return read_and_begin(inference, std::move(request));
  }
  // The server counts a body while its connection lives; what waits here may outlive it.
  const std::size_t bytes = request.body.size();
  if (!waiting_->take(bytes)) return respond(inference_problem(busy()));
  const Place held(waiting_.get(),
                   [waiting = waiting_, bytes](const void*) { waiting->give_back(bytes); });
  boost::asio::post(json_, [this, inference, held, request = std::move(request)]() mutable {
    try {
      read_and_begin(inference, std::move(request));
    } catch (const std::exception& error) {  // no memory: one request's trouble, as on a reactor
      spdlog::error("inference_not_read error=\"{}\"", error.what());
      inference->respond(
          inference_problem(Problem(500, "internal", "the server failed on this request")));
    }
  });
}

void InferenceApi::read_and_begin(const std::shared_ptr<Inference>& inference,
                                  HttpRequest request) {
  inference->unreadable = read(*inference, std::move(request));
  control_.read_model([this, inference](const ServedModel& served) { begin(inference, served); });
}

std::optional<Problem> InferenceApi::read(Inference& inference, HttpRequest request) const {
  const std::string_view encoding = request.header("content-encoding");
  if (!encoding.empty() && !equals_ignoring_case(encoding, "identity")) {
    return Problem(415, "encoded_body",
                   "the body is compressed: send it as it is, pictures hardly become smaller");
  }
  std::optional<std::string> header_length;
  for (const auto& [name, value] : request.headers) {
    if (name != kHeaderLengthField) continue;
    if (header_length) {
      return Problem(400, "bad_inference_request",
                     std::string(kHeaderLength) + " is given more than once");
    }
    header_length = value;
  }
  auto result = read_inference(std::move(request.body), header_length);
  if (const auto* refusal = std::get_if<Refusal>(&result)) return Problem(*refusal);
  inference.request = std::get<InferenceRequest>(std::move(result));
  const milliseconds longest = options_.max_wait;
  inference.wait = longest;
  if (const auto timeout = inference.request.timeout) {
    inference.wait = std::min(longest, std::chrono::ceil<milliseconds>(*timeout));
  }
  auto& pictures = inference.request.images;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    Upload upload =
        read_file("", std::move(pictures[i]), request, inference.session, options_.upload);
    if (!upload.images.empty()) {
      inference.images.push_back(std::move(upload.images.front()));
      continue;
    }
    const Refusal& why = upload.rejected.front().why;
    return Problem(why.status == 413 ? 413 : 400, why.code, about(i, pictures.size(), why.detail));
  }
  pictures.clear();
  return std::nullopt;
}

void InferenceApi::begin(const std::shared_ptr<Inference>& inference, const ServedModel& served) {
  const auto refuse = [&](const Problem& why) { inference->respond(inference_problem(why)); };
  if (const auto why = not_served(served, inference->named.name, inference->named.version)) {
    return refuse(*why);
  }
  if (inference->unreadable) return refuse(*inference->unreadable);
  auto outputs = outputs_of(inference->request, *served.identity);
  if (const auto* refusal = std::get_if<Refusal>(&outputs)) return refuse(Problem(*refusal));
  inference->model = *served.identity;
  inference->outputs = std::get<0>(std::move(outputs));
  const auto classes = classes_needed(inference->outputs, inference->model);
  for (NewImage& image : inference->images) image.top_k = static_cast<std::uint16_t>(classes);
  intake_.accept(std::exchange(inference->images, {}), std::nullopt, inference->wait,
                 inference->session, [this, inference](const Intake::Outcome& outcome) {
                   if (const auto* why = std::get_if<Problem>(&outcome)) {
                     return inference->respond(inference_problem(*why));
                   }
                   auto images = std::get<StoredUpload>(outcome).images;
                   discard(images);
                   send(inference, std::move(images));
                 });
}

// Control has better to do than to write large answers.
void InferenceApi::send(const std::shared_ptr<Inference>& inference,
                        std::vector<ImageRecord> images) {
  const std::size_t classes = classes_needed(inference->outputs, inference->model);
  if (images.size() * classes <= kShortAnswer) {
    return inference->respond(answer(*inference, std::move(images)));
  }
  boost::asio::post(json_, [this, inference, images = std::move(images)]() mutable {
    try {
      inference->respond(answer(*inference, std::move(images)));
    } catch (const std::exception& error) {  // no memory
      spdlog::error("inference_not_answered error=\"{}\"", error.what());
      inference->respond(
          inference_problem(Problem(500, "internal", "the server failed on this answer")));
    }
  });
}

HttpResponse InferenceApi::answer(const Inference& inference,
                                  std::vector<ImageRecord> images) const {
  const std::size_t classes = classes_needed(inference.outputs, inference.model);
  std::vector<std::vector<Prediction>> results;
  for (std::size_t i = 0; i < images.size(); ++i) {
    ImageRecord& image = images[i];
    if (image.state == ImageState::kFailed) {
      const ImageError error = image.error.value_or(ImageError{"unknown", "no reason is known"});
      return inference_problem(Problem(is_clients_fault(error) ? 400 : 500, error.code,
                                       about(i, images.size(), error.detail)));
    }
    if (image.state != ImageState::kDone) {
      return inference_problem(intake_.open() ? not_in_time(inference.wait) : shutting_down());
    }
    // Numbers of classes mean something to one model only: all of an answer are of the same.
    const bool same = image.model_digest == images.front().model_digest;
    if (!same || !answers(image, inference.model, classes)) {
      return inference_problem(model_changed());
    }
    results.push_back(std::move(image.top));
  }
  return with_tensors(
      inference_answer(inference.request, inference.outputs, inference.model, results));
}

void InferenceApi::discard(const std::vector<ImageRecord>& images) {
  for (const ImageRecord& image : images) {
    storage_.remove(image.id, [this](Result<ImageRecord> removed) {
      if (removed.ok()) return control_.image_removed(*std::move(removed));
      if (removed.status().code() == StatusCode::kNotFound) return;  // retention was quicker
      (void)not_stored("inference_image_not_removed", removed.status());
    });
  }
}

}  // namespace imgrec::manager
