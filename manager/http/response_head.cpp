#include "manager/http/response_head.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

constexpr std::array<std::string_view, 5> kOurHeaders = {"content-length", "transfer-encoding",
                                                         "connection", "date", "server"};

constexpr std::pair<int, std::string_view> kReasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

}  // namespace

std::string_view reason_phrase(int status) {
  for (const auto& [code, phrase] : kReasons) {
    if (code == status) return phrase;
  }
  return "Unknown";
}

std::string http_date() {
  // strftime would follow the locale; HTTP is always English.
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  thread_local std::time_t last = -1;
  thread_local std::string text;
  if (now == last) return text;
  std::tm utc{};
  gmtime_r(&now, &utc);
  const auto two = [](int value) {
    return std::string{static_cast<char>('0' + value / 10 % 10),
                       static_cast<char>('0' + value % 10)};
  };
  text = std::string(kDays[utc.tm_wday]) + ", " + two(utc.tm_mday) + " " + kMonths[utc.tm_mon] +
         " " + std::to_string(1900 + utc.tm_year) + " " + two(utc.tm_hour) + ":" + two(utc.tm_min) +
         ":" + two(utc.tm_sec) + " GMT";
  last = now;
  return text;
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

const Headers& security_headers() {
  static const Headers headers = {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src "
       "'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Permissions-Policy",
       "camera=(self), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
  };
  return headers;
}

void make_sendable(HttpResponse& response) {
  if (response.status < 200 || response.status > 599) response.status = 500;
  std::erase_if(response.headers, [](const auto& header) {
    return !is_token(header.first) || !is_field_value(header.second) ||
           std::any_of(kOurHeaders.begin(), kOurHeaders.end(), [&](std::string_view name) {
             return equals_ignoring_case(header.first, name);
           });
  });
  if (!is_field_value(response.content_type)) response.content_type.clear();
  for (const auto& [name, value] : security_headers()) {
    const bool set = std::any_of(response.headers.begin(), response.headers.end(),
                                 [&, wanted = name](const auto& header) {
                                   return equals_ignoring_case(header.first, wanted);
                                 });
    if (!set) response.headers.emplace_back(name, value);
  }
}

std::string response_head(const HttpResponse& response, bool keep_alive) {
  std::string head;
  head.reserve(512);
  const auto field = [&](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  head.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  head.append(reason_phrase(response.status)).append("\r\n");
  field("Date", http_date());
  field("Server", "imgrec");
  if (!response.content_type.empty()) field("Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) field(name, value);
  // A 304 has no length to state but that of the 200 it stands for, which is not known here.
  if (status_has_body(response.status)) {
    field("Content-Length", std::to_string(response.body ? response.body->size() : 0));
  }
  field("Connection", keep_alive ? "keep-alive" : "close");
  return head.append("\r\n");
}

HttpResponse problem_response(int status, std::string_view code, std::string_view detail) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.body = std::make_shared<const std::string>(
      "{\"type\":\"about:blank\",\"title\":" + json_quote(reason_phrase(status)) +
      ",\"status\":" + std::to_string(status) + ",\"detail\":" + json_quote(detail) +
      ",\"code\":" + json_quote(code) + "}");
  return response;
}

}  // namespace imgrec::manager
