#include "manager/http/multipart.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "manager/http/http_text.h"

namespace imgrec::manager {
namespace {

constexpr std::size_t kMaxFileNameBytes = 255;
constexpr std::size_t kMaxBoundaryBytes = 70;  // RFC 2046, section 5.1.1

using Parameters = std::vector<std::pair<std::string, std::string>>;  // names in lower case

Status malformed(std::string detail) {
  return Status(StatusCode::kInvalidArgument, std::move(detail));
}

// A quoted string whose opening quote has been taken. curl escapes '"' and '\' with a backslash;
// browsers write '"' as %22 and leave backslashes (of Windows paths) alone.
std::optional<std::string> take_quoted(std::string_view& rest) {
  std::string value;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const bool escape =
        rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\');
    if (escape) {
      value.push_back(rest[++i]);
    } else if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return value;
    } else {
      value.push_back(rest[i]);
    }
  }
  return std::nullopt;
}

// `; name=value; name="value"…`, without what stands before the first ';'. nullopt: malformed.
std::optional<Parameters> parse_parameters(std::string_view text) {
  Parameters parameters;
  auto rest = text.substr(std::min(text.find(';'), text.size()));
  while (!(rest = trim(rest)).empty()) {
    if (rest.front() != ';') return std::nullopt;
    rest = trim(rest.substr(1));
    if (rest.empty()) break;  // a ';' at the end
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string name = to_lower(trim(rest.substr(0, equals)));
    rest = trim(rest.substr(equals + 1));
    if (!rest.empty() && rest.front() == '"') {
      rest.remove_prefix(1);
      auto value = take_quoted(rest);
      if (!value) return std::nullopt;
      parameters.emplace_back(std::move(name), *std::move(value));
    } else {
      const auto end = std::min(rest.find(';'), rest.size());
      parameters.emplace_back(std::move(name), trim(rest.substr(0, end)));
      rest.remove_prefix(end);
    }
  }
  return parameters;
}

const std::string* find(const Parameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters) {
    if (key == name) return &value;
  }
  return nullptr;
}

// The three characters that browsers encode in names (WHATWG HTML, multipart/form-data encoding).
std::string decode_browser_escapes(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = to_lower(text.substr(i, 3));
    const char c = code == "%22" ? '"' : code == "%0d" ? '\r' : code == "%0a" ? '\n' : '\0';
    result.push_back(c == '\0' ? text[i] : c);
    if (c != '\0') i += 2;
  }
  return result;
}

std::string from_latin1(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      result.push_back(c);
    } else {
      result.push_back(static_cast<char>(0xc0 | (byte >> 6)));
      result.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return result;
}

// `UTF-8''na%C3%AFve.jpg` (RFC 8187). nullopt: another character set, or malformed.
std::optional<std::string> decode_extended(std::string_view value) {
  const auto first = value.find('\'');
  const auto second = first == std::string_view::npos ? first : value.find('\'', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (!equals_ignoring_case(value.substr(0, first), "utf-8")) return std::nullopt;
  return percent_decode(value.substr(second + 1), PlusSign::kLiteral);
}

Status read_disposition(std::string_view value, MultipartPart& part) {
  if (!equals_ignoring_case(trim(value.substr(0, value.find(';'))), "form-data")) {
    return malformed("a part's Content-Disposition is not form-data");
  }
  const auto parameters = parse_parameters(value);
  if (!parameters) return malformed("a part's Content-Disposition is malformed");
  const auto* name = find(*parameters, "name");
  if (!name) return malformed("a part of the form has no name");
  part.name = decode_browser_escapes(*name);
  const auto* plain = find(*parameters, "filename");
  const auto* extended = find(*parameters, "filename*");
  part.is_file = plain || extended;
  const auto decoded = extended ? decode_extended(*extended) : std::nullopt;
  if (decoded) {
    part.file_name = clean_file_name(*decoded);
  } else if (plain) {
    part.file_name = clean_file_name(decode_browser_escapes(*plain));
  }
  return {};
}

// `headers`: lines, each with its CRLF.
Status read_part_headers(std::string_view headers, MultipartPart& part) {
  bool has_disposition = false;
  while (!headers.empty()) {
    const auto end = headers.find("\r\n");
    const auto line = headers.substr(0, end);
    headers.remove_prefix(end + 2);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
      return malformed("a header line of a part is not 'Name: value'");
    }
    const auto name = line.substr(0, colon);
    const auto value = trim(line.substr(colon + 1));
    if (equals_ignoring_case(name, "content-disposition")) {
      if (std::exchange(has_disposition, true)) {
        return malformed("a part has more than one Content-Disposition");
      }
      if (auto status = read_disposition(value, part); !status.ok()) return status;
    } else if (equals_ignoring_case(name, "content-type")) {
      part.content_type = value;
    } else if (equals_ignoring_case(name, "content-transfer-encoding") &&
               (equals_ignoring_case(value, "base64") ||
                equals_ignoring_case(value, "quoted-printable"))) {
      return malformed("a part uses Content-Transfer-Encoding; send its bytes as they are");
    }
  }
  return has_disposition ? Status() : malformed("a part of the form has no Content-Disposition");
}

struct Delimiter {
  std::size_t begin = 0;  // of the CRLF before it, which belongs to it
  std::size_t end = 0;    // of its line
  bool final = false;
};

// The next line that is the delimiter. A line that only begins like it is data.
std::optional<Delimiter> find_delimiter(std::string_view body, std::size_t from,
                                        const std::string& with_crlf) {
  const std::string_view dashes = std::string_view(with_crlf).substr(2);
  while (true) {
    Delimiter found;
    std::size_t after = 0;
    if (from == 0 && body.substr(0, dashes.size()) == dashes) {
      after = dashes.size();
    } else {
      found.begin = body.find(with_crlf, from);
      if (found.begin == std::string_view::npos) return std::nullopt;
      after = found.begin + with_crlf.size();
    }
    found.final = body.substr(after, 2) == "--";
    if (found.final) {
      found.end = after + 2;
      return found;
    }
    const auto padding_end = body.find_first_not_of(" \t", after);
    if (padding_end != std::string_view::npos && body.substr(padding_end, 2) == "\r\n") {
      found.end = padding_end + 2;
      return found;
    }
    from = std::max<std::size_t>(after, 1);
  }
}

Result<std::string> read_boundary(std::string_view content_type) {
  const auto parameters = parse_parameters(content_type);
  const auto* boundary = parameters ? find(*parameters, "boundary") : nullptr;
  if (!boundary) return malformed("the Content-Type names no boundary");
  if (boundary->empty() || boundary->size() > kMaxBoundaryBytes || !is_field_value(*boundary)) {
    return malformed("the boundary must have 1 to 70 characters");
  }
  return *boundary;
}

}  // namespace

std::string clean_file_name(std::string_view raw) {
  const auto slash = raw.find_last_of("/\\");
  if (slash != std::string_view::npos) raw.remove_prefix(slash + 1);
  std::string name = is_valid_utf8(raw) ? std::string(raw) : from_latin1(raw);
  std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  // The C1 control characters, U+0080 to U+009F.
  for (std::size_t i = 0; i + 1 < name.size();) {
    const bool c1 = name[i] == '\xc2' && static_cast<unsigned char>(name[i + 1]) < 0xa0;
    if (c1) {
      name.erase(i, 2);
    } else {
      ++i;
    }
  }
  if (name == "." || name == "..") return {};
  return std::string(utf8_prefix(name, kMaxFileNameBytes));
}

bool is_multipart_form(std::string_view content_type) {
  return equals_ignoring_case(trim(content_type.substr(0, content_type.find(';'))),
                              "multipart/form-data");
}

Result<std::vector<MultipartPart>> parse_multipart(std::string_view content_type,
                                                   std::string_view body,
                                                   const MultipartLimits& limits) {
  if (!is_multipart_form(content_type)) {
    return malformed("the Content-Type is not multipart/form-data");
  }
  const auto boundary = read_boundary(content_type);
  if (!boundary.ok()) return boundary.status();
  const std::string delimiter = "\r\n--" + *boundary;
  auto here = find_delimiter(body, 0, delimiter);
  if (!here) return malformed("the boundary named in the Content-Type does not occur in the form");

  std::vector<MultipartPart> parts;
  while (!here->final) {
    // An empty line at once: a part without headers.
    const auto rest = body.substr(here->end);
    const auto headers_end = rest.substr(0, 2) == "\r\n"
                                 ? 0
                                 : rest.substr(0, limits.max_part_header_bytes).find("\r\n\r\n");
    if (headers_end == std::string_view::npos) {
      if (rest.size() >= limits.max_part_header_bytes) {
        return Status(StatusCode::kResourceExhausted, "the headers of a part are too long");
      }
      return malformed("the form is cut off within the headers of a part");
    }
    MultipartPart part;
    const auto headers = rest.substr(0, headers_end == 0 ? 0 : headers_end + 2);
    if (auto status = read_part_headers(headers, part); !status.ok()) return status;
    // The search begins at the empty line's own CRLF, which is the delimiter's where a part is
    // empty.
    const std::size_t data_begin = here->end + headers.size() + 2;
    const auto next = find_delimiter(body, data_begin - 2, delimiter);
    if (!next) return malformed("the form is cut off: its final boundary is missing");
    const std::size_t data_end = std::max(next->begin, data_begin);
    part.data = body.substr(data_begin, data_end - data_begin);
    if (parts.size() == limits.max_parts) {
      return Status(StatusCode::kResourceExhausted,
                    "the form has more than " + std::to_string(limits.max_parts) + " parts");
    }
    parts.push_back(std::move(part));
    here = next;
  }
  return parts;
}

}  // namespace imgrec::manager
