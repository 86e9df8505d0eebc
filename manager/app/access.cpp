#include "manager/app/access.h"

#include <algorithm>

#include "manager/app/digest.h"
#include "manager/app/sessions.h"
#include "manager/http/http_text.h"
#include "net/join_token.h"

namespace imgrec::manager {
namespace {

constexpr std::string_view kCookie = "imgrec_access";
constexpr std::string_view kBearer = "bearer ";

std::string proof_text(const SessionId& session) { return "imgrec access " + session.text; }

}  // namespace

bool AccessControl::admits(const HttpRequest& request, const SessionId& session) const {
  if (!asks()) return true;
  const std::string_view authorization = request.header("authorization");
  if (authorization.size() > kBearer.size() &&
      equals_ignoring_case(authorization.substr(0, kBearer.size()), kBearer) &&
      is_token(trim(authorization.substr(kBearer.size())))) {
    return true;
  }
  const std::string_view proof = request.cookie(kCookie);
  if (proof.empty() || session.empty()) return false;
  // Compared as MACs of both: no byte of the right one is told by the time that it takes.
  return token_->verify(proof, token_->prove(hex(token_->prove(proof_text(session)))));
}

// Compared by a MAC under each: takes as long for every wrong one.
bool AccessControl::is_token(std::string_view presented) const {
  const auto other = net::make_join_token(presented);
  constexpr std::string_view kText = "imgrec access token";
  return asks() && other.ok() && token_->verify(kText, (*other)->prove(kText));
}

std::string AccessControl::cookie(const SessionId& session, const HttpRequest& request) const {
  return persistent_cookie(kCookie, hex(token_->prove(proof_text(session))), request);
}

bool CorsPolicy::admits(const HttpRequest& request) const {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || origins_.empty() || same_site(request)) return false;
  return std::any_of(origins_.begin(), origins_.end(), [origin](const std::string& each) {
    return each == "*" || equals_ignoring_case(each, origin);
  });
}

void CorsPolicy::open(std::string_view origin, HttpResponse& response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", origin);
  response.headers.emplace_back("Access-Control-Expose-Headers",
                                "Accept-Ranges, Content-Range, ETag, Idempotency-Replayed, "
                                "Inference-Header-Content-Length, Retry-After");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "cross-origin");
  const auto vary =
      std::find_if(response.headers.begin(), response.headers.end(),
                   [](const auto& header) { return equals_ignoring_case(header.first, "Vary"); });
  if (vary == response.headers.end()) {
    response.headers.emplace_back("Vary", "Origin");
  } else {
    vary->second += ", Origin";
  }
}

void CorsPolicy::allow(std::string_view methods, HttpResponse& response) {
  response.headers.emplace_back("Access-Control-Allow-Methods", methods);
  response.headers.emplace_back("Access-Control-Allow-Headers",
                                "Authorization, Content-Type, Idempotency-Key, "
                                "Inference-Header-Content-Length, Range, X-Filename, X-Session");
  response.headers.emplace_back("Access-Control-Max-Age", "600");
}

bool is_origin(std::string_view text) {
  if (text == "*") return true;
  const bool http = text.starts_with("http://");
  if (!http && !text.starts_with("https://")) return false;
  text.remove_prefix(http ? 7 : 8);
  return !text.empty() && text.find_first_of("/?#@ *") == std::string_view::npos;
}

}  // namespace imgrec::manager
