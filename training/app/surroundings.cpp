#include "training/app/surroundings.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>

#include "worker/inference/model_folder.h"

namespace imgrec::training {
namespace {

namespace fs = std::filesystem;

Status wrong(const std::string& what) { return {StatusCode::kInvalidArgument, what}; }

// As a checkpoint is written: a file of that name and ".new", which then takes its place.
Status check_checkpoint(const fs::path& checkpoint) {
  std::error_code error;
  if (fs::is_directory(checkpoint, error)) {
    return wrong("--checkpoint " + checkpoint.string() + " is a directory; name a file");
  }
  const fs::path parent = fs::absolute(checkpoint, error).parent_path();
  fs::create_directories(parent, error);
  if (error) return wrong("cannot make " + parent.string() + ": " + error.message());
  fs::path probe = checkpoint;
  probe += ".new";
  const bool good = std::ofstream(probe).is_open();
  const int why = errno;
  if (!good) return wrong("cannot write " + probe.string() + ": " + std::strerror(why));
  fs::remove(probe, error);
  return {};
}

// What its reader says of name, source and licence; the rest is the program's own.
Status check_texts(worker::ModelSpec spec) {
  spec.model_sha256 = spec.labels_sha256 = std::string(64, '0');
  spec.classes = 2;
  const auto read = worker::parse_model_spec(worker::format_model_spec(spec), worker::kSpecFile);
  if (read.ok()) return {};
  return wrong("no worker would take the model (--name, --source, --licence): " +
               read.status().message());
}

}  // namespace

Status check_surroundings(const TrainOptions& options, worker::ModelSpec spec) {
  if (Status status = check_texts(std::move(spec)); !status.ok()) return status;
  if (const auto folder = models::NewFolder::create(options.out, options.force); !folder.ok()) {
    return folder.status();  // else it is removed again
  }
  return check_checkpoint(options.checkpoint);
}

Status check_folder(const models::NewFolder& folder, const std::vector<std::string>& classes) {
  const auto read = worker::load_model_folder(folder.path());
  if (!read.ok()) {
    return {StatusCode::kInternal, "no worker would take the model: " + read.status().message()};
  }
  if (read->labels == classes) return {};
  return {StatusCode::kInternal, "labels.txt does not read as the classes: " +
                                     std::to_string(read->labels.size()) + " lines"};
}

}  // namespace imgrec::training
