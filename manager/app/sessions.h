// Who is asking: the session of a request, and whether it may.
//
// A request that names a session (cookie or X-Session) acts as that session and sees its images
// only. A request that names none holds nothing but an image's id, which nobody can guess: the id
// is then its capability. docs/decisions/0002-sessions.md argues it.
//
// Thread rule: pure functions, but new_session(), which asks the kernel for random bits.
// Owns nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "manager/core/image_record.h"
#include "manager/http/http_message.h"
#include "proto/ids.h"
#include "proto/status.h"

namespace imgrec::manager {

// The named session; an empty id where none is named; an error where X-Session is malformed, or
// where two are named in the same way: another host of the domain can plant a cookie of our name
// beside ours, and nobody could say which of the two is meant. A malformed cookie counts as none:
// browsers cannot mend it.
Result<SessionId> session_of(const HttpRequest& request);

SessionId new_session();

// The session of an upload that names none, but has an Idempotency-Key: that of the same key is the
// same one, so that a repeat finds what it repeats. `secret`: the data directory's, so that nobody
// else can tell the session of a key.
SessionId session_of_key(std::string_view key, std::string_view secret);

// A Set-Cookie value: for a year, for scripts of no page, for requests of our own pages; for
// `request`'s answer, so that a browser which came through a proxy that speaks TLS never sends it
// in the clear.
std::string persistent_cookie(std::string_view name, std::string_view value,
                              const HttpRequest& request);

std::string session_cookie(const SessionId& session, const HttpRequest& request);

bool may_see(const SessionId& asking, const ImageRecord& image);

// False where a browser says that a page which is not ours made this request: of another site, of
// another port or subdomain of this one, or of no site at all (a sandboxed frame, a file).
bool same_site(const HttpRequest& request);

}  // namespace imgrec::manager
