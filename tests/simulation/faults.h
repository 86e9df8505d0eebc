// The kinds of faults that are counted: what really happened in a schedule, not what was planned.
//
// Thread rule: plain values. Owns nothing.
#pragma once

#include <bitset>
#include <cstddef>
#include <string_view>

namespace imgrec::simulation {

enum class Fault {
  kDelay,             // a piece was at least kLongDelay on its way for the link's own slowness
  kConnectionLoss,    // a live connection was cut at some byte, or went silent for ever
  kReordering,        // what was sent later on another connection arrived earlier
  kSlowPeer,          // a sender had to wait for a link or peer that takes little at a time
  kStalledPeer,       // one direction stood still for a while with something in it, then went on
  kPartialWrite,      // a frame arrived in pieces
  kDuplicatedFrame,   // a frame arrived twice
  kCorruptedFrame,    // a frame arrived with a flipped bit
  kRefusedConnect,    // nobody listened
  kWorkerCrash,       // a worker process died, and all it knew with it
  kWorkerHang,        // an inference never ended, or the whole process stood still
  kWorkerSlowdown,    // an inference took several times longer
  kWorkerDrain,       // a worker was asked to leave
  kEngineFailure,     // the network failed on a sound image
  kLieWrongJob,       // a RESULT for a job that the worker was not asked about
  kLieDoubleResult,   // a RESULT twice
  kLieAfterCancel,    // a RESULT for an attempt that had been cancelled
  kLieWrongAttempt,   // a RESULT under another attempt's number
  kLieFailAfterDone,  // a FAIL beside the RESULT of one attempt
  kManagerCrash,      // and a new one started on what was durable
  kManagerRestart,    // the same in good order: SIGTERM, grace, start
  kDiskError,         // an upload, a settlement or a read failed
  kPoisonImage,       // an image that kills or hangs who computes it was computed
  kClientDelete,      // a client deleted an image
};
inline constexpr std::size_t kFaults = static_cast<std::size_t>(Fault::kClientDelete) + 1;

std::string_view to_string(Fault fault);

using FaultSet = std::bitset<kFaults>;

}  // namespace imgrec::simulation
