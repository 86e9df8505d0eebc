// The shell around ClassifyCore: sockets, files, time.
//
// Thread rule: run() runs everything on the thread that calls it, the listener's calls too.
// Owns: the io_context and every connection. Borrows the listener.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "client/core/classify_core.h"
#include "client/net/http_client.h"
#include "client/net/server_stream.h"
#include "client/net/upload_body.h"

namespace imgrec::client {

class RunListener {
 public:
  virtual ~RunListener() = default;
  // The next in order. False: the run is to end at once, since nobody can be told.
  virtual bool on_outcome(const TellOutcome& outcome) = 0;
  virtual void on_not_deleted(const TellNotDeleted& image) = 0;
  virtual void on_progress(const Progress& progress) = 0;  // ten times a second
};

// A file as it is to be sent.
struct Upload {
  std::string name;  // shown by the server; without directories
  std::shared_ptr<UploadBody> body;
};

struct RunnerOptions {
  ServerAccess access;
  ClassifyOptions classify;
  bool wants_progress = false;
  // Opens a file when its turn has come; an error is the outcome of that file.
  std::function<Result<Upload>(FileId)> open;
};

struct RunResult {
  End end;
  Progress progress;
  bool must_exit_hard = false;  // a name is being resolved, which cannot be interrupted
};

class ClientRunner {
 public:
  ClientRunner(RunnerOptions options, RunListener& listener);

  // Until every file has its outcome, or there is no point in going on. Once only.
  RunResult run();

 private:
  void on_event(Event event);
  void perform(StartUpload&& action);
  void perform(OpenSocket&& action);
  void perform(ReadPage&& action);
  void perform(ReadImage&& action);
  void perform(DeleteImage&& action);
  void perform(TellOutcome&& action);
  void perform(TellNotDeleted&& action);
  void perform(End&& action);
  void arm_timer();
  void show_progress();
  std::string with_top(std::string path, char separator) const;

  RunnerOptions options_;
  RunListener& listener_;
  boost::asio::io_context io_;
  std::shared_ptr<const ServerAccess> access_;
  std::string run_key_;  // of this run: no other run has its idempotency keys
  HttpClient http_;
  ClassifyCore core_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer progress_timer_;
  RunResult result_;
};

// 128 random bits in 32 hex digits.
std::string random_hex();

}  // namespace imgrec::client
