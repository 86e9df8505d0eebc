#include "tests/simulation/faults.h"

namespace imgrec::simulation {

std::string_view to_string(Fault fault) {
  switch (fault) {
    case Fault::kDelay:
      return "delay";
    case Fault::kConnectionLoss:
      return "connection loss";
    case Fault::kReordering:
      return "reordering between connections";
    case Fault::kSlowPeer:
      return "slow peer";
    case Fault::kStalledPeer:
      return "stalled peer";
    case Fault::kPartialWrite:
      return "partial writes";
    case Fault::kDuplicatedFrame:
      return "duplicated frame";
    case Fault::kCorruptedFrame:
      return "corrupted frame";
    case Fault::kRefusedConnect:
      return "refused connect";
    case Fault::kWorkerCrash:
      return "worker crash";
    case Fault::kWorkerHang:
      return "worker hang";
    case Fault::kWorkerSlowdown:
      return "worker slowdown";
    case Fault::kWorkerDrain:
      return "worker drain";
    case Fault::kEngineFailure:
      return "engine failure";
    case Fault::kLieWrongJob:
      return "lie: wrong job id";
    case Fault::kLieDoubleResult:
      return "lie: double result";
    case Fault::kLieAfterCancel:
      return "lie: result after cancel";
    case Fault::kLieWrongAttempt:
      return "lie: wrong attempt";
    case Fault::kLieFailAfterDone:
      return "lie: fail beside a result";
    case Fault::kManagerCrash:
      return "manager crash and restart";
    case Fault::kManagerRestart:
      return "manager restart in order";
    case Fault::kDiskError:
      return "disk error";
    case Fault::kPoisonImage:
      return "poison image";
    case Fault::kClientDelete:
      return "delete by client";
  }
  return "unknown";
}

}  // namespace imgrec::simulation
