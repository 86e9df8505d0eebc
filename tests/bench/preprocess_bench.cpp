// What it costs to make a network's input of an uploaded picture, stage by stage: by OpenCV alone
// (whole decode, resize, a plain loop), and as the worker does it. CPU time counts, so that what
// else the machine does matters little.
//
// Usage: preprocess_bench [--photos DIR] [Google Benchmark's own flags]
//   --photos DIR  its *.jpg, *.jpeg and *.JPEG; without it only pictures made here
// The 12-megapixel picture is made here: shapes and noise, as a camera's.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "worker/inference/image_decoder.h"
#include "worker/inference/preprocess.h"

namespace imgrec::worker {
namespace {

namespace fs = std::filesystem;
using Files = std::vector<std::string>;

constexpr std::uint64_t kMaxPixels = 100'000'000;

// As GoogLeNet's.
ModelSpec spec() {
  ModelSpec googlenet;
  googlenet.input_width = googlenet.input_height = 224;
  googlenet.resize_width = googlenet.resize_height = 256;
  googlenet.mean = {104, 117, 123};
  return googlenet;
}

Files photos_in(const fs::path& directory) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".JPEG" || extension == ".jpeg" || extension == ".jpg") {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  Files files;
  for (const fs::path& path : paths) {
    std::ifstream stream(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return files;
}

std::string camera_picture(cv::Size size) {
  cv::Mat pixels(size, CV_8UC3, cv::Scalar(120, 140, 110));
  cv::RNG random(1);
  for (int i = 0; i < 400; ++i) {
    const cv::Point centre(random.uniform(0, size.width), random.uniform(0, size.height));
    const cv::Scalar colour(random.uniform(0, 256), random.uniform(0, 256), random.uniform(0, 256));
    cv::circle(pixels, centre, random.uniform(10, size.width / 10), colour, cv::FILLED,
               cv::LINE_AA);
  }
  cv::Mat noise(size, CV_16SC3);
  random.fill(noise, cv::RNG::NORMAL, 0, 6);
  cv::add(pixels, noise, pixels, cv::noArray(), CV_8U);
  std::vector<unsigned char> bytes;
  cv::imencode(".jpg", pixels, bytes, {cv::IMWRITE_JPEG_QUALITY, 90});
  return {bytes.begin(), bytes.end()};
}

cv::Mat decoded_by_opencv(const std::string& file) {
  const cv::Mat input(1, static_cast<int>(file.size()), CV_8UC1, const_cast<char*>(file.data()));
  return cv::imdecode(input, cv::IMREAD_COLOR);
}

cv::Mat squashed_by_opencv(const cv::Mat& pixels) {
  cv::Mat squashed;
  cv::resize(pixels, squashed, cv::Size(256, 256), 0, 0, cv::INTER_LINEAR);
  return squashed;
}

std::vector<float> tensor_by_plain_loop(const cv::Mat& squashed) {
  const ModelSpec model = spec();
  std::vector<float> input(std::size_t{3} * 224 * 224);
  float* out = input.data();
  for (int channel = 0; channel < 3; ++channel) {
    const auto mean = static_cast<float>(model.mean[static_cast<std::size_t>(channel)]);
    for (int y = 0; y < 224; ++y) {
      const std::uint8_t* in = squashed.ptr<std::uint8_t>(y + 16) + 16 * 3 + channel;
      for (int x = 0; x < 224; ++x, in += 3) *out++ = static_cast<float>(*in) - mean;
    }
  }
  return input;
}

Picture decoded(const std::string& file) {
  static const ImageDecoder decoder(kMaxPixels);
  auto result = decoder.decode(file, shrinking_for(spec()));
  if (const auto* failed = std::get_if<EngineFailure>(&result)) {
    std::fprintf(stderr, "preprocess_bench: %s\n", failed->text.c_str());
    std::exit(1);
  }
  return std::get<Picture>(std::move(result));
}

// Runs `stage` over what `ready` made of each file beforehand; the time is of one picture.
template <class Ready, class Stage>
void add(const std::string& name, const Files& files, Ready ready, Stage stage) {
  benchmark::RegisterBenchmark(name.c_str(), [=, &files](benchmark::State& state) {
    std::vector<decltype(ready(files.front()))> inputs;
    for (const std::string& file : files) inputs.push_back(ready(file));
    // Whole rounds, so that large and small pictures count alike.
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(inputs.size()))) {
      for (const auto& input : inputs) benchmark::DoNotOptimize(stage(input));
    }
  })->Unit(benchmark::kMillisecond);
}

void add_all(const std::string& pictures, const Files& files) {
  const auto itself = [](const std::string& file) { return &file; };
  const ModelSpec model = spec();
  add(pictures + "/opencv/decode", files, itself,
      [](const std::string* f) { return decoded_by_opencv(*f); });
  add(pictures + "/opencv/resize", files, decoded_by_opencv, squashed_by_opencv);
  add(
      pictures + "/opencv/tensor", files,
      [](const std::string& f) { return squashed_by_opencv(decoded_by_opencv(f)); },
      tensor_by_plain_loop);
  add(pictures + "/opencv/all", files, itself, [](const std::string* f) {
    return tensor_by_plain_loop(squashed_by_opencv(decoded_by_opencv(*f)));
  });
  add(pictures + "/worker/decode", files, itself, [](const std::string* f) { return decoded(*f); });
  add(pictures + "/worker/resize+tensor", files, decoded,
      [model](const Picture& picture) { return preprocess(picture, model); });
  add(
      pictures + "/worker/tensor", files,
      [](const std::string& f) { return Picture{squashed_by_opencv(decoded_by_opencv(f))}; },
      [model](const Picture& picture) { return preprocess(picture, model); });
  add(pictures + "/worker/all", files, itself,
      [model](const std::string* f) { return preprocess(decoded(*f), model); });
}

}  // namespace

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  static Files photos;
  if (argc == 3 && std::string_view(argv[1]) == "--photos") {
    photos = photos_in(argv[2]);
  } else if (argc != 1) {
    std::fprintf(stderr, "Usage: preprocess_bench [--photos DIR] [--benchmark_… flags]\n");
    return 2;
  }
  static const Files middle{camera_picture({1024, 768})};
  static const Files large{camera_picture({4000, 3000})};
  cv::setNumThreads(1);
  if (!photos.empty()) add_all("photos", photos);
  add_all("1024x768", middle);
  add_all("12_megapixels", large);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace imgrec::worker

int main(int argc, char** argv) { return imgrec::worker::run(argc, argv); }
