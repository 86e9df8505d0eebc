// What became of the images that the cluster's model was given, by whichever of the API's calls:
// the figures of the Open Inference Protocol's statistics extension.
//
// Thread rule: confined to one thread (control's).
// Owns: the counts of one model; another one begins anew.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "manager/core/image_record.h"
#include "manager/core/worker_registry.h"

namespace imgrec::manager {

class InferenceStatistics {
 public:
  struct Duration {
    std::uint64_t count = 0;
    std::chrono::nanoseconds time{};

    void add(std::chrono::nanoseconds more) {
      ++count;
      time += more;
    }
  };
  // Of an image that was recognised, `success` is made up of its upload, which is in none of the
  // others, and of queue, input, infer and output.
  struct Counts {
    Duration success;  // first byte of the request to the durable result
    Duration fail;     // the same of failed images, and of those deleted before they settled
    Duration queue;    // until a worker began with it
    Duration input;    // the way to the worker and back, and decoding
    Duration infer;    // the network
    Duration output;   // the rest: making the result durable, and attempts that were lost
    WallTime last{};   // when the newest of them came
  };

  // The model that is served now. Counts of another one are forgotten.
  void serves(const ModelIdentity& model);

  void settled(const ImageRecord& image);
  // Counts it where it had not settled.
  void removed(const ImageRecord& image, WallTime now);

  const Counts& counts() const { return counts_; }

 private:
  ModelIdentity model_;
  Counts counts_;
};

}  // namespace imgrec::manager
