// What a file is by its first bytes: one of our formats, or something that has a name.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <optional>
#include <string_view>

#include "media/image_header.h"

namespace imgrec::media {

// By the signature alone; nullopt: none of ours.
std::optional<ImageFormat> sniff_format(std::string_view bytes);

// For a file that is none of ours, what it seems to be: "a PDF document". Empty: no idea.
std::string_view describe_other(std::string_view bytes);

}  // namespace imgrec::media
