// The photos of a benchmark, and what is known about what they show.
//
// Thread rule: plain values, constant once read.
// Owns: the photos' bytes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "proto/status.h"

namespace imgrec::bench {

struct Photo {
  std::string file;
  std::string bytes;
  std::string expected;   // the label's first word that a reference program gave; empty: unknown
  std::string file_says;  // the label's first word as the file's name begins; empty: it does not
};

// All files in `directory`, in order of their names; but for *.tsv and *.md. `reference` (may be
// missing): lines of file, then label:score, best first, between tabs, after a heading line.
Result<std::vector<Photo>> read_photos(const std::filesystem::path& directory,
                                       const std::filesystem::path& reference);

}  // namespace imgrec::bench
