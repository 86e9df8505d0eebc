#include "manager/app/sessions.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <sys/random.h>

namespace imgrec::manager {
namespace {

constexpr std::string_view kCookie = "imgrec_session";
constexpr std::size_t kMinLength = 16;
constexpr std::size_t kMaxLength = 64;

bool well_formed(std::string_view text) {
  return text.size() >= kMinLength && text.size() <= kMaxLength &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

}  // namespace

Result<SessionId> session_of(const HttpRequest& request) {
  if (const std::string_view named = request.header("x-session"); !named.empty()) {
    if (!well_formed(named)) {
      return Status(StatusCode::kInvalidArgument,
                    "X-Session must be 16 to 64 characters of A-Z, a-z, 0-9, '-' and '_'; make it "
                    "random, for instance: openssl rand -hex 16");
    }
    return SessionId{std::string(named)};
  }
  const std::string_view cookie = request.cookie(kCookie);
  return well_formed(cookie) ? SessionId{std::string(cookie)} : SessionId{};
}

SessionId new_session() {
  std::array<unsigned char, 16> bits{};
  // Never short for 16 bytes once the kernel's pool is up, and it blocks until then.
  if (getrandom(bits.data(), bits.size(), 0) != static_cast<ssize_t>(bits.size())) std::abort();
  constexpr std::string_view kHex = "0123456789abcdef";
  SessionId session;
  for (const unsigned char byte : bits) {
    session.text += kHex[byte >> 4];
    session.text += kHex[byte & 15];
  }
  return session;
}

std::string session_cookie(const SessionId& session) {
  return std::string(kCookie) + "=" + session.text +
         "; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict";
}

bool may_see(const SessionId& asking, const ImageRecord& image) {
  return asking.empty() || asking == image.session;
}

bool same_site(const HttpRequest& request) {
  if (request.header("sec-fetch-site") == "cross-site") return false;
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return true;  // no browser, or a plain same-origin GET
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;  // "null": a sandboxed page or a file
  return origin.substr(scheme + 3) == request.header("host");
}

}  // namespace imgrec::manager
