// Content codings of HTTP: what a client takes, and gzip.
//
// Thread rule: pure functions. Owns: nothing.
#pragma once

#include <string>
#include <string_view>

namespace imgrec::manager {

// Does this Accept-Encoding field ask for gzip (RFC 9110, section 12.5.3)? "gzip" or "x-gzip" by
// name goes before "*"; q=0 is a no. A field that is missing, or that makes no sense, asks for
// none.
bool accepts_gzip(std::string_view accept_encoding);

// RFC 1952, as small as zlib makes it, and the same bytes each time. REQUIRES: under 4 GiB.
// Empty where zlib has no memory.
std::string gzip(std::string_view bytes);

}  // namespace imgrec::manager
