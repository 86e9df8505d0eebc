#include "client/app/client_config.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "client/net/client_runner.h"

namespace imgrec::client {
namespace {

constexpr unsigned kMaxTop = 100;  // what the server keeps of each image
constexpr unsigned kMaxParallel = 64;
constexpr std::size_t kMaxToken = 4096;
constexpr std::chrono::milliseconds kPatience(20'000);

constexpr std::string_view kNotes =
    "PATH is a photo, a directory (searched with those in it for .jpg, .jpeg, .png, .webp, .bmp,\n"
    ".tif and .tiff; hidden ones are left out), or - for one photo on standard input.\n"
    "Results come in the order of the files. A cut connection is made again, and a photo is never\n"
    "recognised twice for it. Photos stay at the server unless --delete is given. A first Ctrl-C\n"
    "ends with what is known, a second one at once.\n"
    "\n"
    "Exit codes: 0 every photo recognised, 1 some failed or were rejected, 2 wrong usage,\n"
    "3 the server cannot be reached or refuses, 130 interrupted.\n";

Status require(bool good, std::string sentence) {
  return good ? Status() : Status(StatusCode::kInvalidArgument, std::move(sentence));
}

bool is_session(const std::string& text) {
  return text.size() >= 16 && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

Status check_token(const std::string& token) {
  const bool good =
      token.size() <= kMaxToken &&
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7F; });
  return require(good, "the token must be at most 4096 printable ASCII characters without spaces");
}

Result<std::string> load_token(const ClientConfig& config) {
  if (config.token_file.empty()) return config.token;
  std::ifstream file(config.token_file);
  std::string token;
  if (!file || !(file >> token)) {
    return Status(StatusCode::kInvalidArgument,
                  config.token_file + " cannot be read as a file with a token in it");
  }
  if (Status status = check_token(token); !status.ok()) return status;
  return token;
}

void add_output_options(OptionSet& set, ClientConfig& c) {
  set.add({"client.top", &c.top, "classes of each photo, best first; 0: one, or five in JSON",
           "top", "K", [&c] {
             return require(c.top <= kMaxTop, "top must be 0 to " + std::to_string(kMaxTop));
           }});
  set.add({"client.json", &c.json, "one JSON array, with the server's object of each image", "json",
           ""});
  set.add({"client.jsonl", &c.json_lines, "the same, an object a line", "jsonl", ""});
  set.add({"client.csv", &c.csv, "CSV (RFC 4180)", "csv", "", [&c] {
             return require(c.json + c.json_lines + c.csv <= 1,
                            "only one of --json, --jsonl and --csv can be had");
           }});
  set.add({"client.quiet", &c.quiet, "no progress and no summary", "quiet", ""});
}

}  // namespace

OutputKind ClientConfig::output() const {
  if (json) return OutputKind::kJson;
  if (json_lines) return OutputKind::kJsonLines;
  return csv ? OutputKind::kCsv : OutputKind::kTable;
}

unsigned ClientConfig::classes() const { return top > 0 ? top : json || json_lines ? 5 : 1; }

OptionSet client_options(ClientConfig& c) {
  OptionSet set("imgrec classify", "recognises photos at an imgrec server.");
  set.describe("PATH...", std::string(kNotes));
  set.add({"server", &c.server, "the server, http:// or https://", "", "URL",
           [&c] { return parse_server_url(c.server).status(); }});
  set.add({.key = "token",
           .target = &c.token,
           .help = "the server's API token, where it wants one",
           .flag = "",
           .value = "TOKEN",
           .check =
               [&c] {
                 if (!c.token.empty() && !c.token_file.empty()) {
                   return require(false, "IMGREC_TOKEN and --token-file are both given: keep one");
                 }
                 return check_token(c.token);
               },
           .secret = true});
  set.add({"token-file", &c.token_file, "file with the API token", "", "FILE"});
  set.add({"client.ca", &c.authorities,
           "authorities (PEM) of an https server's certificate; empty: the system's", "ca",
           "FILE"});
  add_output_options(set, c);
  set.add({"client.parallel", &c.parallel, "uploads at once", "parallel", "N", [&c] {
             return require(c.parallel >= 1 && c.parallel <= kMaxParallel,
                            "parallel must be 1 to " + std::to_string(kMaxParallel));
           }});
  set.add({"client.timeout", &c.timeout, "give up when nothing has moved for this long", "timeout",
           "TIME", [&c] {
             return require(c.timeout >= std::chrono::seconds(1), "timeout must be 1s or more");
           }});
  set.add({"client.delete", &c.remove, "delete each photo at the server once its result is here",
           "delete", ""});
  set.add({"client.session", &c.session,
           "the session that the photos belong to; empty: a random one for this run", "session",
           "NAME", [&c] {
             return require(
                 c.session.empty() || is_session(c.session),
                 "a session is 16 to 64 characters of A-Z, a-z, 0-9, '-' and '_'; make it "
                 "random, for instance: openssl rand -hex 16");
           }});
  return set;
}

Result<ServerAccess> server_access(const ClientConfig& config) {
  ServerAccess access;
  access.url = *parse_server_url(config.server);
  access.session = config.session.empty() ? random_hex() : config.session;
  auto token = load_token(config);
  if (!token.ok()) return token.status();
  access.token = *std::move(token);
  // A connection is given up before the run is, so that another one has a chance.
  access.patience = std::min(kPatience, config.timeout / 2);
  if (access.url.tls) {
    auto tls = load_authorities(config.authorities);
    if (!tls.ok()) return tls.status();
    access.tls = *std::move(tls);
  }
  return access;
}

}  // namespace imgrec::client
