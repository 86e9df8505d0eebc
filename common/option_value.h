// Text to option values and back: the one place that says what "10s" or "64KiB" means.
//
// Thread rule: pure functions over their arguments. Owns nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/options.h"
#include "proto/status.h"

namespace imgrec {

// Sets *target from `text`. On failure the target is unchanged and the text of the status is the
// complaint alone, for the caller to put the place in front of:
//   "80a" is not a whole number from 0 to 65535
Status set_option_value(const OptionTarget& target, std::string_view text);

// The present value, written so that set_option_value would read it back: the default in --help.
std::string option_value_text(const OptionTarget& target);

// Placeholder in --help for an option that names none: "N", "DURATION"; empty for a bool.
std::string_view option_value_placeholder(const OptionTarget& target);

// The one of `names` that `typed` was probably meant to be, or an empty string: the fewest
// single-character edits, and no more than a third of its length.
std::string nearest_name(std::string_view typed, const std::vector<std::string>& names);

}  // namespace imgrec
