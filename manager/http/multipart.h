// Reads multipart/form-data (RFC 7578, RFC 2046), as browsers and curl send it.
//
// Thread rule: a pure function.
// Owns: names and types; the data of a part points into the body.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proto/status.h"

namespace imgrec::manager {

struct MultipartPart {
  std::string name;  // of the form's field
  // What a person calls the file: no directories, no control characters, valid UTF-8, at most 255
  // bytes. Empty for a plain field, or where the browser sent no name.
  std::string file_name;
  bool is_file = false;      // a file name was given, be it empty
  std::string content_type;  // as sent, or empty
  std::string_view data;
};

struct MultipartLimits {
  std::size_t max_parts = 2000;
  std::size_t max_part_header_bytes = 8 * 1024;
};

// What a person calls a file, from what a client says: no directories, no control characters, valid
// UTF-8 (bytes that are none are taken for Latin-1), at most 255 bytes; may be empty.
std::string clean_file_name(std::string_view raw);

// Is this the value of a Content-Type of multipart/form-data?
bool is_multipart_form(std::string_view content_type);

// kInvalidArgument for what is no form or is cut off; kResourceExhausted over a limit. A form
// without parts is not an error.
Result<std::vector<MultipartPart>> parse_multipart(std::string_view content_type,
                                                   std::string_view body,
                                                   const MultipartLimits& limits = {});

}  // namespace imgrec::manager
