// Conditional requests and byte ranges of content that never changes (RFC 9110, sections 13 and
// 14).
//
// Thread rule: pure functions. Owns: nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "manager/http/http_message.h"

namespace imgrec::manager {

// Does an If-None-Match name this tag? `etag`: with its quotes. "*" names every one; weak tags
// compare as equal.
bool etag_matches(std::string_view if_none_match, std::string_view etag);

// Makes `response`, a 200 with the whole content as its body, what the request asks for: 304 where
// the client has it, 206 with the part that Range names, 416 where it names none of it. One range
// is answered; of several, or of one in an unknown form, the whole content is, as the RFC allows.
// Sets ETag and Accept-Ranges. `etag`: with its quotes, strong.
void answer_conditions(const HttpRequest& request, const std::string& etag, HttpResponse& response);

}  // namespace imgrec::manager
