#include "manager/http/static_files.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <system_error>
#include <utility>

#include "manager/http/content_coding.h"
#include "manager/http/http_text.h"
#include "manager/http/response_head.h"

namespace imgrec::manager {
namespace {

namespace fs = std::filesystem;

std::string content_type_of(const fs::path& file) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 19> kTypes = {{
      {".css", "text/css; charset=utf-8"},
      {".gif", "image/gif"},
      {".html", "text/html; charset=utf-8"},
      {".ico", "image/x-icon"},
      {".jpeg", "image/jpeg"},
      {".jpg", "image/jpeg"},
      {".js", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".md", "text/markdown; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".png", "image/png"},
      {".svg", "image/svg+xml"},
      {".txt", "text/plain; charset=utf-8"},
      {".wasm", "application/wasm"},
      {".webmanifest", "application/manifest+json"},
      {".webp", "image/webp"},
      {".woff2", "font/woff2"},
      {".xml", "application/xml"},
  }};
  const std::string extension = to_lower(file.extension().string());
  for (const auto& [known, type] : kTypes) {
    if (known == extension) return std::string(type);
  }
  return "application/octet-stream";
}

// Text shrinks; pictures and fonts are compressed already.
bool is_text(std::string_view content_type) {
  return content_type.starts_with("text/") || content_type == "application/json" ||
         content_type == "application/xml" || content_type == "application/manifest+json" ||
         content_type == "image/svg+xml";
}

// FNV-1a, 64 bits (Fowler, Noll, Vo): enough to tell versions of one file apart.
std::string make_etag(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::string text = "\"";
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(hash >> shift) & 15];
  return text + "-" + std::to_string(bytes.size()) + "\"";
}

// If-None-Match compares weakly (RFC 9110, section 13.1.2). Our tags hold no commas.
bool matches(std::string_view condition, std::string_view etag) {
  if (trim(condition) == "*") return true;
  while (!condition.empty()) {
    const auto comma = std::min(condition.find(','), condition.size());
    auto tag = trim(condition.substr(0, comma));
    if (tag.substr(0, 2) == "W/") tag.remove_prefix(2);
    if (tag == etag) return true;
    condition.remove_prefix(std::min(comma + 1, condition.size()));
  }
  return false;
}

Result<std::string> read_file(const fs::path& path) {
  std::error_code ec;
  const auto bytes = fs::file_size(path, ec);
  if (!ec && bytes > StaticFiles::kMaxFileBytes) {
    return Status(StatusCode::kResourceExhausted,
                  "the website's file " + path.string() + " exceeds 4 MiB");
  }
  std::ifstream stream(path, std::ios::binary);
  std::string content(ec ? 0 : bytes, '\0');
  stream.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (ec || !stream) {
    return Status(StatusCode::kUnavailable,
                  "cannot read the website's file " + path.string() + "; check its permissions");
  }
  return content;
}

}  // namespace

Result<StaticFiles> StaticFiles::load(const fs::path& directory) {
  std::error_code ec;
  if (!fs::is_directory(directory, ec)) {
    return Status(StatusCode::kNotFound, "the website's folder " + directory.string() +
                                             " does not exist; name another with --frontend");
  }
  StaticFiles result;
  fs::recursive_directory_iterator entry(directory, ec);
  for (; !ec && entry != fs::recursive_directory_iterator(); entry.increment(ec)) {
    const fs::path& path = entry->path();
    const bool hidden = path.filename().string().substr(0, 1) == ".";
    if (hidden && entry->is_directory()) entry.disable_recursion_pending();
    if (hidden || entry->is_symlink() || !entry->is_regular_file()) continue;
    if (path.extension() == ".md" || path.filename() == "package.json") continue;  // for developers
    if (result.files_.size() == kMaxFiles) {
      return Status(StatusCode::kResourceExhausted,
                    "the website's folder " + directory.string() + " holds more than " +
                        std::to_string(kMaxFiles) + " files; is it the right one?");
    }
    std::string key(1, '/');
    key += path.lexically_relative(directory).generic_string();
    if (Status status = result.add(std::move(key), path); !status.ok()) return status;
  }
  if (ec) {
    return Status(StatusCode::kUnavailable,
                  "cannot read the website's folder " + directory.string() + ": " + ec.message());
  }
  return result;
}

Status StaticFiles::add(std::string url, const fs::path& path) {
  auto content = read_file(path);
  if (!content.ok()) return content.status();
  File file;
  file.content_type = content_type_of(path);
  file.plain = {make_etag(*content), std::make_shared<const std::string>(*std::move(content))};
  if (is_text(file.content_type)) {
    std::string packed = gzip(*file.plain.bytes);
    if (!packed.empty() && packed.size() < file.plain.bytes->size()) {
      file.packed = {make_etag(packed), std::make_shared<const std::string>(std::move(packed))};
    }
  }
  files_[std::move(url)] = std::move(file);
  return {};
}

const StaticFiles::File* StaticFiles::find(std::string_view path) const {
  auto found = files_.find(path == "/" ? std::string_view("/index.html") : path);
  if (found == files_.end()) found = files_.find(std::string(path) + ".html");
  return found == files_.end() ? nullptr : &found->second;
}

std::optional<HttpResponse> StaticFiles::respond(const HttpRequest& request) const {
  const File* file = find(request.path);
  if (!file) return std::nullopt;
  if (request.method != "GET" && request.method != "HEAD") {
    auto refusal = problem_response(405, "method_not_allowed",
                                    "this is a file of the website: use GET or HEAD");
    refusal.headers.emplace_back("Allow", "GET, HEAD");
    return refusal;
  }
  const bool choice = file->packed.bytes != nullptr;
  const bool packed = choice && accepts_gzip(request.header("accept-encoding"));
  const Representation& chosen = packed ? file->packed : file->plain;
  HttpResponse response;
  response.headers = {{"Cache-Control", "no-cache"}, {"ETag", chosen.etag}};
  if (choice) response.headers.emplace_back("Vary", "Accept-Encoding");
  if (matches(request.header("if-none-match"), chosen.etag)) {
    response.status = 304;
    return response;
  }
  if (packed) response.headers.emplace_back("Content-Encoding", "gzip");
  response.content_type = file->content_type;
  response.body = chosen.bytes;
  return response;
}

}  // namespace imgrec::manager
