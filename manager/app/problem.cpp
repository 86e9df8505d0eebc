#include "manager/app/problem.h"

#include <charconv>
#include <utility>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "common/logging.h"
#include "manager/app/json.h"
#include "manager/http/response_head.h"

namespace imgrec::manager {
using Json = nlohmann::ordered_json;

namespace {

// Retry-After where no rate says it: a restart is quick, a full disk waits for a person.
constexpr std::chrono::seconds kRestartTime(5);
constexpr std::chrono::seconds kDiskRepairTime(30);

}  // namespace

Json problem_json(const Problem& what) {
  return {{"type", "about:blank"},
          {"title", reason_phrase(what.status)},
          {"status", what.status},
          {"detail", what.detail},
          {"code", what.code}};
}

void add_retry_after(const Problem& what, HttpResponse& response) {
  if (!what.retry_after) return;
  response.headers.emplace_back("Retry-After", std::to_string(what.retry_after->count()));
}

HttpResponse problem(const Problem& what) {
  HttpResponse response = json_response(what.status, problem_json(what));
  response.content_type = "application/problem+json";
  add_retry_after(what, response);
  return response;
}

HttpResponse problem(int status, std::string_view code, std::string_view detail) {
  return problem(Problem(status, code, detail));
}

int http_status(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kInvalidArgument:
      return 400;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kFailedPrecondition:
      return 409;
    case StatusCode::kResourceExhausted:
      return 507;  // only storage says this to HTTP: the disk is full
    case StatusCode::kUnsupported:
      return 415;
    case StatusCode::kUnavailable:
    case StatusCode::kCancelled:
      return 503;
    case StatusCode::kDeadlineExceeded:
      return 504;
    case StatusCode::kDataLoss:
    case StatusCode::kInternal:
      return 500;
  }
  return 500;
}

Problem to_problem(const Status& status) {
  return Problem(http_status(status.code()), to_string(status.code()), status.message());
}

Problem no_such_image() {
  return Problem(404, "no_such_image",
                 "there is no such image: it was deleted, or it belongs to another session");
}

Problem bad_number(std::string_view name, std::uint64_t low, std::uint64_t high) {
  return Problem(400, "bad_parameter",
                 "'" + std::string(name) + "' must be a whole number from " + std::to_string(low) +
                     " to " + std::to_string(high));
}

Problem shutting_down() {
  return Problem(503, "shutting_down", "the manager is shutting down").after(kRestartTime);
}

Problem not_admitted(const Admission::Decision& decision) {
  switch (decision.verdict) {
    case Admission::Verdict::kTooLarge:
      return Problem(413, "request_exceeds_queue",
                     "this request holds more than one session may ever have waiting: send it in "
                     "smaller parts");
    case Admission::Verdict::kSessionFull:
      return Problem(429, "session_queue_full",
                     "so many images of this session wait already that the rest of the queue is "
                     "kept for others: try again later")
          .after(decision.retry_after);
    case Admission::Verdict::kDiskBusy:
      return Problem(429, "disk_busy",
                     "uploads come faster than they can be stored: try again later")
          .after(decision.retry_after);
    case Admission::Verdict::kQueueFull:
    case Admission::Verdict::kAdmitted:
      break;
  }
  return Problem(429, "too_many_open_images",
                 "so many images wait already that this one would wait too long: try again later")
      .after(decision.retry_after);
}

Problem storage_problem(const Status& status) {
  switch (status.code()) {
    case StatusCode::kResourceExhausted:
      return Problem(507, "storage_full",
                     "the server's disk is full: nothing was changed; try again when there is room")
          .after(kDiskRepairTime);
    case StatusCode::kUnavailable:
      return Problem(503, "storage_unavailable",
                     "the server's disk does not work: nothing was changed; try again later")
          .after(kDiskRepairTime);
    case StatusCode::kDataLoss:
      return Problem(500, "storage_damaged",
                     "the server's database or a stored file is damaged; its log says which");
    default:
      return to_problem(status);
  }
}

Problem not_stored(std::string_view event, const Status& status) {
  spdlog::error("{} error={}", event, log_text(status.message()));
  return storage_problem(status);
}

std::optional<std::uint64_t> query_number(const HttpRequest& request, std::string_view name,
                                          std::uint64_t fallback, std::uint64_t low,
                                          std::uint64_t high) {
  if (!request.has_query(name)) return fallback;
  const std::string text = request.query_value(name);
  std::uint64_t value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < low || value > high) return std::nullopt;
  return value;
}

}  // namespace imgrec::manager
