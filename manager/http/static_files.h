// The website's files, held in memory: what is not in the folder at start does not exist. Text is
// compressed once, at load, and goes out so to whoever takes gzip.
//
// Thread rule: load() once; respond() from any thread afterwards.
// Owns: the files' bytes, shared with the responses under way.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "manager/http/http_message.h"
#include "proto/status.h"

namespace imgrec::manager {

class StaticFiles {
 public:
  static constexpr std::size_t kMaxFileBytes = 4u << 20;
  static constexpr std::size_t kMaxFiles = 500;

  // Every regular file below `directory`, except hidden ones, links, and what is there for
  // developers (*.md, package.json). kNotFound where there is no such folder, kResourceExhausted
  // over a limit, kUnavailable where a file cannot be read.
  static Result<StaticFiles> load(const std::filesystem::path& directory);

  // One file more, from elsewhere (a library of the system's), served at `url`; links are followed,
  // since packages use them. kUnavailable where it cannot be read, kResourceExhausted over the
  // limit.
  Status add(std::string url, const std::filesystem::path& path);

  // nullopt: no file of that path. "/" is index.html, "/about" is about.html. Methods other than
  // GET and HEAD get 405. HEAD is answered as GET; the server leaves the body out.
  std::optional<HttpResponse> respond(const HttpRequest& request) const;

  std::size_t size() const { return files_.size(); }

 private:
  struct Representation {
    std::string etag;
    std::shared_ptr<const std::string> bytes;
  };
  struct File {
    std::string content_type;
    Representation plain;
    Representation packed;  // with gzip; without bytes where that is no smaller
  };

  const File* find(std::string_view path) const;

  std::map<std::string, File, std::less<>> files_;  // by path: "/css/site.css"
};

}  // namespace imgrec::manager
