#include "client/text/result_format.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "client/text/display.h"

namespace imgrec::client {
namespace {

using Json = nlohmann::ordered_json;

class Table final : public ResultFormat {
 public:
  explicit Table(const OutputOptions& options) : options_(options) {
    path_width_ = std::max<std::size_t>(options.longest_path, 4);
    label_width_ = kLabelWidth;
    if (options.width == 0) return;
    // Paths may take half of the terminal, labels what is left.
    const std::size_t room = options.width > kFixed + 2 ? options.width - kFixed : 2;
    path_width_ = std::clamp<std::size_t>(path_width_, 1, std::max<std::size_t>(1, room / 2));
    label_width_ = std::max<std::size_t>(1, room - path_width_);
  }

  std::string header() override {
    return coloured(kBold, line(fit("file", path_width_), "label", " score", "     time"));
  }

  std::string row(const std::string& path, const TellOutcome& outcome) override {
    const std::string file = fit(harmless(path), path_width_, /*keep_end=*/true);
    if (outcome.kind != OutcomeKind::kRecognised || !outcome.image) return why_not(file, outcome);
    const ServerImage& image = *outcome.image;
    std::string text;
    for (std::size_t i = 0; i < image.top.size() && i < options_.top; ++i) {
      const Prediction& p = image.top[i];
      const bool first = i == 0;
      std::string label = harmless(readable_label(p.label));
      if (first && image.unsure) label = "not sure, perhaps " + label;
      const std::string time = first && image.total_ms ? duration(*image.total_ms) : "";
      const std::string row = line(first ? file : std::string(path_width_, ' '), label,
                                   right(percent(p.score), 6), right(time, 9));
      text += coloured(first && !image.unsure ? "" : first ? kYellow : kDim, row);
    }
    return text;
  }

 private:
  static constexpr std::size_t kLabelWidth = 32;
  static constexpr std::size_t kFixed = 2 + 2 + 6 + 2 + 9;  // gaps, score and time
  static constexpr std::string_view kBold = "\x1b[1m";
  static constexpr std::string_view kDim = "\x1b[2m";
  static constexpr std::string_view kRed = "\x1b[31m";
  static constexpr std::string_view kYellow = "\x1b[33m";

  static std::string right(const std::string& text, std::size_t width) {
    return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
  }

  std::string line(const std::string& file, const std::string& label, const std::string& score,
                   const std::string& time) const {
    const bool cut = options_.width > 0 || display_width(label) <= label_width_;
    std::string text =
        file + "  " + (cut ? fit(label, label_width_) : label) + "  " + score + "  " + time;
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  }

  std::string why_not(const std::string& file, const TellOutcome& outcome) const {
    std::string why = std::string(to_string(outcome.kind)) + " (" + harmless(outcome.code) +
                      "): " + harmless(outcome.detail);
    if (options_.width > path_width_ + 3) {
      why = fit(why, options_.width - path_width_ - 2);
      why.erase(why.find_last_not_of(' ') + 1);
    }
    return coloured(kRed, file + "  " + why + "\n");
  }

  std::string coloured(std::string_view colour, const std::string& text) const {
    if (!options_.colours || colour.empty()) return text;
    return std::string(colour) + text.substr(0, text.size() - 1) + "\x1b[0m\n";
  }

  OutputOptions options_;
  std::size_t path_width_ = 0;
  std::size_t label_width_ = 0;
};

class Csv final : public ResultFormat {
 public:
  explicit Csv(const OutputOptions& options) : options_(options) {}

  std::string header() override {
    return "path,status,rank,index,label,score,unsure,time_ms,id,error,detail\r\n";
  }

  std::string row(const std::string& path, const TellOutcome& outcome) override {
    const std::string start = field(options_.width > 0 ? harmless(path) : path) + "," +
                              std::string(to_string(outcome.kind));
    const ServerImage* image = outcome.image ? &*outcome.image : nullptr;
    const std::string id = image ? image->id.text : "";
    const std::string time = image && image->total_ms ? number("%.3f", *image->total_ms) : "";
    if (outcome.kind != OutcomeKind::kRecognised || image == nullptr) {
      return start + ",,,,,," + time + "," + id + "," + field(outcome.code) + "," +
             field(outcome.detail) + "\r\n";
    }
    std::string text;
    for (std::size_t i = 0; i < image->top.size() && i < options_.top; ++i) {
      const Prediction& p = image->top[i];
      text += start + "," + std::to_string(i + 1) + "," + std::to_string(p.index) + "," +
              field(p.label) + "," + number("%.6f", p.score) + "," +
              (image->unsure ? "true" : "false") + "," + time + "," + id + ",,\r\n";
    }
    return text;
  }

 private:
  // A text that a spreadsheet would take for a formula gets an apostrophe in front, as in the
  // page's export: names and labels come from strangers.
  static std::string field(const std::string& raw) {
    constexpr std::string_view kBeginsFormula = "=+-@\t\r\n";
    const bool guarded = !raw.empty() && kBeginsFormula.find(raw.front()) != raw.npos;
    const std::string text = guarded ? "'" + raw : raw;
    if (text.find_first_of(",\"\r\n") == text.npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
  }

  static std::string number(const char* pattern, double value) {
    std::array<char, 400> text{};
    std::snprintf(text.data(), text.size(), pattern, value);
    return text.data();
  }

  OutputOptions options_;
};

class JsonText final : public ResultFormat {
 public:
  explicit JsonText(const OutputOptions& options) : options_(options) {}

  std::string header() override { return lines() ? "" : "["; }

  std::string row(const std::string& path, const TellOutcome& outcome) override {
    Json object{{"path", path}, {"status", to_string(outcome.kind)}, {"error", nullptr}};
    if (outcome.kind != OutcomeKind::kRecognised) {
      object["error"] = {{"code", outcome.code}, {"detail", outcome.detail}};
    }
    std::string text = ascii(object);
    text.back() = ',';  // in place of its brace: the image is such text already
    text += "\"image\":" + (outcome.image ? image(*outcome.image) : "null") + "}";
    if (lines()) return text + "\n";
    const bool first = !std::exchange(begun_, true);
    return (first ? "\n" : ",\n") + text;
  }

  std::string footer() override { return lines() ? "" : begun_ ? "\n]\n" : "]\n"; }

 private:
  bool lines() const { return options_.kind == OutputKind::kJsonLines; }

  // ASCII alone: nothing in it can do anything to a terminal, and a path need not be UTF-8.
  static std::string ascii(const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
  }

  // The server's object, with no more classes than are wanted.
  std::string image(const ServerImage& image) const {
    if (image.classes_in_json <= options_.top) return image.json;
    Json object = Json::parse(image.json, nullptr, /*allow_exceptions=*/false);
    if (const auto top = object.find("top"); top != object.end()) {
      while (top->is_array() && top->size() > options_.top) top->erase(top->size() - 1);
    }
    return ascii(object);
  }

  OutputOptions options_;
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<ResultFormat> make_result_format(const OutputOptions& options) {
  switch (options.kind) {
    case OutputKind::kTable:
      return std::make_unique<Table>(options);
    case OutputKind::kCsv:
      return std::make_unique<Csv>(options);
    case OutputKind::kJson:
    case OutputKind::kJsonLines:
      break;
  }
  return std::make_unique<JsonText>(options);
}

std::string_view to_string(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kRecognised:
      return "recognised";
    case OutcomeKind::kFailed:
      return "failed";
    case OutcomeKind::kRejected:
      return "rejected";
    case OutcomeKind::kUnfinished:
      return "unfinished";
  }
  return "unfinished";
}

}  // namespace imgrec::client
