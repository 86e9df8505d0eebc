// A name for what a training learns from and what it holds out: the same pictures, the same name.
//
// Thread rule: pure function. Owns: nothing.
#pragma once

#include <string>

#include "proto/status.h"
#include "training/core/photos.h"

namespace imgrec::training {

// SHA-256 over all pixels and labels, and over which pictures are on which side, in their order. The
// pixels are read where they are. kInternal: OpenSSL has no SHA-256.
Result<std::string> digest_of(const Photos& photos, const Split& split);

}  // namespace imgrec::training
