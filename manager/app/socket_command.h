// What a page says on its WebSocket. One command so far; anything else is ignored, since a newer
// page may know more than we do.
//
// Thread rule: a pure function. Owns: nothing.
#pragma once

#include <optional>
#include <string_view>

namespace imgrec::manager {

// {"type":"cluster","on":true|false}: are cluster figures wanted? nullopt: not this command.
// `on` missing or of another type counts as false.
std::optional<bool> read_cluster_command(std::string_view text);

}  // namespace imgrec::manager
