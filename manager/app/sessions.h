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

#include "manager/core/image_record.h"
#include "manager/http/http_message.h"
#include "proto/ids.h"
#include "proto/status.h"

namespace imgrec::manager {

// The named session; an empty id where none is named; an error where X-Session is malformed.
// A malformed cookie counts as none: browsers cannot mend it.
Result<SessionId> session_of(const HttpRequest& request);

SessionId new_session();

// The Set-Cookie header's value for a session.
std::string session_cookie(const SessionId& session);

bool may_see(const SessionId& asking, const ImageRecord& image);

// False where a browser says that another site's page made this request.
bool same_site(const HttpRequest& request);

}  // namespace imgrec::manager
