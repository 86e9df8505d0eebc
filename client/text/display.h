// Figures and names as people read them on a terminal.
//
// Thread rule: pure functions. Own nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace imgrec::client {

// A line of labels.txt: "n01440764 tench, Tinca tinca" → "tench". Lines of other models, which have
// no synset id, keep what stands before the first comma.
std::string readable_label(std::string_view line);

// A probability from 0 to 1. Never claims certainty: 0.9999 is ">99%", 0.001 is "<1%".
std::string percent(double score);

// "84 ms", "1.24 s", "12.3 s", "2 min 5 s".
std::string duration(double milliseconds);

// "512 B", "34.2 MB" (of 1000 * 1000 bytes, as file managers and disks count).
std::string byte_size(std::uint64_t bytes);

// "1 photo", "5 photos".
std::string count_of(std::uint64_t count, std::string_view one);

// Columns of a terminal that UTF-8 takes: none for combining characters, two for wide ones.
std::size_t display_width(std::string_view text);

// Exactly `width` columns: filled up with spaces, or cut with "…" at its end (`keep_end`: at its
// beginning). REQUIRES: width >= 1.
std::string fit(std::string_view text, std::size_t width, bool keep_end = false);

// Safe on a terminal: no control characters, none that turn the direction of writing; valid UTF-8.
std::string harmless(std::string_view text);

}  // namespace imgrec::client
