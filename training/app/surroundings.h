// What the end of a training needs of the machine around it, looked at before it begins: hours
// later it would be a pity.
//
// Thread rule: main thread. Owns: nothing.
#pragma once

#include <vector>

#include "models/app/new_folder.h"
#include "proto/status.h"
#include "training/app/train_options.h"

namespace imgrec::training {

// Makes the directories in which the model folder and the checkpoint are to be, where there are
// none; writes a file in each and removes it; asks the loader of model folders about `spec`, in
// which the sums and the number of classes may be missing. The message says what to do.
Status check_surroundings(const TrainOptions& options, worker::ModelSpec spec);

// `folder` is what a worker will take: all of it is read back. kInternal: it is not, or its labels
// are not `classes`.
Status check_folder(const models::NewFolder& folder, const std::vector<std::string>& classes);

}  // namespace imgrec::training
