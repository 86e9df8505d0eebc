// The door of the API: the access token that an operator may ask for, and the pages of other sites
// that he may let in (CORS). What stands open to everyone is in the table of routes.
//
// A program sends `Authorization: Bearer TOKEN`. A browser's page gives the token once, to
// POST /api/v1/session, and has from then on a cookie that proves it for its session alone.
//
// Thread rule: immutable after construction; every method from any thread.
// Owns: the token, which it never gives out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "manager/http/http_message.h"
#include "proto/ids.h"
#include "proto/session.h"

namespace imgrec::manager {

class AccessControl {
 public:
  // `token` null: nobody is asked for one.
  explicit AccessControl(std::shared_ptr<const proto::JoinToken> token)
      : token_(std::move(token)) {}

  bool asks() const { return token_ != nullptr; }
  // Has the request shown the token, or its session's proof of it?
  bool admits(const HttpRequest& request, const SessionId& session) const;
  bool is_token(std::string_view presented) const;
  // The Set-Cookie value that proves it for the session. REQUIRES: asks().
  std::string cookie(const SessionId& session, const HttpRequest& request) const;

 private:
  std::shared_ptr<const proto::JoinToken> token_;
};

// Pages of other origins whose scripts may use the API (Fetch standard, CORS protocol). They act as
// the session that they name in X-Session; cookies are never taken from them.
class CorsPolicy {
 public:
  // "https://gallery.example", or "*" for every one.
  explicit CorsPolicy(std::vector<std::string> origins) : origins_(std::move(origins)) {}

  // Is this a request of a page of a named origin, which is not our own?
  bool admits(const HttpRequest& request) const;
  // Lets the page of that origin read the response. REQUIRES: its request was admitted.
  static void open(std::string_view origin, HttpResponse& response);
  // What the page may send. REQUIRES: admits(request), an OPTIONS request.
  static void allow(std::string_view methods, HttpResponse& response);

 private:
  std::vector<std::string> origins_;
};

// Is this what a browser says as Origin, or "*"? For the configuration's check.
bool is_origin(std::string_view text);

}  // namespace imgrec::manager
