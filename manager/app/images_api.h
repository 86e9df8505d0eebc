// The calls about images: upload, list, read, content, delete.
//
// Thread rule: handle() on any thread (the HTTP reactors'); it never blocks.
// Owns: nothing but its options. Borrows the rest, which outlives it.
#pragma once

#include <chrono>

#include "manager/app/control.h"
#include "manager/app/intake.h"
#include "manager/app/routes.h"
#include "manager/app/uploads.h"
#include "manager/http/http_message.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

struct ImagesApiOptions {
  UploadLimits upload;
  std::chrono::seconds max_wait{60};  // of ?wait=
};

class ImagesApi {
 public:
  ImagesApi(ImagesApiOptions options, Intake& intake, Storage& storage, Control& control)
      : options_(options), intake_(intake), storage_(storage), control_(control) {}

  // REQUIRES: a match of kImages, kImage or kContent that takes the request's method.
  void handle(const RouteMatch& match, HttpRequest request, const SessionId& session,
              const Responder& respond);

  // The photo of that id, where the session may see it, else what `refused` makes of the problem.
  void send_content(ImageId id, HttpRequest request, const SessionId& session,
                    const Responder& respond,
                    const std::function<HttpResponse(const Problem&)>& refused);

 private:
  using Found = std::function<void(ImageRecord)>;

  void upload(HttpRequest request, const SessionId& session, const Responder& respond);
  void list(const HttpRequest& request, const SessionId& session, const Responder& respond);
  void get_image(ImageId id, const HttpRequest& request, const SessionId& session,
                 const Responder& respond);
  void delete_image(ImageId id, const SessionId& session, const Responder& respond);
  // Calls one of the two.
  void find(ImageId id, const SessionId& session, Found found,
            std::function<void(const Problem&)> missing);

  ImagesApiOptions options_;
  Intake& intake_;
  Storage& storage_;
  Control& control_;
};

}  // namespace imgrec::manager
