// A model folder that appears complete or not at all: made under a temporary name beside its place,
// renamed at the end, removed where that does not happen.
//
// Thread rule: one thread at a time.
// Owns: the temporary directory, until commit().
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "proto/status.h"
#include "worker/inference/model_folder.h"

namespace imgrec::models {

class NewFolder {
 public:
  // replace: an existing model folder (one with a model.yaml, or empty) may be replaced. Any other
  // existing thing at `place` is refused, and so is a link, wherever it leads.
  static Result<NewFolder> create(const std::filesystem::path& place, bool replace);
  ~NewFolder();
  NewFolder(NewFolder&& other) noexcept;
  NewFolder& operator=(NewFolder&&) = delete;

  const std::filesystem::path& path() const { return temporary_; }

  Status write(const char* name, const std::string& text) const;
  // Writes labels.txt, and model.yaml with the sums of that and of the model.pt which is there.
  Status describe(const std::vector<std::string>& labels, worker::ModelSpec spec) const;

  // Syncs the files and gives the directory its name; one that was there is exchanged in one step.
  Status commit();

 private:
  NewFolder(std::filesystem::path place, std::filesystem::path temporary);

  std::filesystem::path place_;
  std::filesystem::path temporary_;  // empty: nothing to remove
};

}  // namespace imgrec::models
