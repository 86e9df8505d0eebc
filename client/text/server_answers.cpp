#include "client/text/server_answers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

#include "proto/text.h"

namespace imgrec::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxId = 64;
constexpr std::size_t kMaxLabel = 512;
constexpr std::size_t kMaxCode = 64;
constexpr std::size_t kMaxDetail = 600;
constexpr std::size_t kMaxClasses = 1000;
constexpr std::size_t kMaxCursor = 512;
constexpr std::size_t kMaxPage = 1000;
constexpr std::size_t kMaxImageJson = 256 * 1024;

Json parse(std::string_view text) {
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= kMaxDepth; };
  return Json::parse(text, shallow, /*allow_exceptions=*/false);
}

// Of an object; null where there is none, or where `json` is no object.
const Json& member(const Json& json, const char* name) {
  static const Json kNothing;
  if (!json.is_object()) return kNothing;
  const auto found = json.find(name);
  return found == json.end() ? kNothing : *found;
}

std::string text_of(const Json& json, std::size_t max_bytes) {
  if (!json.is_string()) return {};
  return proto::clean_text(json.get_ref<const std::string&>(), max_bytes);
}

template <class Number>
Number whole(const Json& json) {
  if (!json.is_number_unsigned()) return 0;
  const auto value = json.get<std::uint64_t>();
  return value > std::numeric_limits<Number>::max() ? 0 : static_cast<Number>(value);
}

// Ids go into paths.
ImageId id_of(const Json& json) {
  if (!json.is_string()) return {};
  const std::string& text = json.get_ref<const std::string&>();
  const bool good = text.size() <= kMaxId && std::all_of(text.begin(), text.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '-' || c == '_';
                    });
  return good ? ImageId{text} : ImageId{};
}

std::optional<ImageState> state_of(const Json& json) {
  const std::string text = text_of(json, 16);
  if (text == "queued") return ImageState::kQueued;
  if (text == "assigned") return ImageState::kAssigned;
  if (text == "done") return ImageState::kDone;
  if (text == "failed") return ImageState::kFailed;
  return std::nullopt;
}

std::vector<Prediction> top_of(const Json& json) {
  std::vector<Prediction> top;
  if (!json.is_array()) return top;
  for (const Json& entry : json) {
    if (!entry.is_object() || top.size() >= kMaxClasses) continue;
    const Json& number = member(entry, "score");
    const double score = number.is_number() ? number.get<double>() : 0;
    top.push_back({whole<std::uint32_t>(member(entry, "index")),
                   text_of(member(entry, "label"), kMaxLabel),
                   std::isfinite(score) ? std::clamp(score, 0.0, 1.0) : 0});
  }
  return top;
}

// An IMAGE; nullopt where it has no id or no state that we know.
std::optional<ServerImage> image_of(const Json& json) {
  ServerImage image;
  image.id = id_of(member(json, "id"));
  const auto state = state_of(member(json, "state"));
  if (image.id.empty() || !state) return std::nullopt;
  image.state = *state;
  image.top = top_of(member(json, "top"));
  image.classes_in_json = member(json, "top").size();
  if (image.state == ImageState::kDone && image.top.empty()) return std::nullopt;
  image.unsure = member(json, "unsure") == true;
  const Json& total = member(member(json, "timing_ms"), "total");
  if (total.is_number() && std::isfinite(total.get<double>()) && total.get<double>() >= 0) {
    image.total_ms = total.get<double>();
  }
  const Json& error = member(json, "error");
  image.error_code = text_of(member(error, "code"), kMaxCode);
  image.error_detail = text_of(member(error, "detail"), kMaxDetail);
  if (image.error_code.empty()) image.error_code = "failed";
  image.json = json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (image.json.size() > kMaxImageJson) return std::nullopt;
  return image;
}

Failure bad_answer() {
  return {FailureKind::kRefused, "bad_answer",
          "its answer is none of an imgrec server: check the URL (and what is between)"};
}

FailureKind kind_of(int status, bool about_the_file) {
  switch (status) {
    case 408:
    case 409:  // an earlier try of the same file is still being taken in
    case 425:
      return FailureKind::kServer;
    case 429:
    case 502:
    case 503:
    case 504:
    case 507:
      return FailureKind::kBusy;
    case 410:
      return FailureKind::kGone;
    case 413:
    case 415:
    case 422:
      return FailureKind::kRejected;
    case 400:
    case 404:
      return about_the_file ? FailureKind::kRejected : FailureKind::kRefused;
    default:
      return status >= 500 && status < 600 ? FailureKind::kServer : FailureKind::kRefused;
  }
}

std::string words_for(int status) {
  switch (status) {
    case 401:
      return "the server wants a token: set IMGREC_TOKEN or --token-file";
    case 403:
      return "the server forbids it";
    case 413:
      return "the file is larger than the server takes";
    case 404:
      return "there is no imgrec server at this address";
    case 429:
    case 503:
      return "the server is busy";
    default:
      return "the server answered with HTTP status " + std::to_string(status);
  }
}

Failure failure_of(const HttpAnswer& answer, const Json& body, std::time_t now) {
  // An upload of one file: the reason lies with the file, under `rejected`.
  const Json& rejected = member(body, "rejected");
  const bool about_the_file = rejected.is_array() && !rejected.empty();
  const Json& own = about_the_file ? member(rejected.front(), "error") : body;
  Failure failure;
  failure.kind = kind_of(answer.status, about_the_file);
  failure.code = text_of(member(own, "code"), kMaxCode);
  failure.detail = text_of(member(own, "detail"), kMaxDetail);
  if (failure.code.empty()) failure.code = "http_" + std::to_string(answer.status);
  if (answer.status == 401) {
    failure.detail = words_for(401) + (failure.detail.empty() ? "" : " (" + failure.detail + ")");
  }
  if (failure.detail.empty()) failure.detail = words_for(answer.status);
  failure.retry_after = parse_retry_after(answer.retry_after, now);
  return failure;
}

bool good(int status) { return status >= 200 && status < 300; }

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<std::time_t> parse_http_date(const std::string& text) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  std::array<char, 4> month{};
  int end = 0;
  const int fields =
      std::sscanf(text.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d GMT%n", &utc.tm_mday, month.data(),
                  &utc.tm_year, &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &end);
  if (fields != 6 || end == 0) return std::nullopt;
  const auto found = std::find(kMonths.begin(), kMonths.end(), std::string_view(month.data()));
  if (found == kMonths.end()) return std::nullopt;
  utc.tm_mon = static_cast<int>(found - kMonths.begin());
  utc.tm_year -= 1900;
  return timegm(&utc);
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view text, std::time_t now) {
  constexpr std::int64_t kLongest = 365 * 24 * 3600;
  if (text.empty() || text.size() > 40) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) {
    const auto date = parse_http_date(std::string(text));
    if (!date) return std::nullopt;
    seconds = static_cast<std::int64_t>(*date) - static_cast<std::int64_t>(now);
  }
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kLongest));
}

std::variant<ServerImage, Failure> read_upload_answer(const HttpAnswer& answer, std::time_t now) {
  const Json body = parse(answer.body);
  if (!good(answer.status)) return failure_of(answer, body, now);
  const Json& images = member(body, "images");
  if (images.is_array() && !images.empty()) {
    if (auto image = image_of(images.front())) return *std::move(image);
  }
  const Json& rejected = member(body, "rejected");
  if (rejected.is_array() && !rejected.empty()) {
    Failure failure = failure_of(answer, body, now);
    failure.kind = FailureKind::kRejected;
    return failure;
  }
  // An earlier try did arrive, and what it made is gone: there is nothing to be told of it.
  if (images.is_array() && images.empty() && rejected.is_array()) {
    return Failure{FailureKind::kGone, "deleted",
                   "it had arrived, but somebody deleted it at the server"};
  }
  return bad_answer();
}

std::variant<ImagePage, Failure> read_page_answer(const HttpAnswer& answer, std::time_t now) {
  const Json body = parse(answer.body);
  if (!good(answer.status)) return failure_of(answer, body, now);
  const Json& images = member(body, "images");
  if (!images.is_array() || images.size() > kMaxPage) return bad_answer();
  ImagePage page;
  for (const Json& entry : images) {
    if (auto image = image_of(entry)) page.images.push_back(*std::move(image));
  }
  const Json& next = member(body, "next_cursor");
  if (next.is_string() && next.get_ref<const std::string&>().size() <= kMaxCursor) {
    page.next = next.get<std::string>();
  }
  return page;
}

std::variant<ServerImage, Failure> read_image_answer(const HttpAnswer& answer, std::time_t now) {
  const Json body = parse(answer.body);
  if (good(answer.status)) {
    if (auto image = image_of(body)) return *std::move(image);
    return bad_answer();
  }
  Failure failure = failure_of(answer, body, now);
  if (answer.status == 404) failure.kind = FailureKind::kGone;
  return failure;
}

std::optional<Failure> read_delete_answer(const HttpAnswer& answer, std::time_t now) {
  if (good(answer.status)) return std::nullopt;
  Failure failure = failure_of(answer, parse(answer.body), now);
  if (answer.status == 404) failure.kind = FailureKind::kGone;
  return failure;
}

Failure read_refused_upgrade(const HttpAnswer& answer, std::time_t now) {
  Failure failure = failure_of(answer, parse(answer.body), now);
  // A proxy may know nothing of WebSockets, while REST works: only what is about us is final.
  const bool about_us = answer.status == 401 || answer.status == 403 || answer.status == 421;
  if (failure.kind == FailureKind::kRefused && !about_us) failure.kind = FailureKind::kServer;
  if (failure.kind == FailureKind::kRejected) failure.kind = FailureKind::kServer;
  return failure;
}

std::optional<Event> read_socket_message(std::string_view text) {
  const Json message = parse(text);
  const std::string type = text_of(member(message, "type"), 16);
  const std::uint64_t seq = whole<std::uint64_t>(member(message, "seq"));
  if (type == "hello") return SocketOpened{seq};
  if (type == "image") {
    auto image = image_of(member(message, "image"));
    if (!image) return std::nullopt;
    return SocketResult{seq, *std::move(image)};
  }
  ImageId id = id_of(member(message, "id"));
  if (id.empty()) return std::nullopt;
  if (type == "state") return SocketHint{std::move(id)};
  if (type == "deleted") return SocketDeleted{std::move(id)};
  return std::nullopt;
}

}  // namespace imgrec::client
