// The calls of the Open Inference Protocol (docs/inference-protocol.md): what the server and its
// model are, whether they are ready, their statistics, and inference.
//
// The images of an inference request are its own: of a session that nobody can name, and deleted
// once the request is answered, whatever the answer; a worker that still holds one is told to stop.
// What a crash leaves of them, the next start removes.
//
// Thread rule: handle() on any thread (the HTTP reactors'), it never blocks; the rest on control's.
// Owns: its options, the model's statistics, and a thread that reads long JSON, so that it holds up
// nobody but those who send such. Borrows the rest, which outlives it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/thread_pool.hpp>

#include "manager/app/control.h"
#include "manager/app/images_api.h"
#include "manager/app/inference_protocol.h"
#include "manager/app/inference_statistics.h"
#include "manager/app/intake.h"
#include "manager/app/problem.h"
#include "manager/app/routes.h"
#include "manager/http/http_message.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

class InferenceApi : public Control::ImageObserver {
 public:
  InferenceApi(ImagesApiOptions options, Intake& intake, Storage& storage, Control& control)
      : options_(options), intake_(intake), storage_(storage), control_(control) {}

  // REQUIRES: a match of one of this protocol's calls that takes the request's method.
  void handle(const RouteMatch& match, HttpRequest request, const Responder& respond);

  void on_state(const ImageRecord&) override {}
  void on_settled(const ImageRecord& image) override;
  void on_deleted(const ImageRecord& image) override;

 private:
  // What a call names of "/v2/models/{name}/versions/{version}".
  struct Named {
    std::string name;
    std::optional<std::string> version;
  };
  struct Inference;  // one under way

  void ready(const Responder& respond);
  void about_model(Call call, Named named, const Responder& respond);
  void all_statistics(const Responder& respond);
  nlohmann::ordered_json statistics_of(const ModelIdentity& model);

  void infer(Named named, HttpRequest request, const Responder& respond);
  void read_and_begin(const std::shared_ptr<Inference>& inference, HttpRequest request);
  std::optional<Problem> read(Inference& inference, HttpRequest request) const;
  void begin(const std::shared_ptr<Inference>& inference, const ServedModel& served);
  HttpResponse answer(const Inference& inference, std::vector<ImageRecord> images) const;
  void discard(const std::vector<ImageRecord>& images);

  const ImagesApiOptions options_;
  Intake& intake_;
  Storage& storage_;
  Control& control_;
  InferenceStatistics statistics_;  // control's thread
  boost::asio::thread_pool json_reader_{1};
};

// A problem in this protocol's form: {"error": "…"}. The HTTP status is the problem's.
HttpResponse inference_problem(const Problem& what);

}  // namespace imgrec::manager
