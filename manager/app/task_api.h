// The course project's API, as its clients know it: POST /api/task takes one photo and gives a task
// id, GET /upload/{id} gives the photo back. Its answers are {"code","result","data"}: 100 for a
// task that was taken, 201 for a request without a photo, 202 for a photo that is refused.
//
// What has changed: a task belongs to the session that made it (the original told every browser of
// every result); its results come by /ws or GET /api/v1/images/{task_id}.
//
// Thread rule: handle() on any thread (the HTTP reactors'); it never blocks.
// Owns: nothing but its options. Borrows the rest, which outlives it.
#pragma once

#include "manager/app/images_api.h"
#include "manager/app/intake.h"
#include "manager/app/problem.h"
#include "manager/app/routes.h"
#include "manager/app/uploads.h"
#include "manager/http/http_message.h"

namespace imgrec::manager {

class TaskApi {
 public:
  TaskApi(UploadLimits limits, Intake& intake, ImagesApi& images)
      : limits_(limits), intake_(intake), images_(images) {}

  // REQUIRES: a match of kTask or kTaskPage that takes the request's method.
  void handle(const RouteMatch& match, HttpRequest request, const SessionId& session,
              const Responder& respond);

 private:
  void create(HttpRequest request, const SessionId& session, const Responder& respond);

  UploadLimits limits_;
  Intake& intake_;
  ImagesApi& images_;
};

// A problem in this API's form. The HTTP status is the problem's.
HttpResponse task_problem(const Problem& what);

}  // namespace imgrec::manager
