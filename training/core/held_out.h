// Whether what is held out is enough to tell anything by.
//
// Thread rule: pure functions. Owns: nothing.
#pragma once

#include <string>
#include <vector>

#include "training/core/photos.h"

namespace imgrec::training {

// Why nothing can be said of a network with these held out; empty where something can.
std::string why_nothing_can_be_said(const Split& split);

// What little they say, a sentence each. REQUIRES: some are held out.
std::vector<std::string> doubts_about(const Photos& photos, const Split& split);

}  // namespace imgrec::training
