// What the manager knows about one uploaded image.
//
// Thread rule: plain value. Owns its strings; uploaded bytes are shared and immutable.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/ids.h"
#include "proto/messages.h"

namespace imgrec::manager {

// queued and assigned are open; done and failed are settled, and nothing leaves them.
// Only queued, done and failed are stored: an assignment does not outlive the process.
enum class ImageState { kQueued, kAssigned, kDone, kFailed };

inline bool is_settled(ImageState s) { return s == ImageState::kDone || s == ImageState::kFailed; }

// "queued", "assigned", "done", "failed"
std::string_view to_string(ImageState state);

// How many of a model's classes are kept with an image (`?top=k` shows up to this many), unless its
// upload asked for more.
inline constexpr unsigned kStoredPredictions = 100;

using WallTime = std::chrono::system_clock::time_point;

struct Prediction {
  std::uint32_t index = 0;
  std::string label;
  float score = 0;
};

// Where the time went. push is known only when a result has gone out on a socket.
struct ImageTiming {
  std::chrono::microseconds upload{};  // first byte of the request to durable
  std::chrono::microseconds queue{};   // durable to assigned, plus the worker's own queue
  std::chrono::microseconds wire{};    // assigned to answered, less the worker's share
  std::chrono::microseconds decode{};
  std::chrono::microseconds inference{};
  std::chrono::microseconds push{};   // settled to written to the socket
  std::chrono::microseconds total{};  // first byte of the request to settled
};

struct ImageError {
  std::string code;    // stable: "damaged_image"
  std::string detail;  // a sentence for people
};

struct ImageRecord {
  JobId job;
  ImageId id;
  SessionId session;
  std::string name;        // the client's file name, as text; never a path
  std::string media_type;  // from the bytes, not from the client
  std::uint64_t bytes = 0;
  std::uint32_t width = 0;  // pixels, from the header; 0 where it does not say
  std::uint32_t height = 0;
  std::uint16_t top_k = kStoredPredictions;  // how many classes its worker is asked for, and kept
  ImageState state = ImageState::kQueued;
  WallTime created{};
  std::optional<WallTime> settled;
  std::string model;         // name of the model that answered
  std::string model_digest;  // which tells it from others of that name
  bool unsure = false;
  std::vector<Prediction> top;  // best first, up to top_k
  std::uint32_t attempts = 0;
  std::string worker;  // name of the worker that answered
  ImageTiming timing;
  std::optional<ImageError> error;
  std::uint64_t settle_seq = 0;  // number of its result event; grows with each settlement; 0: open
};

}  // namespace imgrec::manager
