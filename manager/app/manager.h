// The whole manager: every part built in dependency order, started, and stopped in reverse.
//
// Thread rule: start() and stop() from the main thread.
// Owns: storage, the control thread and everything on it, the HTTP server.
#pragma once

#include <memory>

#include "manager/app/manager_config.h"
#include "proto/status.h"

namespace imgrec::manager {

class Manager {
 public:
  // Opens the data directory, resumes what is open, listens on both ports. Errors name what could
  // not be had: kInvalidArgument for a wrong setting, kUnavailable for a port or a directory.
  static Result<std::unique_ptr<Manager>> start(const ManagerConfig& config);

  // The shutdown sequence, at most shutdown.drain plus a few seconds:
  //   1. /readyz says 503, uploads are refused          4. sockets are closed, waiting calls
  //   answered
  //   2. nothing more is assigned                       5. HTTP finishes its requests and closes
  //   3. results in flight are awaited, workers get BYE 6. the control thread ends, storage flushes
  void stop();

  ~Manager();

 private:
  class Impl;
  explicit Manager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::manager
