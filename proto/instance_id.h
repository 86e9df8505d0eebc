// The instance id of a HELLO: which process a connection is from, and which of its models serves
// there. "0123…ef" is a process' first model, "0123…ef--1" the one that it changed to, and so on.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <string>
#include <string_view>

namespace imgrec::proto {

// `change`: how often the process has changed its model.
std::string instance_id(const std::string& process, unsigned change);

// The part that names the process; the whole id where it has no other part.
std::string_view process_of(std::string_view instance_id);

}  // namespace imgrec::proto
