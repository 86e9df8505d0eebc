// The line that shows how far a run is, while it runs.
//
// Thread rule: pure functions. Own nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "client/core/classify_core.h"

namespace imgrec::client {

// `bytes`: of all files. `elapsed`: since the start. At most `width` columns, without an end of
// line: "[#####-----] 120/300 photos, 34.2 of 98.1 MB, 12 photos/s, 5.1 MB/s, 15 s left".
std::string progress_line(const Progress& progress, std::uint64_t bytes,
                          std::chrono::milliseconds elapsed, std::size_t width);

// "300 photos: 297 recognised, 3 not, in 25.0 s (12.0 photos/s)"
std::string summary_line(const Progress& progress, std::chrono::milliseconds elapsed);

}  // namespace imgrec::client
