#include "link/app/link_file.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>
#include <set>

#include "common/option_value.h"
#include "common/yaml_document.h"

namespace imgrec::link {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxLinks = 256;

class Reader {
 public:
  Reader(const std::string& path, const LinkConfig& defaults) : path_(path), defaults_(defaults) {}

  Result<std::vector<LinkConfig>> read(const YAML::Node& document) {
    std::vector<LinkConfig> links;
    const auto take = [&](const std::string& key, const YAML::Node& value) -> Status {
      if (key != "links" || !value.IsSequence()) {
        return error(value, "the file holds one list, \"links:\"");
      }
      if (value.size() > kMaxLinks) return error(value, "more than 256 links");
      for (const YAML::Node& item : value) {
        LinkConfig link = defaults_;
        link.seed += links.size();
        if (Status status = read_link(item, link); !status.ok()) return status;
        links.push_back(std::move(link));
      }
      return {};
    };
    if (Status status = each_key(document, take); !status.ok()) return status;
    if (links.empty()) return error(document, "there is no link in it");
    return links;
  }

 private:
  using KeyReader = std::function<Status(const std::string&, const YAML::Node&)>;

  Status error(const YAML::Node& node, const std::string& what) const {
    const YAML::Mark mark = node.Mark();
    const std::string line = mark.is_null() ? "" : ":" + std::to_string(mark.line + 1);
    return {StatusCode::kInvalidArgument, path_ + line + ": " + what};
  }

  Status each_key(const YAML::Node& map, const KeyReader& take) const {
    if (!map.IsMap()) return error(map, "expected \"key: value\" lines");
    std::set<std::string> seen;
    for (const auto& item : map) {
      if (!item.first.IsScalar()) return error(item.first, "a key must be plain text");
      const std::string key = item.first.Scalar();
      if (!seen.insert(key).second) return error(item.first, key + " is given twice");
      if (Status status = take(key, item.second); !status.ok()) return status;
    }
    return {};
  }

  Status read_link(const YAML::Node& node, LinkConfig& link) const {
    // What holds for both directions comes first, wherever it stands.
    const auto common = [&](const std::string& key, const YAML::Node& value) -> Status {
      if (key == "a-to-b" || key == "b-to-a") return {};
      if (!value.IsScalar()) return error(value, key + " takes one value");
      return placed(value, read_value(key, value.Scalar(), link));
    };
    if (Status status = each_key(node, common); !status.ok()) return status;
    if (!node["name"] || !node["a"] || !node["b"]) {
      return error(node, "a link needs name, a and b");
    }
    for (const std::string direction : {"a-to-b", "b-to-a"}) {
      if (!node[direction]) continue;
      DirectionSettings& settings = direction == "a-to-b" ? link.a_to_b : link.b_to_a;
      const auto own = [&](const std::string& key, const YAML::Node& value) -> Status {
        if (!value.IsScalar()) return error(value, key + " takes one value");
        return placed(value, set_setting(settings, key, value.Scalar()));
      };
      if (Status status = each_key(node[direction], own); !status.ok()) return status;
    }
    return {};
  }

  Status placed(const YAML::Node& node, const Status& status) const {
    return status.ok() ? status : error(node, status.message());
  }

  static Status read_value(const std::string& key, const std::string& value, LinkConfig& link) {
    if (key == "a" || key == "b") {
      auto end = parse_endpoint(value);
      if (!end.ok()) return {StatusCode::kInvalidArgument, key + ": " + end.status().message()};
      (key == "a" ? link.a : link.b) = *end;
      return {};
    }
    if (key == "name") return set_option_value(&link.name, value);
    if (key == "seed") return set_option_value(&link.seed, value);
    if (key == "mtu") return set_option_value(&link.mtu, value);
    if (Status status = set_setting(link.a_to_b, key, value); !status.ok()) return status;
    return set_setting(link.b_to_a, key, value);
  }

  const std::string& path_;
  const LinkConfig& defaults_;
};

}  // namespace

bool is_link_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 && name != "all" &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

Result<std::vector<LinkConfig>> parse_link_file(const std::string& path, const std::string& text,
                                                const LinkConfig& defaults) {
  const auto invalid = [&path](const std::string& what) {
    return Status(StatusCode::kInvalidArgument, path + ": " + what);
  };
  try {
    const std::optional<YAML::Node> document = load_one_yaml_document(text);
    if (!document) return invalid("holds more than one YAML document");
    if (document->IsNull()) return invalid("there is no link in it");
    return Reader(path, defaults).read(*document);
  } catch (const YAML::Exception& error) {
    return invalid(error.what());
  }
}

Result<std::vector<LinkConfig>> read_link_file(const std::string& path,
                                               const LinkConfig& defaults) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.empty() || text.size() > kMaxFileBytes) {
    return Status(StatusCode::kInvalidArgument,
                  path + ": cannot be read as a file of links, of 1 MiB at most");
  }
  return parse_link_file(path, text, defaults);
}

}  // namespace imgrec::link
