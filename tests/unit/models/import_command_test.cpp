#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <spdlog/spdlog.h>

#include "models/app/commands.h"
#include "models/caffe/opencv_reference.h"
#include "tests/unit/models/tiny_caffe.h"
#include "worker/inference/model_folder.h"
#include "worker/inference/torch_engine.h"

namespace imgrec::models {
namespace {

namespace fs = std::filesystem;
using testing::CaffeFiles;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;
using testing::TinyCaffe;
using testing::write_text;

// A classifier of four classes on 28x28 pixels.
TinyCaffe tiny(bool softmax = true) {
  std::string text =
      "layer { name: 'data' type: 'Input' top: 'data'\n"
      "        input_param { shape { dim: 1 dim: 3 dim: 28 dim: 28 } } }\n"
      "layer { name: 'pool' type: 'Pooling' bottom: 'data' top: 'pool'\n"
      "        pooling_param { pool: AVE kernel_size: 14 stride: 14 } }\n"
      "layer { name: 'scores' type: 'InnerProduct' bottom: 'pool' top: 'scores'\n"
      "        inner_product_param { num_output: 4 } }\n";
  if (softmax) text += "layer { name: 'prob' type: 'Softmax' bottom: 'scores' top: 'prob' }\n";
  TinyCaffe net(text);
  net.with_weights("scores", {"4x12", "4"});
  // Scores of some tens make every answer certain; a hundredth of that leaves them apart.
  for (float& value : *net.weights_of("scores")->mutable_blobs(0)->mutable_data()) value *= 0.01F;
  return net;
}

class ImportCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::warn);  // as imgrec-model does; its stdout is for answers
    write_text(labels_, "ant\nbee\ncow\ndog\n");
    files_ = tiny().write(directory_.path());
  }

  int import(std::vector<std::string> more = {}) {
    std::vector<std::string> words{"--prototxt", files_.prototxt, "--caffemodel", files_.caffemodel,
                                   "--labels",   labels_,         "--out",        out_};
    words.insert(words.end(), more.begin(), more.end());
    return captured([&] { return run_import_caffe(words); });
  }

  int captured(const std::function<int()>& run) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run();
    output_ = ::testing::internal::GetCapturedStdout();
    errors_ = ::testing::internal::GetCapturedStderr();
    return code;
  }

  // Names in the directory, hidden ones too.
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory_.path()))
      found.insert(entry.path().filename());
    return found;
  }

  TemporaryDirectory directory_;
  fs::path labels_ = directory_.path() / "labels-in.txt";
  fs::path out_ = directory_.path() / "model";
  CaffeFiles files_;
  std::string output_;
  std::string errors_;
};

TEST_F(ImportCommand, MakesAFolderThatTheEngineOpens) {
  ASSERT_EQ(import({"--name", "tiny", "--source", "made \"here\"", "--unsure-below", "0.3"}), kGood)
      << errors_;
  EXPECT_THAT(output_, HasSubstr("checked against OpenCV's DNN module on 7 generated pictures"));
  const auto folder = worker::load_model_folder(out_);
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  EXPECT_EQ(folder->spec.name, "tiny");
  EXPECT_EQ(folder->spec.source, "made \"here\"");
  EXPECT_EQ(folder->spec.resize_width, 32U);
  EXPECT_EQ(folder->spec.outputs, worker::OutputKind::kProbabilities);
  const auto engine = worker::TorchEngine::open({.model_dir = out_});
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ((*engine)->model().labels[3], "dog");
  EXPECT_FLOAT_EQ((*engine)->model().unsure_below, 0.3F);
}

TEST_F(ImportCommand, TakesANetworkThatEndsInLogits) {
  files_ = tiny(false).write(directory_.path());
  ASSERT_EQ(import(), kGood) << errors_;
  const auto folder = worker::load_model_folder(out_);
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  EXPECT_EQ(folder->spec.outputs, worker::OutputKind::kLogits);
}

TEST_F(ImportCommand, LeavesNothingWhereItFails) {
  const std::set<std::string> before = names();
  write_text(labels_, "ant\nbee\n");
  EXPECT_EQ(import(), kFailure);
  EXPECT_THAT(errors_, HasSubstr("the labels are 2, but the network has 4 outputs"));
  EXPECT_EQ(names(), before);

  write_text(labels_, "ant\nbee\ncow\ndog\n");
  EXPECT_EQ(import({"--photos", directory_.path() / "nowhere"}), kFailure);
  EXPECT_EQ(names(), before);
}

TEST_F(ImportCommand, RefusesAnExistingFolderUnlessForced) {
  ASSERT_EQ(import({"--name", "first"}), kGood) << errors_;
  const std::set<std::string> before = names();
  EXPECT_EQ(import({"--name", "second"}), kFailure);
  EXPECT_THAT(errors_, HasSubstr("exists; give another --out, or --force"));
  EXPECT_EQ(worker::load_model_folder(out_)->spec.name, "first");

  EXPECT_EQ(import({"--name", "second", "--force"}), kGood) << errors_;
  EXPECT_EQ(worker::load_model_folder(out_)->spec.name, "second");
  EXPECT_EQ(names(), before);
}

TEST_F(ImportCommand, NeverReplacesADirectoryThatIsNoModel) {
  fs::create_directory(out_);
  write_text(out_ / "letter.txt", "dear diary");
  EXPECT_EQ(import({"--force"}), kFailure);
  EXPECT_THAT(errors_, HasSubstr("exists and is no model folder"));
  EXPECT_TRUE(fs::exists(out_ / "letter.txt"));
}

TEST_F(ImportCommand, SaysWhatIsWrongWithItsFlags) {
  EXPECT_EQ(captured([] { return run_import_caffe({"--out", "x"}); }), kWrongUsage);
  EXPECT_THAT(errors_, HasSubstr("--prototxt is missing"));
  EXPECT_EQ(import({"--resize", "16x16"}), kFailure);
  EXPECT_THAT(errors_, HasSubstr("--resize is smaller than the network's input, 28x28"));
  EXPECT_EQ(import({"--mean", "1,2"}), kWrongUsage);
}

TEST_F(ImportCommand, TheCheckNoticesOtherWeightsAndOtherPreprocessing) {
  ASSERT_EQ(import(), kGood) << errors_;
  const auto engine = worker::TorchEngine::open({.model_dir = out_});
  ASSERT_TRUE(engine.ok());
  const worker::ModelSpec spec = worker::load_model_folder(out_)->spec;
  ASSERT_TRUE(compare_with_opencv(**engine, spec, files_.prototxt, files_.caffemodel, {}).ok());

  worker::ModelSpec other_mean = spec;
  other_mean.mean[1] += 10;
  EXPECT_FALSE(
      compare_with_opencv(**engine, other_mean, files_.prototxt, files_.caffemodel, {}).ok());

  TinyCaffe other = tiny();
  auto* weights = other.weights_of("scores")->mutable_blobs(0);
  weights->set_data(3, weights->data(3) + 0.01F);
  const TemporaryDirectory elsewhere;
  const CaffeFiles files = other.write(elsewhere.path());
  const auto compared = compare_with_opencv(**engine, spec, files.prototxt, files.caffemodel, {});
  ASSERT_FALSE(compared.ok());
  EXPECT_THAT(compared.status().message(), HasSubstr("a probability differs by"));
}

TEST_F(ImportCommand, ClassifyAnswersForGoodFilesAndNamesBadOnes) {
  ASSERT_EQ(import(), kGood) << errors_;
  const fs::path photo = directory_.path() / "photo.png";
  const fs::path broken = directory_.path() / "broken.png";
  cv::imwrite(photo.string(), cv::Mat(40, 50, CV_8UC3, cv::Scalar(10, 200, 90)));
  write_text(broken, "no picture at all");

  EXPECT_EQ(captured([&] { return run_classify({"--model", out_, "--top", "2", photo}); }), kGood);
  EXPECT_THAT(output_, HasSubstr("photo.png\n"));
  EXPECT_EQ(std::count(output_.begin(), output_.end(), '\n'), 3);

  EXPECT_EQ(
      captured([&] {
        return run_classify({"--model", out_, "--json", broken, photo, directory_.path() / "none"});
      }),
      kFailure);
  std::istringstream lines(output_);
  std::string line;
  std::getline(lines, line);
  EXPECT_TRUE(nlohmann::json::parse(line).contains("error")) << line;
  std::getline(lines, line);
  const auto answer = nlohmann::json::parse(line);
  ASSERT_EQ(answer.at("top").size(), 4U) << line;
  double sum = 0;
  for (const auto& scored : answer["top"]) sum += scored["score"].get<double>();
  EXPECT_NEAR(sum, 1, 1e-5);
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("No such file"));
}

TEST_F(ImportCommand, CheckSaysWhatAFolderIs) {
  ASSERT_EQ(import({"--name", "tiny"}), kGood) << errors_;
  EXPECT_EQ(captured([&] { return run_check({out_}); }), kGood) << errors_;
  EXPECT_THAT(output_, HasSubstr("name      tiny\n"));
  EXPECT_THAT(output_, HasSubstr("classes   4, \"ant\" to \"dog\"\n"));
  EXPECT_EQ(captured([&] { return run_check({directory_.path() / "none"}); }), kFailure);
  EXPECT_THAT(errors_, HasSubstr("there is no model folder"));
  EXPECT_THAT(errors_, HasSubstr("get-googlenet.sh"));
}

}  // namespace
}  // namespace imgrec::models
