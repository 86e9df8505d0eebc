#include "models/caffe/opencv_reference.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <utility>

#include <opencv2/dnn.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "worker/inference/image_decoder.h"
#include "worker/inference/preprocess.h"

namespace imgrec::models {
namespace {

using worker::ChannelOrder;
using worker::EngineFailure;
using worker::ModelSpec;
using worker::OutputKind;

constexpr std::uint64_t kMaxPixels = 100'000'000;

struct Picture {
  std::string name;
  std::string bytes;
};

Picture encoded(std::string name, const cv::Mat& pixels) {
  std::vector<unsigned char> bytes;
  cv::imencode(".png", pixels, bytes);  // lossless
  return {std::move(name), std::string(bytes.begin(), bytes.end())};
}

// Pictures that a classifier was never shown, and that reach all of its range: noise of three
// seeds, slopes, a chessboard, black and white. Of odd sizes, so that resizing has work to do, but
// under twice those of `spec`: larger ones the worker averages, in a way of its own.
std::vector<Picture> generated_pictures(const ModelSpec& spec) {
  const auto size = [&](double tall, double wide) {
    return cv::Size(static_cast<int>(spec.resize_width * wide) | 1,
                    static_cast<int>(spec.resize_height * tall) | 1);
  };
  std::vector<Picture> pictures;
  for (const int seed : {1, 2, 3}) {
    cv::RNG random(static_cast<std::uint64_t>(seed));
    cv::Mat noise(size(0.8 + 0.25 * seed, 1.2), CV_8UC3);
    random.fill(noise, cv::RNG::UNIFORM, 0, 256);
    pictures.push_back(encoded("noise " + std::to_string(seed), noise));
  }
  cv::Mat slope(size(0.94, 1.25), CV_8UC3);
  cv::Mat board(size(1.18, 1.17), CV_8UC3);
  for (int y = 0; y < slope.rows; ++y) {
    for (int x = 0; x < slope.cols; ++x) {
      slope.at<cv::Vec3b>(y, x) = {static_cast<unsigned char>(x * 255 / slope.cols),
                                   static_cast<unsigned char>(y * 255 / slope.rows),
                                   static_cast<unsigned char>((x + y) % 256)};
    }
  }
  const int square = std::max(1, board.cols / 15);
  for (int y = 0; y < board.rows; ++y) {
    for (int x = 0; x < board.cols; ++x) {
      const bool light = (x / square + y / square) % 2 == 0;
      board.at<cv::Vec3b>(y, x) = light ? cv::Vec3b(200, 220, 240) : cv::Vec3b(40, 20, 10);
    }
  }
  pictures.push_back(encoded("slope", slope));
  pictures.push_back(encoded("chessboard", board));
  pictures.push_back(encoded("black", cv::Mat::zeros(size(0.25, 0.25), CV_8UC3)));
  pictures.push_back(encoded("white", cv::Mat(size(0.25, 0.25), CV_8UC3, cv::Scalar::all(255))));
  return pictures;
}

// OpenCV's own way from bytes to probabilities. Throws cv::Exception.
class Reference {
 public:
  Reference(const std::filesystem::path& prototxt, const std::filesystem::path& caffemodel,
            const ModelSpec& spec)
      : net_(cv::dnn::readNetFromCaffe(prototxt.string(), caffemodel.string())), spec_(spec) {
    net_.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    net_.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
  }

  // Empty where the picture cannot be decoded. `worker_input`: the network's input as the worker
  // makes it, in place of OpenCV's own decoding and resizing.
  std::vector<float> scores(const std::string& bytes, bool worker_input) {
    const cv::Mat input = worker_input ? input_of_worker(bytes) : input_of_opencv(bytes);
    if (input.empty()) return {};
    net_.setInput(input);
    const cv::Mat output = net_.forward().reshape(1, 1);
    std::vector<float> scores(output.begin<float>(), output.end<float>());
    if (spec_.outputs == OutputKind::kLogits) softmax(scores);
    return scores;
  }

 private:
  cv::Mat input_of_worker(const std::string& bytes) const {
    const auto picture = decoder_.decode(bytes, worker::shrinking_for(spec_));
    if (picture.index() != 0) return {};
    const std::vector<float> values = worker::preprocess(std::get<0>(picture), spec_);
    const int shape[] = {1, 3, static_cast<int>(spec_.input_height),
                         static_cast<int>(spec_.input_width)};
    cv::Mat input(4, shape, CV_32F);
    std::copy(values.begin(), values.end(), input.ptr<float>());
    return input;
  }

  cv::Mat input_of_opencv(const std::string& bytes) const {
    const std::vector<unsigned char> buffer(bytes.begin(), bytes.end());
    const cv::Mat pixels = cv::imdecode(buffer, cv::IMREAD_COLOR);
    if (pixels.empty()) return {};
    cv::Mat squashed;
    cv::resize(pixels, squashed, cv::Size(int(spec_.resize_width), int(spec_.resize_height)), 0, 0,
               spec_.filter == worker::ResizeFilter::kArea ? cv::INTER_AREA : cv::INTER_LINEAR);
    const cv::Size size(int(spec_.input_width), int(spec_.input_height));
    const cv::Point corner((squashed.cols - size.width) / 2, (squashed.rows - size.height) / 2);
    const cv::Scalar mean(spec_.mean[0], spec_.mean[1], spec_.mean[2]);
    return cv::dnn::blobFromImage(squashed(cv::Rect(corner, size)), spec_.scale[0], size, mean,
                                  /*swapRB=*/spec_.channels == ChannelOrder::kRgb, /*crop=*/false);
  }

  static void softmax(std::vector<float>& scores) {
    const float largest = *std::max_element(scores.begin(), scores.end());
    float sum = 0;
    for (float& score : scores) sum += score = std::exp(score - largest);
    for (float& score : scores) score /= sum;
  }

  cv::dnn::Net net_;
  ModelSpec spec_;
  worker::ImageDecoder decoder_{kMaxPixels};
};

class Comparer {
 public:
  Comparer(worker::Engine& engine, Reference reference)
      : engine_(engine), reference_(std::move(reference)) {}

  // True where both decode the picture, false where neither does.
  Result<bool> compare(const Picture& picture, bool worker_input) {
    const std::vector<float> expected = reference_.scores(picture.bytes, worker_input);
    auto prepared = engine_.prepare(picture.bytes);
    if (auto* failed = std::get_if<EngineFailure>(&prepared)) {
      if (expected.empty()) return false;
      // What OpenCV decodes and we refuse (half a picture, an odd format) is no matter of the
      // model.
      if (failed->code != proto::FailCode::kInternal) return false;
      return Status(StatusCode::kInternal, picture.name + ": " + failed->text);
    }
    const unsigned classes = static_cast<unsigned>(engine_.model().labels.size());
    auto answer = engine_.infer(*std::get<0>(prepared), classes);
    if (auto* failed = std::get_if<EngineFailure>(&answer)) {
      return Status(StatusCode::kInternal, picture.name + ": " + failed->text);
    }
    return check(picture, std::get<0>(answer), expected);
  }

  Comparison result;

 private:
  Result<bool> check(const Picture& picture, const std::vector<proto::ScoredClass>& answer,
                     const std::vector<float>& expected) {
    if (expected.size() != answer.size()) {
      return Status(StatusCode::kInternal, "OpenCV gives " + std::to_string(expected.size()) +
                                               " scores, the model " +
                                               std::to_string(answer.size()));
    }
    float difference = 0;
    for (const proto::ScoredClass& scored : answer) {
      difference = std::max(difference, std::abs(scored.score - expected[scored.index]));
    }
    if (!(difference <= result.max_difference)) {
      result.max_difference = difference;
      result.worst_picture = picture.name;
    }
    const auto best = std::max_element(expected.begin(), expected.end());
    const auto best_index = static_cast<std::uint32_t>(best - expected.begin());
    // Two classes within the tolerance of each other may change places.
    const bool same_best = answer.front().index == best_index ||
                           *best - expected[answer.front().index] < kMaxDifference / 100;
    if (!(difference < kMaxDifference) || !same_best) {
      return Status(StatusCode::kInternal, picture.name + ": the model's best class is " +
                                               std::to_string(answer.front().index) +
                                               ", OpenCV's " + std::to_string(best_index) +
                                               "; a probability differs by " +
                                               std::to_string(difference));
    }
    return true;
  }

  worker::Engine& engine_;
  Reference reference_;
};

std::vector<std::filesystem::path> files_in(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<Comparison> compare_with_opencv(worker::Engine& engine, const worker::ModelSpec& spec,
                                       const std::filesystem::path& prototxt,
                                       const std::filesystem::path& caffemodel,
                                       const std::filesystem::path& photos) {
  try {
    Comparer comparer(engine, Reference(prototxt, caffemodel, spec));
    for (const Picture& picture : generated_pictures(spec)) {
      Result<bool> compared = comparer.compare(picture, /*worker_input=*/false);
      if (!compared) return compared.status();
      ++comparer.result.generated;
    }
    if (photos.empty()) return comparer.result;
    for (const std::filesystem::path& file : files_in(photos)) {
      std::ifstream stream(file, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
      Result<bool> compared = bytes.empty() ? Result<bool>(false)
                                            : comparer.compare({file.filename().string(), bytes},
                                                               /*worker_input=*/true);
      if (!compared) return compared.status();
      ++(*compared ? comparer.result.photos : comparer.result.undecodable);
    }
    if (comparer.result.photos == 0) {
      return Status(StatusCode::kInvalidArgument, photos.string() + " holds no pictures");
    }
    return comparer.result;
  } catch (const cv::Exception& error) {
    return Status(StatusCode::kInternal, "OpenCV's DNN module cannot run " + prototxt.string() +
                                             " with " + caffemodel.string() + ": " + error.err);
  } catch (const std::exception& error) {  // the photos' directory
    return Status(StatusCode::kInvalidArgument, error.what());
  }
}

}  // namespace imgrec::models
