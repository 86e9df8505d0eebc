#include "worker/inference/model_folder.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <utility>

#include <openssl/evp.h>

#include "proto/text.h"

namespace imgrec::worker {
namespace {

constexpr std::size_t kMaxSpecBytes = 64 << 10;
constexpr std::size_t kMaxLabelsBytes = 4 << 20;
constexpr std::size_t kMaxRangesBytes = 4 << 20;
constexpr std::size_t kMaxLabels = 65535;
constexpr std::size_t kMaxLabelBytes = 1024;

// The whole of a small file.
Result<std::string> read_small_file(const std::filesystem::path& file, std::size_t limit) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) {
    return Status(StatusCode::kNotFound, file.string() + " is missing, or no file");
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return Status(StatusCode::kNotFound,
                  "cannot open " + file.string() + ": " + std::strerror(errno));
  }
  std::string text(limit + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) return Status(StatusCode::kDataLoss, "cannot read " + file.string());
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > limit) {
    return Status(StatusCode::kResourceExhausted,
                  file.string() + " has more than " + std::to_string(limit) + " bytes, the limit");
  }
  return text;
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    good_ = context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }
  void update(std::string_view bytes) {
    good_ = good_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
  }
  // Empty where OpenSSL refuses, for instance when its configuration forbids the algorithm.
  std::string hex() {
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!good_ || EVP_DigestFinal_ex(context_.get(), sum, &size) != 1) return {};
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
      text += "0123456789abcdef"[sum[i] >> 4];
      text += "0123456789abcdef"[sum[i] & 15];
    }
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
  bool good_ = false;
};

Status check_sum(const std::filesystem::path& file, std::string_view bytes,
                 const std::string& expected) {
  const std::string sum = sha256_hex(bytes);
  if (sum == expected) return {};
  return {StatusCode::kDataLoss, file.string() + " is not the file that " + kSpecFile +
                                     " describes: its SHA-256 is " + sum + ", not " + expected +
                                     "; make the folder again with imgrec-model"};
}

Result<std::vector<std::string>> parse_labels(std::string_view text,
                                              const std::filesystem::path& file) {
  std::vector<std::string> labels;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string place = file.string() + ":" + std::to_string(labels.size() + 1) + ": ";
    if (line.empty()) return Status(StatusCode::kInvalidArgument, place + "the label is empty");
    if (line.size() > kMaxLabelBytes) {
      return Status(StatusCode::kInvalidArgument, place + "the label has more than 1024 bytes");
    }
    if (proto::clean_text(line, 3 * line.size()) != line) {
      return Status(StatusCode::kInvalidArgument,
                    place + "the label has a control character, or bytes that are no UTF-8");
    }
    labels.emplace_back(line);
    if (labels.size() > kMaxLabels) {
      return Status(StatusCode::kResourceExhausted, file.string() + " has more than 65535 labels");
    }
  }
  if (labels.empty()) return Status(StatusCode::kInvalidArgument, file.string() + " has no labels");
  return labels;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.hex();
}

Result<std::string> sha256_hex_of_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return Status(StatusCode::kNotFound,
                  "cannot open " + file.string() + ": " + std::strerror(errno));
  }
  Sha256 sha;
  std::string block(1 << 20, '\0');
  while (stream) {
    stream.read(block.data(), static_cast<std::streamsize>(block.size()));
    sha.update(std::string_view(block).substr(0, static_cast<std::size_t>(stream.gcount())));
  }
  if (!stream.eof()) return Status(StatusCode::kDataLoss, "cannot read " + file.string());
  std::string sum = sha.hex();
  if (sum.empty()) return Status(StatusCode::kInternal, "OpenSSL does not offer SHA-256 here");
  return sum;
}

Result<std::vector<std::string>> read_labels(const std::filesystem::path& file) {
  const Result<std::string> text = read_small_file(file, kMaxLabelsBytes);
  if (!text) return text.status();
  return parse_labels(*text, file);
}

Result<Ranges> parse_ranges(const std::string& text, const std::string& file) {
  Ranges ranges;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const std::size_t tab = line.find('\t');
    const char* first = line.data() + (tab == std::string::npos ? 0 : tab + 1);
    const char* last = line.data() + line.size();
    float value = 0;
    const auto [end, error] = std::from_chars(first, last, value);
    const bool good = tab != std::string::npos && tab > 0 && error == std::errc() && end == last &&
                      std::isfinite(value) && value >= 0;
    if (!good || !ranges.emplace(line.substr(0, tab), value).second) {
      return Status(StatusCode::kInvalidArgument,
                    file + ":" + std::to_string(number) +
                        ": needs a name that was not there before, a tab, and a number");
    }
  }
  return ranges;
}

std::string format_ranges(const Ranges& ranges) {
  std::string text;
  for (const auto& [name, largest] : ranges) {
    char digits[32];
    text += name + "\t" +
            std::string(digits, std::to_chars(digits, digits + sizeof digits, largest).ptr) + "\n";
  }
  return text;
}

Result<ModelFolder> load_model_folder(const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return Status(StatusCode::kNotFound,
                  "there is no model folder " + directory.string() +
                      "; make one with models/get-googlenet.sh --out " + directory.string() +
                      ", or from Caffe files of yours with imgrec-model import-caffe (--help)");
  }
  const std::filesystem::path folder_path = std::filesystem::canonical(directory, error);
  if (error) return Status(StatusCode::kNotFound, directory.string() + ": " + error.message());
  const std::filesystem::path spec_file = folder_path / kSpecFile;
  const Result<std::string> text = read_small_file(spec_file, kMaxSpecBytes);
  if (!text) return text.status();
  Result<ModelSpec> spec = parse_model_spec(*text, spec_file.string());
  if (!spec) return spec.status();

  ModelFolder folder;
  folder.spec = std::move(*spec);
  folder.digest = sha256_hex(*text);
  if (folder.digest.empty()) {
    return Status(StatusCode::kInternal, "OpenSSL does not offer SHA-256 here");
  }
  Result<ModuleFile> module = read_module_file(folder_path / kModuleFile);
  if (!module) return module.status();
  folder.module = std::move(*module);
  if (Status status = check_sum(folder.module.path, folder.module.bytes, folder.spec.model_sha256);
      !status.ok()) {
    return status;
  }
  const std::filesystem::path labels_file = folder_path / kLabelsFile;
  const Result<std::string> label_lines = read_small_file(labels_file, kMaxLabelsBytes);
  if (!label_lines) return label_lines.status();
  if (Status status = check_sum(labels_file, *label_lines, folder.spec.labels_sha256);
      !status.ok()) {
    return status;
  }
  Result<std::vector<std::string>> labels = parse_labels(*label_lines, labels_file);
  if (!labels) return labels.status();
  folder.labels = std::move(*labels);
  if (!folder.spec.ranges_sha256.empty()) {
    const std::filesystem::path file = folder_path / kRangesFile;
    const Result<std::string> lines = read_small_file(file, kMaxRangesBytes);
    if (!lines) return lines.status();
    if (Status status = check_sum(file, *lines, folder.spec.ranges_sha256); !status.ok()) {
      return status;
    }
    Result<Ranges> ranges = parse_ranges(*lines, file.string());
    if (!ranges) return ranges.status();
    folder.ranges = std::move(*ranges);
  }
  if (folder.labels.size() != folder.spec.classes) {
    return Status(StatusCode::kInvalidArgument,
                  labels_file.string() + " has " + std::to_string(folder.labels.size()) +
                      " labels, but " + spec_file.string() +
                      " says classes: " + std::to_string(folder.spec.classes));
  }
  return folder;
}

}  // namespace imgrec::worker
