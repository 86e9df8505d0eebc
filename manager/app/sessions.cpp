#include "manager/app/sessions.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <sys/random.h>

#include "manager/app/digest.h"
#include "manager/http/http_text.h"

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

std::size_t count_cookies(const HttpRequest& request, std::string_view name) {
  std::size_t count = 0;
  for (const auto& [field, value] : request.headers) {
    if (field != "cookie") continue;
    for (std::string_view rest = value; !rest.empty();) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = rest.substr(0, end);
      count += trim(pair.substr(0, pair.find('='))) == name ? 1 : 0;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return count;
}

// "here:80" of http and "here:443" of https are "here", as browsers write it.
std::string_view without_default_port(std::string_view authority, std::string_view port) {
  return authority.ends_with(port) ? authority.substr(0, authority.size() - port.size())
                                   : authority;
}

}  // namespace

Result<SessionId> session_of(const HttpRequest& request) {
  const auto headers =
      std::count_if(request.headers.begin(), request.headers.end(),
                    [](const auto& header) { return header.first == "x-session"; });
  if (headers > 1) {
    return Status(StatusCode::kInvalidArgument, "there is more than one X-Session: send one");
  }
  if (const std::string_view named = request.header("x-session"); !named.empty()) {
    if (!well_formed(named)) {
      return Status(StatusCode::kInvalidArgument,
                    "X-Session must be 16 to 64 characters of A-Z, a-z, 0-9, '-' and '_'; make it "
                    "random, for instance: openssl rand -hex 16");
    }
    return SessionId{std::string(named)};
  }
  if (count_cookies(request, kCookie) > 1) {
    return Status(StatusCode::kInvalidArgument,
                  "there is more than one cookie imgrec_session: clear this site's cookies");
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

SessionId session_of_key(std::string_view key, std::string_view secret) {
  return SessionId{sha256_hex({"imgrec session of key", secret, key}).substr(0, 32)};
}

std::string persistent_cookie(std::string_view name, std::string_view value,
                              const HttpRequest& request) {
  const bool secure = equals_ignoring_case(request.header("x-forwarded-proto"), "https");
  return std::string(name) + "=" + std::string(value) +
         "; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict" + (secure ? "; Secure" : "");
}

std::string session_cookie(const SessionId& session, const HttpRequest& request) {
  return persistent_cookie(kCookie, session.text, request);
}

bool may_see(const SessionId& asking, const ImageRecord& image) {
  return asking.empty() || asking == image.session;
}

bool same_site(const HttpRequest& request) {
  // "same-site" is a page of another port or subdomain, which is not ours.
  const std::string_view fetch_site = request.header("sec-fetch-site");
  if (!fetch_site.empty() && fetch_site != "same-origin" && fetch_site != "none") return false;
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return true;  // no browser, or a plain same-origin GET
  for (const auto& [scheme, port] :
       {std::pair<std::string_view, std::string_view>{"http://", ":80"},
        {"https://", ":443"}}) {  // https: behind a proxy
    if (!origin.starts_with(scheme)) continue;
    return equals_ignoring_case(without_default_port(origin.substr(scheme.size()), port),
                                without_default_port(request.header("host"), port));
  }
  return false;  // "null": a sandboxed page or a file; an extension
}

}  // namespace imgrec::manager
