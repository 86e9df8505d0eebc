// Prints what a run tells: results on standard output, progress and complaints on standard error.
//
// Thread rule: the run's thread.
// Owns: the format. Borrows the files.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "client/app/client_config.h"
#include "client/app/photo_files.h"
#include "client/net/client_runner.h"
#include "client/text/result_format.h"

namespace imgrec::client {

class ResultPrinter final : public RunListener {
 public:
  ResultPrinter(const ClientConfig& config, const std::vector<PhotoFile>& files);

  bool wants_progress() const { return progress_; }

  bool begin();  // false, as below: the output takes nothing
  bool on_outcome(const TellOutcome& outcome) override;
  void on_not_deleted(const TellNotDeleted& image) override;
  void on_progress(const Progress& progress) override;
  bool end(const RunResult& result, const std::string& session);

 private:
  bool print(const std::string& text);
  void complain(const std::string& text);
  void erase_progress();
  std::string last_words(const RunResult& result, const std::string& session) const;

  const std::vector<PhotoFile>& files_;
  std::uint64_t bytes_ = 0;
  bool quiet_;
  bool progress_;
  bool complains_;      // of each photo: not where the table shows it on the same screen
  bool shown_ = false;  // a progress line is on the screen
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::unique_ptr<ResultFormat> format_;
};

}  // namespace imgrec::client
