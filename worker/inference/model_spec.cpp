// The YAML side of model_folder.h. yaml-cpp keeps silent about duplicate keys and wrong types, so
// the tree is walked here and every scalar is read by us.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "common/yaml_document.h"
#include "proto/text.h"
#include "worker/inference/model_folder.h"

namespace imgrec::worker {
namespace {

constexpr std::string_view kSections[] = {"input", "input.resize", "sha256"};
constexpr std::string_view kKeys[] = {
    "format",
    "name",
    "input.width",
    "input.height",
    "input.resize.mode",
    "mean",
    "scale",
    "input.resize.width",
    "input.resize.height",
    "input.resize.filter",
    "outputs",
    "input.crop",
    "unsure_below",
    "classes",
    "source",
    "licence",
    "channels",
    "sha256.model.pt",
    "sha256.labels.txt",
};
constexpr std::string_view kOptionalKeys[] = {"sha256.ranges.tsv"};
constexpr double kMaxSide = 8192;  // pixels, of input and resize

bool is_one_of(std::string_view key, const auto& keys) {
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

// Valid UTF-8 without control characters but tabs and line ends: what clean_text() would replace by
// nothing but spaces.
bool is_printable(const std::string& text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  const auto replacements = [&](std::string_view in) {
    std::size_t count = 0;
    for (auto at = in.find(kReplacement); at != in.npos; at = in.find(kReplacement, at + 1))
      ++count;
    return count;
  };
  const std::string clean = proto::clean_text(text, kReplacement.size() * text.size());
  return replacements(clean) == replacements(text);
}

// Reads values and keeps the first thing that is wrong; after that every getter returns a default.
class SpecReader {
 public:
  explicit SpecReader(std::string file) : file_(std::move(file)) {}

  void read(const std::string& text) {
    try {
      const std::optional<YAML::Node> document = load_one_yaml_document(text);
      if (!document || !document->IsMap()) {
        fail(YAML::Mark::null_mark(), "is no model description: one map of keys is needed");
        return;
      }
      collect(*document, "");
    } catch (const YAML::Exception& error) {
      fail(error.mark, "is not valid YAML: " + error.msg);
    }
    for (std::string_view key : kKeys) {
      if (!values_.contains(std::string(key))) {
        fail(YAML::Mark::null_mark(), "lacks the key \"" + std::string(key) + "\"");
      }
    }
  }

  std::string text(const std::string& key) {
    const YAML::Node* node = scalar(key, "a text");
    if (node == nullptr) return {};
    if (!is_printable(node->Scalar())) {
      fail(node->Mark(), key + ": holds control characters, or bytes that are no UTF-8");
    }
    return node->Scalar();
  }

  double number(const std::string& key, double min, double max) {
    const YAML::Node* node = scalar(key, "a number");
    return node == nullptr ? min : parse_number(*node, key, min, max);
  }

  unsigned whole_number(const std::string& key, unsigned min, unsigned max) {
    const YAML::Node* node = scalar(key, "a whole number");
    if (node == nullptr) return min;
    const std::string& digits = node->Scalar();
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const bool octal_look = digits.size() > 1 && digits[0] == '0';
    if (error != std::errc() || end != digits.data() + digits.size() || octal_look || value < min ||
        value > max) {
      fail(node->Mark(), key + ": \"" + digits + "\" is not a whole number from " +
                             std::to_string(min) + " to " + std::to_string(max));
      return min;
    }
    return value;
  }

  // The position of the value in `choices`.
  std::size_t choice(const std::string& key, std::initializer_list<std::string_view> choices) {
    const YAML::Node* node = scalar(key, "one word");
    if (node == nullptr) return 0;
    const auto found = std::find(choices.begin(), choices.end(), node->Scalar());
    if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
    std::string list;
    for (std::string_view word : choices) list += (list.empty() ? "" : ", ") + std::string(word);
    fail(node->Mark(), key + ": \"" + node->Scalar() + "\" is not supported; known: " + list);
    return 0;
  }

  // One number for all channels, or a list.
  std::array<double, 3> one_or_three_numbers(const std::string& key, double min, double max) {
    const YAML::Node* node = find(key);
    if (node == nullptr || node->IsSequence()) return three_numbers(key, min, max);
    const double all = number(key, min, max);
    return {all, all, all};
  }

  std::array<double, 3> three_numbers(const std::string& key, double min, double max) {
    const YAML::Node* node = find(key);
    if (node == nullptr) return {};
    std::array<double, 3> numbers{};
    if (!node->IsSequence() || node->size() != numbers.size()) {
      fail(node->Mark(), key + ": needs a list of three numbers, one per channel");
      return {};
    }
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = parse_number((*node)[i], key, min, max);
    }
    return numbers;
  }

  bool has(const std::string& key) const { return find(key) != nullptr; }

  std::string sha256(const std::string& key) {
    std::string digits = text(key);
    const bool hex = std::all_of(digits.begin(), digits.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    if (status_.ok() && (digits.size() != 64 || !hex)) {
      fail(values_.at(key).Mark(), key + ": is no SHA-256 sum (64 lower-case hex digits)");
    }
    return digits;
  }

  void fail(const YAML::Mark& mark, const std::string& what) {
    if (!status_.ok()) return;
    const std::string place = mark.is_null() ? file_ : file_ + ":" + std::to_string(mark.line + 1);
    status_ = Status(StatusCode::kInvalidArgument, place + ": " + what);
  }

  const Status& status() const { return status_; }

 private:
  void collect(const YAML::Node& map, const std::string& prefix) {
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        fail(entry.first.Mark(), "a key must be a word");
        return;
      }
      const std::string key = prefix + entry.first.Scalar();
      const bool section = is_one_of(key, kSections);
      if (!section && !is_one_of(key, kKeys) && !is_one_of(key, kOptionalKeys)) {
        fail(entry.first.Mark(), "unknown key \"" + key + "\"");
      } else if (!values_.emplace(key, entry.second).second) {
        fail(entry.first.Mark(), "the key \"" + key + "\" is there twice");
      } else if (section && !entry.second.IsMap()) {
        fail(entry.second.Mark(), key + ": needs further keys below it");
      } else if (section) {
        collect(entry.second, key + ".");
      }
      if (!status_.ok()) return;
    }
  }

  const YAML::Node* find(const std::string& key) const {
    const auto found = values_.find(key);
    return !status_.ok() || found == values_.end() ? nullptr : &found->second;
  }

  const YAML::Node* scalar(const std::string& key, const char* wanted) {
    const YAML::Node* node = find(key);
    if (node == nullptr || node->IsScalar()) return node;
    fail(node->Mark(), key + ": needs " + wanted);
    return nullptr;
  }

  double parse_number(const YAML::Node& node, const std::string& key, double min, double max) {
    const std::string digits = node.IsScalar() ? node.Scalar() : "";
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() ||
        !(value >= min && value <= max)) {
      std::ostringstream range;
      range << min << " to " << max;
      fail(node.Mark(), key + ": \"" + digits + "\" is not a number from " + range.str());
      return min;
    }
    return value;
  }

  std::string file_;
  std::map<std::string, YAML::Node> values_;
  Status status_;
};

// The shortest text that reads back as the same number.
std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string list_text(const std::array<double, 3>& values) {
  return "[" + number_text(values[0]) + ", " + number_text(values[1]) + ", " +
         number_text(values[2]) + "]";
}

// A YAML double-quoted scalar.
std::string quoted(const std::string& text) {
  YAML::Emitter out;
  out << YAML::DoubleQuoted << text;
  return out.c_str();
}

}  // namespace

Result<ModelSpec> parse_model_spec(const std::string& text, const std::string& file) {
  SpecReader in(file);
  in.read(text);
  ModelSpec spec;
  in.whole_number("format", 1, 1);
  spec.name = in.text("name");
  spec.input_width = in.whole_number("input.width", 1, kMaxSide);
  spec.input_height = in.whole_number("input.height", 1, kMaxSide);
  in.choice("input.resize.mode", {"squash"});
  spec.resize_width = in.whole_number("input.resize.width", spec.input_width, kMaxSide);
  spec.resize_height = in.whole_number("input.resize.height", spec.input_height, kMaxSide);
  spec.filter = in.choice("input.resize.filter", {"bilinear", "area"}) == 0
                    ? ResizeFilter::kBilinear
                    : ResizeFilter::kArea;
  in.choice("input.crop", {"center"});
  spec.channels =
      in.choice("channels", {"bgr", "rgb"}) == 0 ? ChannelOrder::kBgr : ChannelOrder::kRgb;
  spec.mean = in.three_numbers("mean", -1e6, 1e6);
  spec.scale = in.one_or_three_numbers("scale", 1e-9, 1e6);
  spec.outputs = in.choice("outputs", {"probabilities", "logits"}) == 0 ? OutputKind::kProbabilities
                                                                        : OutputKind::kLogits;
  spec.unsure_below = in.number("unsure_below", 0, 1);
  spec.classes = in.whole_number("classes", 1, 65535);
  spec.source = in.text("source");
  spec.licence = in.text("licence");
  spec.model_sha256 = in.sha256("sha256.model.pt");
  spec.labels_sha256 = in.sha256("sha256.labels.txt");
  if (in.has("sha256.ranges.tsv")) spec.ranges_sha256 = in.sha256("sha256.ranges.tsv");
  if (spec.name.empty() || spec.name.size() > 100) {
    in.fail(YAML::Mark::null_mark(), "name: needs 1 to 100 bytes");
  }
  if (!in.status().ok()) return in.status();
  return spec;
}

std::string format_model_spec(const ModelSpec& spec) {
  const bool same = spec.scale[0] == spec.scale[1] && spec.scale[0] == spec.scale[2];
  std::ostringstream out;
  out << "# What model.pt is and how a picture becomes its input; models/README.md explains it.\n"
      << "format: 1\n"
      << "name: " << quoted(spec.name) << "\n"
      << "input:\n"
      << "  width: " << spec.input_width << "\n"
      << "  height: " << spec.input_height << "\n"
      << "  resize:\n"
      << "    mode: squash\n"
      << "    width: " << spec.resize_width << "\n"
      << "    height: " << spec.resize_height << "\n"
      << "    filter: " << (spec.filter == ResizeFilter::kArea ? "area" : "bilinear") << "\n"
      << "  crop: center\n"
      << "channels: " << (spec.channels == ChannelOrder::kRgb ? "rgb" : "bgr") << "\n"
      << "mean: " << list_text(spec.mean) << "\n"
      << "scale: " << (same ? number_text(spec.scale[0]) : list_text(spec.scale)) << "\n"
      << "outputs: " << (spec.outputs == OutputKind::kLogits ? "logits" : "probabilities") << "\n"
      << "unsure_below: " << number_text(spec.unsure_below) << "\n"
      << "classes: " << spec.classes << "\n"
      << "source: " << quoted(spec.source) << "\n"
      << "licence: " << quoted(spec.licence) << "\n"
      << "sha256:\n"
      << "  model.pt: " << spec.model_sha256 << "\n"
      << "  labels.txt: " << spec.labels_sha256 << "\n";
  if (!spec.ranges_sha256.empty()) out << "  ranges.tsv: " << spec.ranges_sha256 << "\n";
  return out.str();
}

}  // namespace imgrec::worker
