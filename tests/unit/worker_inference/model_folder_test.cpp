#include "worker/inference/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker_inference/test_files.h"

namespace imgrec::worker {
namespace {

using testing::complete_folder;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TemporaryDirectory;
using testing::tiny_spec;
using testing::write_text;

// The text of a good model.yaml with one part of it replaced.
std::string spec_text(const std::string& part = "", const std::string& replacement = "") {
  std::string text = format_model_spec(tiny_spec());
  if (part.empty()) return text;
  const std::size_t at = text.find(part);
  if (at == std::string::npos)
    throw std::runtime_error("the test replaces what is not there: " + part);
  return text.replace(at, part.size(), replacement);
}

std::string complaint(const std::string& text) {
  const Result<ModelSpec> spec = parse_model_spec(text, "model.yaml");
  return spec.ok() ? "it was read" : spec.status().message();
}

TEST(ModelSpec, ReadsBackWhatItWrites) {
  ModelSpec spec = tiny_spec();
  spec.name = "a \"name\": with # marks";
  spec.filter = ResizeFilter::kArea;
  spec.channels = ChannelOrder::kRgb;
  spec.mean = {103.939, -1, 0.1};
  spec.scale = {0.017, 0.018, 0.019};
  spec.outputs = OutputKind::kLogits;
  spec.unsure_below = 0.25;
  const Result<ModelSpec> again = parse_model_spec(format_model_spec(spec), "model.yaml");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(format_model_spec(*again), format_model_spec(spec));
  EXPECT_EQ(again->name, spec.name);
  EXPECT_EQ(again->mean, spec.mean);
  EXPECT_EQ(again->scale, spec.scale);
  EXPECT_EQ(again->filter, ResizeFilter::kArea);
  EXPECT_EQ(again->channels, ChannelOrder::kRgb);
  EXPECT_EQ(again->outputs, OutputKind::kLogits);
}

TEST(ModelSpec, TakesOneScaleForAllChannelsOrThree) {
  using Three = std::array<double, 3>;
  EXPECT_EQ(parse_model_spec(spec_text(), "model.yaml")->scale, (Three{1, 1, 1}));
  const std::string each = spec_text("scale: 1\n", "scale: [0.017, 0.018, 2]\n");
  EXPECT_EQ(parse_model_spec(each, "model.yaml")->scale, (Three{0.017, 0.018, 2}));
  // One where they are the same, so that files of before keep their sums.
  EXPECT_THAT(spec_text(), HasSubstr("\nscale: 1\n"));
}

TEST(ModelSpec, NamesFileLineAndKeyOfWhatIsWrong) {
  EXPECT_EQ(complaint(spec_text("  width: 8\n", "  width: 8\n  widht: 8\n")),
            "model.yaml:6: unknown key \"input.widht\"");
  EXPECT_EQ(complaint(spec_text("classes: 3\n", "classes: 3\nclasses: 4\n")),
            "model.yaml:19: the key \"classes\" is there twice");
  EXPECT_EQ(complaint(spec_text("  width: 8\n", "  width: 010\n")),
            "model.yaml:5: input.width: \"010\" is not a whole number from 1 to 8192");
  EXPECT_EQ(complaint(spec_text("scale: 1\n", "")), "model.yaml: lacks the key \"scale\"");
  EXPECT_EQ(complaint(spec_text("channels: bgr", "channels: gbr")),
            "model.yaml:13: channels: \"gbr\" is not supported; known: bgr, rgb");
}

TEST(ModelSpec, RefusesWrongTypesAndRanges) {
  const std::pair<const char*, const char*> cases[] = {
      {"format: 1", "format: 2"},
      {"format: 1", "format: [1]"},
      {"classes: 3", "classes: three"},
      {"classes: 3", "classes: 0"},
      {"classes: 3", "classes: -3"},
      {"classes: 3", "classes: 3.0"},
      {"classes: 3", "classes: 70000"},
      {"classes: 3", "classes:"},
      {"name: \"tiny\"", "name: \"\""},
      {"name: \"tiny\"", "name: \"t\x9c\""},   // no UTF-8
      {"name: \"tiny\"", "name: \"t\\x07\""},  // a control character
      {"name: \"tiny\"", "name: [tiny]"},
      {"mean: [104, 117, 123]", "mean: [104, 117]"},
      {"mean: [104, 117, 123]", "mean: 104"},
      {"mean: [104, 117, 123]", "mean: [104, [1], 123]"},
      {"scale: 1", "scale: 0"},
      {"scale: 1", "scale: [1, 2]"},
      {"scale: 1", "scale: [1, 2, 0]"},
      {"scale: 1", "scale: {a: 1}"},
      {"scale: 1", "scale: nan"},
      {"scale: 1", "scale: 1e999"},
      {"unsure_below: 0", "unsure_below: 1.5"},
      {"    width: 10", "    width: 7"},  // smaller than the crop
      {"mode: squash", "mode: fit"},
      {"crop: center", "crop: top"},
      {"outputs: probabilities", "outputs: scores"},
      {"  model.pt: 000", "  model.pt: zzz"},
      {"  model.pt: 000", "  model.pt: 00"},
      {"input:\n", "input: 5\nother:\n"},
      {"format: 1", "? [a, b]\n: 1\nformat: 1"},
      {"format: 1", "format: 1\n---\nformat: 1"},
      {"format: 1", "format: \"1"},
  };
  for (const auto& [part, replacement] : cases) {
    EXPECT_THAT(complaint(spec_text(part, replacement)), StartsWith("model.yaml")) << replacement;
  }
  EXPECT_THAT(complaint(""), HasSubstr("is no model description"));
  EXPECT_THAT(complaint("just words"), HasSubstr("is no model description"));
  EXPECT_THAT(complaint(std::string(10000, '[')), StartsWith("model.yaml"));
  EXPECT_THAT(complaint(std::string("a\0b", 3)), StartsWith("model.yaml"));
}

class ModelFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    write_text(directory_.path() / kModuleFile, "stands for a module");
    complete_folder(directory_.path());
  }
  std::string complaint() {
    const Result<ModelFolder> folder = load_model_folder(directory_.path());
    return folder.ok() ? "it was loaded" : folder.status().message();
  }
  TemporaryDirectory directory_;
};

TEST_F(ModelFolderTest, LoadsAGoodFolderAndNamesItByItsSpec) {
  const Result<ModelFolder> folder = load_model_folder(directory_.path());
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  EXPECT_EQ(folder->labels, (std::vector<std::string>{"ant", "bee", "cow"}));
  EXPECT_EQ(folder->digest, sha256_hex_of_file(directory_.path() / kSpecFile).value());
  EXPECT_EQ(folder->digest.size(), 64U);
}

TEST_F(ModelFolderTest, SaysHowToMakeAFolderThatIsMissing) {
  const Result<ModelFolder> folder = load_model_folder(directory_.path() / "none");
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(folder.status().message(), HasSubstr("models/get-googlenet.sh --out"));
  EXPECT_THAT(folder.status().message(), HasSubstr("imgrec-model import-caffe"));
}

TEST_F(ModelFolderTest, NamesTheFileThatIsMissing) {
  for (const char* file : {kModuleFile, kLabelsFile, kSpecFile}) {
    const auto aside = directory_.path() / "aside";
    std::filesystem::rename(directory_.path() / file, aside);
    EXPECT_THAT(complaint(), HasSubstr(file));
    std::filesystem::rename(aside, directory_.path() / file);
  }
  EXPECT_EQ(complaint(), "it was loaded");
}

TEST_F(ModelFolderTest, NoticesAChangedByte) {
  write_text(directory_.path() / kModuleFile, "stands for a modulo");
  EXPECT_THAT(complaint(), HasSubstr("model.pt is not the file that model.yaml describes"));
  SetUp();
  write_text(directory_.path() / kLabelsFile, "ant\nbee\ncat\n");
  EXPECT_THAT(complaint(), HasSubstr("labels.txt is not the file that model.yaml describes"));
}

TEST_F(ModelFolderTest, HoldsWhatItChecked) {
  const Result<ModelFolder> folder = load_model_folder(directory_.path());
  write_text(directory_.path() / kModuleFile, "another module");
  EXPECT_EQ(folder->module.bytes, "stands for a module");
  EXPECT_EQ(sha256_hex(folder->module.bytes), folder->spec.model_sha256);
}

// Rollouts change a link (docs/model-rollout.md), perhaps while somebody reads what it led to.
TEST_F(ModelFolderTest, ReadsAllOfOneFolderAlsoThroughALink) {
  const TemporaryDirectory links;
  const auto link = links.path() / "current";
  std::filesystem::create_directory_symlink(directory_.path(), link);
  const Result<ModelFolder> folder = load_model_folder(link);
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  EXPECT_EQ(folder->module.path.parent_path(), std::filesystem::canonical(directory_.path()));
}

TEST_F(ModelFolderTest, CountsTheLabels) {
  complete_folder(directory_.path(), tiny_spec(), "ant\nbee\n");
  EXPECT_THAT(complaint(), HasSubstr("has 2 labels, but"));
}

TEST_F(ModelFolderTest, ReadsLabelsWithAndWithoutALastLineEnd) {
  const auto file = directory_.path() / "labels";
  const auto read = [&](const std::string& text) {
    write_text(file, text);
    return read_labels(file);
  };
  const std::vector<std::string> expected{"ant", "bee"};
  EXPECT_EQ(*read("ant\nbee"), expected);
  EXPECT_EQ(*read("ant\r\nbee\r\n"), expected);
  EXPECT_THAT(read("ant\n\nbee\n").status().message(), HasSubstr("labels:2: the label is empty"));
  EXPECT_THAT(read("ant\na\tb\n").status().message(), HasSubstr(":2: the label has a control"));
  EXPECT_THAT(read("ant\ncaf\xe9\n").status().message(), HasSubstr(":2: the label has a control"));
  EXPECT_THAT(read("\x7f\n").status().message(), HasSubstr("or bytes that are no UTF-8"));
  EXPECT_EQ(read("caf\xc3\xa9")->front(), "caf\xc3\xa9");
  EXPECT_THAT(read(std::string(1025, 'a')).status().message(), HasSubstr("more than 1024 bytes"));
  EXPECT_FALSE(read("").ok());
  std::string many;
  for (int i = 0; i < 65536; ++i) many += "x\n";
  EXPECT_FALSE(read(many).ok());
}

TEST_F(ModelFolderTest, ReadsTheRangesThatTheSpecNames) {
  const Ranges ranges{{"v1", 0.5F}, {"v2.1", 541.7955F}};
  ModelSpec spec = tiny_spec();
  spec.ranges_sha256 = sha256_hex(format_ranges(ranges));
  complete_folder(directory_.path(), spec);
  EXPECT_EQ(load_model_folder(directory_.path()).status().code(), StatusCode::kNotFound);
  write_text(directory_.path() / kRangesFile, format_ranges(ranges));
  EXPECT_EQ(load_model_folder(directory_.path())->ranges, ranges);
  write_text(directory_.path() / kRangesFile, "v1\t1\n");
  EXPECT_EQ(load_model_folder(directory_.path()).status().code(), StatusCode::kDataLoss);
}

TEST(ModelRanges, SayWhichLineIsWrong) {
  for (const char* bad : {"v1", "v1 3", "\t3", "v1\t-1", "v1\tnan", "v1\t3x", "v1\t1\nv1\t2"}) {
    const auto ranges = parse_ranges(std::string("v0\t1\n") + bad, "ranges.tsv");
    ASSERT_FALSE(ranges.ok()) << bad;
    EXPECT_THAT(ranges.status().message(), ::testing::StartsWith("ranges.tsv:")) << bad;
  }
  EXPECT_TRUE(parse_ranges("", "ranges.tsv")->empty());
}

TEST(Sha256, GivesTheStandardsExamples) {  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace imgrec::worker
