// A whole training: pictures in, model folder out.
//
// Thread rule: main thread. Owns: nothing.
#pragma once

#include <atomic>

#include "proto/status.h"
#include "training/app/train_options.h"

namespace imgrec::training {

// Says what it does on stdout. kCancelled: `stop` became true; the checkpoint is there.
Status train(const TrainOptions& options, const std::atomic<bool>& stop);

}  // namespace imgrec::training
