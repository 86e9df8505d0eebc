// The statistics as JSON: what docs/link-emulator.md describes.
//
// Thread rule: pure functions over their arguments. Owns nothing.
#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

#include "link/core/direction.h"

namespace imgrec::link {

// unread: packets that the kernel threw away before they were read.
nlohmann::ordered_json direction_json(const Direction& direction, std::uint64_t unread);

}  // namespace imgrec::link
