// A whole training: pictures in, model folder out.
//
// Thread rule: main thread. Owns: nothing.
#pragma once

#include <atomic>

#include "proto/status.h"
#include "training/app/train_options.h"

namespace imgrec::training {

// Says what it does on stdout. kCancelled: `stop` became true; the message says whether there is a
// checkpoint from which it goes on.
Status train(const TrainOptions& options, const std::atomic<bool>& stop);

}  // namespace imgrec::training
