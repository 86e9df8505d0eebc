// The join token that a manager and its workers share: read from a file or a variable, and
// HMAC-SHA256 over it. proto/PROTOCOL.md, "Join token", says what is proven with it.
//
// Thread rule: read at start; a token is immutable and may be used from any thread.
// Owns: the secret, which it never gives out, logs or puts into an error's text.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proto/session.h"
#include "proto/status.h"

namespace imgrec::net {

inline constexpr std::size_t kMinTokenBytes = 32;
inline constexpr std::size_t kMaxTokenBytes = 1024;

// The token of a text: 32 to 1024 printable ASCII characters without spaces. `what`: its name in
// messages to people; the website's access token is one, too.
Result<std::shared_ptr<const proto::JoinToken>> make_join_token(
    std::string_view secret, std::string_view what = "join token");

// The token that a program was given: in `file`, of which white space at the end is not part, or as
// `text`. Null where both are empty; an error where both are given, or the file cannot be read.
Result<std::shared_ptr<const proto::JoinToken>> load_join_token(
    const std::string& file, const std::string& text, std::string_view what = "join token");

}  // namespace imgrec::net
