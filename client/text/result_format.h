// Results as a table, as CSV, as JSON. Each gives the text to print, piece by piece, so that no
// result is kept longer than it takes to print it.
//
// Thread rule: pure but for the order of its calls: header(), row() for each, footer().
// Owns: what it needs to know of the rows before (JSON's commas).
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "client/core/classify_core.h"

namespace imgrec::client {

enum class OutputKind { kTable, kCsv, kJson, kJsonLines };

struct OutputOptions {
  OutputKind kind = OutputKind::kTable;
  unsigned top = 1;              // classes of each photo
  std::size_t width = 0;         // columns of the terminal; 0: no terminal, nothing is cut
  std::size_t longest_path = 0;  // in columns
  bool colours = false;
};

class ResultFormat {
 public:
  virtual ~ResultFormat() = default;
  virtual std::string header() { return {}; }
  virtual std::string row(const std::string& path, const TellOutcome& outcome) = 0;
  virtual std::string footer() { return {}; }
};

// Table: one line for each photo (file, label, score, time) and one for each further class.
// CSV: RFC 4180 with a header; one line for each class of a recognised photo, one for any other.
// JSON: one array, of an object for each file: "path", "status" (recognised, failed, rejected,
// unfinished), "error" and "image", the server's IMAGE, each null where there is none. JSON lines:
// such an object a line.
std::unique_ptr<ResultFormat> make_result_format(const OutputOptions& options);

// "recognised", "failed", "rejected", "unfinished"
std::string_view to_string(OutcomeKind kind);

}  // namespace imgrec::client
