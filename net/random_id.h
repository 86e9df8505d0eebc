// Names that nobody can foresee, as the protocol's ids are: 32 hex digits.
//
// Thread rule: any thread. Owns nothing.
#pragma once

#include <string>

namespace imgrec::net {

// From the kernel's randomness.
std::string random_id();

}  // namespace imgrec::net
