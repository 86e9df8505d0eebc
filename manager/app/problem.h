// What went wrong, as the API tells it: one value, which the API's dialects put into their own form
// (problem+json here; the Open Inference Protocol and the course project's API have others).
//
// Thread rule: plain values and pure functions. Owns its strings.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "manager/core/admission.h"
#include "manager/http/http_message.h"
#include "manager/http/request_head.h"
#include "proto/status.h"

namespace imgrec::manager {

struct Problem {
  Problem(int the_status, std::string_view the_code, std::string_view the_detail)
      : status(the_status), code(the_code), detail(the_detail) {}
  explicit Problem(const Refusal& refusal)
      : Problem(refusal.status, refusal.code, refusal.detail) {}

  Problem&& after(std::chrono::seconds wait) && {
    retry_after = wait;
    return std::move(*this);
  }

  int status;
  std::string code;    // stable, for programs
  std::string detail;  // a sentence for people
  std::optional<std::chrono::seconds> retry_after;
};

// RFC 9457, with Retry-After where it is known.
HttpResponse problem(const Problem& what);
HttpResponse problem(int status, std::string_view code, std::string_view detail);
nlohmann::ordered_json problem_json(const Problem& what);
// For every dialect's form of it: when to come again, where that is known.
void add_retry_after(const Problem& what, HttpResponse& response);

// The one switch from our status codes to HTTP's.
int http_status(StatusCode code);
Problem to_problem(const Status& status);

// ---- the problems that more than one call has ----
Problem no_such_image();
Problem bad_number(std::string_view name, std::uint64_t low, std::uint64_t high);
Problem shutting_down();
Problem not_admitted(const Admission::Decision& decision);
// What the client may know of the storage's trouble. Paths and reasons are in the log.
Problem storage_problem(const Status& status);
// The same, logged under `event`.
Problem not_stored(std::string_view event, const Status& status);

// A decimal number of a query, within bounds; `fallback` where it is not given; nullopt where it
// makes no sense.
std::optional<std::uint64_t> query_number(const HttpRequest& request, std::string_view name,
                                          std::uint64_t fallback, std::uint64_t low,
                                          std::uint64_t high);

}  // namespace imgrec::manager
