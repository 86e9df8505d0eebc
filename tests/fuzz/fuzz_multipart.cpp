// Any bytes as a form. Input: the Content-Type up to the first line feed, then the body.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "manager/http/http_text.h"
#include "manager/http/multipart.h"
#include "tests/fuzz/byte_source.h"

namespace {

using namespace imgrec;
using namespace imgrec::manager;
using imgrec::fuzz::require;

constexpr MultipartLimits kLimits{.max_parts = 20, .max_part_header_bytes = 512};

void check_file_name(const std::string& name) {
  require(name.size() <= 255 && is_valid_utf8(name));
  require(name.find_first_of("/\\") == std::string::npos);
  require(std::none_of(name.begin(), name.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));
  require(name != "." && name != "..");
  require(clean_file_name(name) == name);  // cleaned once, it stays as it is
}

// No part swallows a delimiter. Read only from a Content-Type so plain that there is no doubt about
// its boundary.
void check_delimiters(std::string_view type, const std::vector<MultipartPart>& parts) {
  constexpr std::string_view kPlain = "multipart/form-data; boundary=";
  if (type.substr(0, kPlain.size()) != kPlain || !is_token(type.substr(kPlain.size()))) return;
  const std::string delimiter = "\r\n--" + std::string(type.substr(kPlain.size()));
  for (const MultipartPart& part : parts) {
    // The line end before the data belongs to the part's headers, and may begin a delimiter too.
    const std::string data = "\r\n" + std::string(part.data);
    for (auto at = data.find(delimiter); at != std::string::npos;
         at = data.find(delimiter, at + 1)) {
      const std::string_view behind = std::string_view(data).substr(at + delimiter.size());
      require(behind.substr(0, 2) != "--");
      const auto padding_end = std::min(behind.find_first_not_of(" \t"), behind.size());
      require(behind.substr(padding_end, 2) != "\r\n");
    }
  }
}

// Data lies in the body, part behind part, with at least a delimiter between them.
void check_places(std::string_view body, const std::vector<MultipartPart>& parts) {
  const char* last_end = body.data();
  for (const MultipartPart& part : parts) {
    require(part.data.data() >= last_end);
    last_end = part.data.data() + part.data.size();
    require(last_end <= body.data() + body.size());
    const std::string_view behind(last_end, body.data() + body.size() - last_end);
    require(behind.substr(0, 4) == "\r\n--" || behind.substr(0, 2) == "--");
  }
}

// `"` and line ends as browsers write them, backslashes as curl does.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"') {
      result += "%22";
    } else if (c == '\r') {
      result += "%0D";
    } else if (c == '\n') {
      result += "%0A";
    } else if (c == '\\') {
      result += "\\\\";
    } else {
      result += c;
    }
  }
  return result + "\"";
}

// A cleaned name may hold a literal "%22", which a plain parameter cannot say.
std::string file_name_parameter(std::string_view name) {
  if (name.find('%') == std::string_view::npos) return "; filename=" + quoted(name);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string result = "; filename*=utf-8''";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    result += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return result;
}

// The same parts, written as a browser would, are read back as they are.
void check_round_trip(const std::vector<MultipartPart>& parts) {
  std::string boundary = "b";
  const auto occurs = [&](const MultipartPart& part) {
    return part.data.find("--" + boundary) != std::string_view::npos;
  };
  while (std::any_of(parts.begin(), parts.end(), occurs)) {
    boundary += static_cast<char>('a' + boundary.size() % 26);
    if (boundary.size() > 70) return;
  }
  std::string body;
  for (const MultipartPart& part : parts) {
    body += "--" + boundary + "\r\nContent-Disposition: form-data; name=" + quoted(part.name);
    if (part.is_file) body += file_name_parameter(part.file_name);
    if (!part.content_type.empty()) body += "\r\nContent-Type: " + part.content_type;
    body += "\r\n\r\n";
    body.append(part.data) += "\r\n";
  }
  body += "--" + boundary + "--\r\n";
  const auto again = parse_multipart("multipart/form-data; boundary=" + boundary, body);
  require(again.ok() && again->size() == parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    require((*again)[i].name == parts[i].name);
    require((*again)[i].file_name == parts[i].file_name);
    require((*again)[i].is_file == parts[i].is_file);
    require((*again)[i].content_type == parts[i].content_type);
    require((*again)[i].data == parts[i].data);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto line_end = std::min(input.find('\n'), size);
  // Copies of exactly these sizes: the address sanitizer sees a read past either.
  const std::vector<char> type(input.begin(),
                               input.begin() + static_cast<std::ptrdiff_t>(line_end));
  const auto rest = input.substr(std::min(line_end + 1, size));
  const std::vector<char> copy(rest.begin(), rest.end());
  const std::string_view body(copy.data(), copy.size());
  const auto parts = parse_multipart({type.data(), type.size()}, body, kLimits);
  if (!parts.ok()) {
    require(!parts.status().message().empty());
    return 0;
  }
  require(parts->size() <= kLimits.max_parts);
  for (const MultipartPart& part : *parts) check_file_name(part.file_name);
  check_places(body, *parts);
  check_delimiters({type.data(), type.size()}, *parts);
  check_round_trip(*parts);
  return 0;
}
