// A place in a session's list of images, as text that says nothing: job numbers count every
// session's uploads, so a client must not see them. A keyed permutation of 64 bits (four Feistel
// rounds) hides the number; it is no secret worth more than that.
//
// Thread rule: pure functions. Owns: nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/ids.h"

namespace imgrec::manager {

// 16 hex digits. REQUIRES: job.value < 2^48.
std::string encode_cursor(JobId job, std::uint64_t key);

// nullopt: not one of ours.
std::optional<JobId> decode_cursor(std::string_view text, std::uint64_t key);

}  // namespace imgrec::manager
