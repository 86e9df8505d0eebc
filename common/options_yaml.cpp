// The YAML side of OptionSet. yaml-cpp keeps silent about duplicate keys, further documents and
// wrong types, so the tree is walked here and every value goes through set_option_value.
#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include <yaml-cpp/yaml.h>

#include "common/option_value.h"
#include "common/options.h"
#include "common/yaml_document.h"

namespace imgrec {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

// "config.yaml:3"; yaml-cpp counts lines from 0.
std::string place_of(const std::string& path, const YAML::Mark& mark) {
  return mark.is_null() ? path : path + ":" + std::to_string(mark.line + 1);
}

Status invalid(const std::string& place, const std::string& what) {
  return {StatusCode::kInvalidArgument, place + ": " + what};
}

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Status(StatusCode::kNotFound,
                  path + ": cannot be opened; does the file exist, and may it be read?");
  }
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) {
    return invalid(path, "cannot be read; is it a file?");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    return invalid(path, "is larger than 1 MiB, the limit for a configuration file");
  }
  return text;
}

// The value of one option as the text that set_option_value reads.
Result<std::string> scalar_text(const YAML::Node& value, bool is_list) {
  if (value.IsScalar()) return value.Scalar();
  if (value.IsNull()) {
    return Status(StatusCode::kInvalidArgument, "has no value; write \"\" for an empty text");
  }
  if (!value.IsSequence() || !is_list) {
    return Status(StatusCode::kInvalidArgument, value.IsSequence()
                                                    ? "takes one value, not a list"
                                                    : "takes a value, not further keys");
  }
  std::string text;
  for (const YAML::Node& item : value) {
    if (!item.IsScalar() || item.Scalar().empty() || item.Scalar().find(',') != std::string::npos) {
      return Status(StatusCode::kInvalidArgument,
                    "takes a list of texts that are not empty and hold no comma");
    }
    text += (text.empty() ? "" : ",") + item.Scalar();
  }
  return text;
}

}  // namespace

// Walks one file and hands every value to the entry whose key its path spells.
class OptionSet::YamlReader {
 public:
  YamlReader(OptionSet& options, const std::string& path) : options_(options), path_(path) {}

  Status read(const std::string& text) {
    std::optional<YAML::Node> document;
    try {
      document = load_one_yaml_document(text);
    } catch (const YAML::Exception& error) {
      return invalid(place_of(path_, error.mark), error.msg);
    }
    if (!document) return invalid(path_, "holds more than one YAML document");
    if (document->IsNull()) return {};
    return read_section(*document, "");
  }

 private:
  Status read_section(const YAML::Node& section, const std::string& prefix) {
    if (!section.IsMap()) {
      return invalid(place_of(path_, section.Mark()),
                     (prefix.empty() ? "" : prefix + ": ") + "expected \"key: value\" lines");
    }
    std::set<std::string> seen;
    for (const auto& item : section) {
      const YAML::Node& key = item.first;
      const std::string place = place_of(path_, key.Mark());
      if (!key.IsScalar()) return invalid(place, "a key must be plain text");
      const std::string name = prefix.empty() ? key.Scalar() : prefix + "." + key.Scalar();
      if (!seen.insert(name).second) return invalid(place, name + " is given twice");
      if (Status status = read_entry(item.second, name, place); !status.ok()) return status;
    }
    return {};
  }

  Status read_entry(const YAML::Node& value, const std::string& name, const std::string& place) {
    const auto entry =
        std::find_if(options_.entries_.begin(), options_.entries_.end(),
                     [&name](const Entry& candidate) { return candidate.option.key == name; });
    if (entry != options_.entries_.end()) {
      const std::string where = place + ": " + name;
      const bool is_list = std::holds_alternative<std::vector<std::string>*>(entry->option.target);
      auto text = scalar_text(value, is_list);
      if (!text.ok()) return invalid(where, text.status().message());
      return options_.assign(*entry, where, *text);
    }
    if (is_section(name)) return value.IsNull() ? Status() : read_section(value, name);
    return unknown_key(name, place);
  }

  bool is_section(const std::string& name) const {
    return std::any_of(
        options_.entries_.begin(), options_.entries_.end(),
        [&name](const Entry& entry) { return entry.option.key.rfind(name + ".", 0) == 0; });
  }

  Status unknown_key(const std::string& name, const std::string& place) const {
    std::vector<std::string> names;
    for (const Entry& entry : options_.entries_) {
      const std::string& key = entry.option.key;
      names.push_back(key);
      for (auto dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
        names.push_back(key.substr(0, dot));
      }
    }
    const std::string shown = name.substr(0, 100);
    const std::string nearest = nearest_name(shown, names);
    return invalid(place, "unknown key " + shown +
                              (nearest.empty() ? "; " + options_.program_ + " --help lists all"
                                               : "; did you mean " + nearest + "?"));
  }

  OptionSet& options_;
  const std::string& path_;
};

Status OptionSet::read_file(const std::string& path) {
  const auto text = read_text(path);
  if (!text.ok()) return text.status();
  return YamlReader(*this, path).read(*text);
}

}  // namespace imgrec
