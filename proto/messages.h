// The messages that a manager and a worker exchange, as plain structs.
// proto/PROTOCOL.md is the authority on their bytes; message_codec.h turns one into the other.
//
// Thread rule: plain values.
// Owns: its strings; image bytes are shared and immutable, never copied.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "proto/ids.h"

namespace imgrec::proto {

// Immutable image bytes, exactly as uploaded.
using SharedBytes = std::shared_ptr<const std::string>;

// Milestones of one attempt on the worker.
struct WorkTiming {
  std::chrono::microseconds decode{};     // bytes to input tensor
  std::chrono::microseconds queue{};      // waiting on the worker, in all
  std::chrono::microseconds inference{};  // the network itself
};

struct ScoredClass {
  std::uint32_t index = 0;  // line number in labels.txt, from 0
  float score = 0;          // probability, 0 to 1
};

// worker -> manager, first message of a connection.
struct Hello {
  std::uint8_t min_version = 1;  // protocol versions the worker speaks, inclusive
  std::uint8_t max_version = 1;
  std::string name;                 // for people; not unique
  std::string instance_id;          // 32 hex digits, new at each process start
  std::string model_name;           // "bvlc_googlenet"
  std::string model_digest;         // 64 hex digits, SHA-256 of model.yaml
  std::vector<std::string> labels;  // the classes, in output order
  float unsure_below = 0;           // best score under which the answer is "not sure"; 0: never
  std::uint16_t streams = 1;        // attempts computed at the same time
  std::uint16_t credit = 2;         // attempts held at the same time, waiting ones included
};

// manager -> worker, the worker is registered.
struct Welcome {
  std::uint8_t version = 1;  // chosen for this connection
  WorkerId worker;
  std::string manager_id;                 // 32 hex digits, kept for the life of the manager's data
  std::chrono::milliseconds heartbeat{};  // send PING at least this often
  std::uint32_t max_payload_bytes = 0;    // largest payload this manager will send
};

enum class RefuseCode : std::uint16_t {
  kVersion = 1,       // no common protocol version
  kModel = 2,         // another model serves here at present
  kBadHello = 3,      // a field is out of its limits
  kToken = 4,         // join token missing, wrong, or had by one side only
  kFull = 5,          // worker limit reached
  kShuttingDown = 6,  // the manager is leaving
  kTls = 7,           // this port speaks TLS only
};

// manager -> worker, then the manager closes.
struct Refuse {
  RefuseCode code = RefuseCode::kBadHello;
  bool retry = false;  // false: trying again as you are is pointless
  std::chrono::milliseconds retry_after{};
  std::string reason;
};

// manager -> worker; the frame id is the job id.
struct Assign {
  JobId job;
  std::uint32_t attempt = 0;             // from 1, per job
  std::chrono::milliseconds deadline{};  // answer is of no use after this long; 0: none
  std::uint16_t top_k = 5;
  SharedBytes image;
};

// worker -> manager; the frame id is the job id. Best class first.
struct Outcome {
  JobId job;
  std::uint32_t attempt = 0;
  WorkTiming timing;
  bool from_cache = false;  // a repeated job, answered without computing
  std::vector<ScoredClass> top;
};

enum class FailCode : std::uint16_t {
  kNotAnImage = 1,     // no picture format we take
  kDamaged = 2,        // truncated or undecodable
  kTooManyPixels = 3,  // over the pixel cap
  kInference = 4,      // the network failed on it
  kDraining = 5,       // handed back unstarted
  kOverCredit = 6,     // more assigned than the credit allows
  kDeadline = 7,       // gave up: past its deadline
  kInternal = 8,
};

// worker -> manager; the frame id is the job id.
struct Fail {
  JobId job;
  std::uint32_t attempt = 0;
  FailCode code = FailCode::kInternal;
  bool retriable = true;  // another worker, or a later attempt, may succeed
  std::string text;       // a sentence a person can read
};

enum class CancelReason : std::uint16_t { kSettledElsewhere = 1, kDeleted = 2, kTimedOut = 3 };

// manager -> worker; the frame id is the job id.
struct Cancel {
  JobId job;
  std::uint32_t attempt = 0;
  CancelReason reason = CancelReason::kSettledElsewhere;
};

struct Load {
  std::uint16_t queued = 0;   // attempts waiting on the sender
  std::uint16_t running = 0;  // attempts being computed on the sender
};

// Both ways. The frame id correlates; a PONG repeats the PING's id and time stamp.
struct Ping {
  std::uint64_t id = 0;
  std::uint64_t sent_us = 0;  // on the sender's own clock; means nothing to the receiver
  Load load;
};
struct Pong {
  std::uint64_t id = 0;
  std::uint64_t sent_us = 0;
  Load load;
};

// Both ways. From a worker: assign nothing more, I am leaving. From a manager: finish, then leave.
struct Drain {
  std::chrono::milliseconds deadline{};  // the sender will be gone after this long
  std::string reason;
};

// Both ways: the connection ends in good order after this.
struct Bye {
  std::string reason;
};

// worker -> manager, first message of a connection where the worker has a join token: HELLO follows
// once each side has proven that it has the same one. session.h says how.
struct Open {
  std::uint8_t min_version = 1;  // as in the HELLO that follows
  std::uint8_t max_version = 1;
  std::string instance_id;
  std::string nonce;  // kJoinBytes that nobody can foresee
};

// manager -> worker, the answer to OPEN.
struct Challenge {
  std::string nonce;  // kJoinBytes that nobody can foresee
  std::string proof;  // kJoinBytes: that the manager has the token
};

// worker -> manager, the answer to CHALLENGE.
struct Proof {
  std::string proof;  // kJoinBytes: that the worker has the token
};

// manager -> worker, from protocol version 2 on: bytes that mean nothing. They are sent where there
// is nothing else to send, so that TCP learns what the path carries before the first images need
// it.
struct Fill {
  SharedBytes bytes;  // at most 64 KiB
};

// manager -> worker, from protocol version 2 on: open so many more connections to me, and say LANE
// on each (PROTOCOL.md, Lanes).
struct Lanes {
  std::uint16_t count = 0;  // 1 to kMaxLanes
  std::string key;          // an id that nobody can foresee
};

// worker -> manager, the only message of a connection that is a lane.
struct Lane {
  std::uint16_t index = 0;  // from 0, below LANES' count; another of the same takes its place
  std::string key;          // as in LANES
};

// manager -> worker: all lanes are there, and what I send from here on comes over them.
struct Spread {};

// worker -> manager, from protocol version 3 on: each stream computes so many attempts
// together, or one. Without it: one.
struct Batch {
  std::uint16_t count = 1;  // 1 to kMaxBatch
};

using Message = std::variant<Hello, Welcome, Refuse, Assign, Outcome, Fail, Cancel, Ping, Pong,
                             Drain, Bye, Open, Challenge, Proof, Fill, Lanes, Lane, Spread, Batch>;

}  // namespace imgrec::proto
