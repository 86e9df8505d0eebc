// Messages to frames and back.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include "proto/frame.h"
#include "proto/messages.h"
#include "proto/status.h"

namespace imgrec::proto {

// REQUIRES: the message is within the limits of PROTOCOL.md (our own code made it); strings over
// their limit are cut, never sent too long. An Assign's image becomes the frame's body, uncopied.
OutgoingFrame encode(const Message& message);

// kInvalidArgument where fields are missing, too long, out of range, or bytes are left over.
// An unknown frame type is kUnsupported.
Result<Message> decode(Frame frame);

}  // namespace imgrec::proto
