#include "tests/support/fake_model_file.h"

#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <utility>

namespace imgrec::test {
namespace {

// 64 hex digits: FNV-1a of the text, four times with something in front.
std::string digest_of(const std::string& text) {
  std::string digest;
  for (char salt = '0'; salt < '4'; ++salt) {
    std::uint64_t hash = 0xCBF29CE484222325u;
    for (const char c : salt + text) {
      hash ^= static_cast<unsigned char>(c);
      hash *= 0x100000001B3u;
    }
    for (int shift = 60; shift >= 0; shift -= 4) digest += "0123456789abcdef"[(hash >> shift) & 15];
  }
  return digest;
}

Status wrong(const std::string& file, const std::string& what) {
  return {StatusCode::kInvalidArgument, file + ": " + what};
}

}  // namespace

Result<FakeEngineOptions> read_fake_model(const std::string& file, FakeEngineOptions options) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return Status(StatusCode::kNotFound, file + " cannot be opened");
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  options.model_digest = digest_of(text);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view key = std::string_view(line).substr(0, space);
    const std::string value = line.substr(std::min(space + 1, line.size()));
    if (key == "end") return options;
    if (key == "name") {
      options.model_name = value;
    } else if (key == "prefix") {
      options.label_prefix = value;
    } else if (key == "warm-up") {
      options.warm_up_failure = value;
    } else if (key == "labels") {
      const auto [end, error] =
          std::from_chars(value.data(), value.data() + value.size(), options.labels);
      if (error != std::errc() || *end != '\0' || options.labels < 1 || options.labels > 65535) {
        return wrong(file, "labels must be 1 to 65535");
      }
    } else {
      return wrong(file, "unknown key \"" + std::string(key) + "\"");
    }
  }
  return wrong(file, "it is half-written: there is no line \"end\"");
}

}  // namespace imgrec::test
