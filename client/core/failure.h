// Why a call did not do what it was for, told apart by what is to be done about it.
//
// Thread rule: plain value. Owns its texts.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace imgrec::client {

enum class FailureKind {
  kNetwork,   // no answer came: try again
  kBusy,      // try again later, when the server says so
  kServer,    // the server's trouble, which may pass
  kRefused,   // every call would be answered so: token, address, no imgrec there
  kRejected,  // the answer to this file is no
  kGone,      // the server has no such image (any more)
  kLocal,     // the file cannot be read here
};

struct Failure {
  FailureKind kind = FailureKind::kNetwork;
  std::string code;    // stable, for programs: "not_an_image"
  std::string detail;  // a sentence for people
  std::optional<std::chrono::milliseconds> retry_after = {};
};

}  // namespace imgrec::client
