// From an upload request to images and refusals: multipart or raw body, names, limits, and what
// the bytes themselves say they are.
//
// Thread rule: pure functions. Owns nothing.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "manager/http/http_message.h"
#include "manager/http/request_head.h"
#include "manager/store/storage.h"

namespace imgrec::manager {

struct UploadLimits {
  std::size_t max_image_bytes = 20ull << 20;
  std::uint64_t max_pixels = 100'000'000;
  std::size_t max_files = 1000;  // of one request
};

struct RejectedFile {
  std::string name;
  Refusal why;
};

struct Upload {
  std::vector<NewImage> images;
  std::vector<RejectedFile> rejected;
};

// An Upload with at least one entry in either list, or the Refusal of the request as a whole.
// Takes the body out of the request.
std::variant<Upload, Refusal> read_upload(HttpRequest& request, const SessionId& session,
                                          const UploadLimits& limits);

// One file, of which the client says it is called `name`: an Upload with one entry in either list.
Upload read_file(std::string name, std::string bytes, const HttpRequest& request,
                 const SessionId& session, const UploadLimits& limits);

// Tells an upload from every other: its files' names and bytes, in order. A browser's form says
// them in other words each time it is sent.
std::string fingerprint(const Upload& upload);

}  // namespace imgrec::manager
