#include <algorithm>
#include <stdexcept>
#include <utility>

#include <opencv2/dnn.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "bench/contender.h"
#include "worker/inference/model_folder.h"

namespace imgrec::bench {
namespace {

using worker::ModelSpec;

cv::Mat input_of(const std::string& bytes, const ModelSpec& spec) {
  const std::vector<unsigned char> buffer(bytes.begin(), bytes.end());
  const cv::Mat pixels = cv::imdecode(buffer, cv::IMREAD_COLOR);
  cv::Mat squashed;
  cv::resize(pixels, squashed,
             cv::Size(static_cast<int>(spec.resize_width), static_cast<int>(spec.resize_height)), 0,
             0, spec.filter == worker::ResizeFilter::kArea ? cv::INTER_AREA : cv::INTER_LINEAR);
  const cv::Size size(static_cast<int>(spec.input_width), static_cast<int>(spec.input_height));
  const cv::Point corner((squashed.cols - size.width) / 2, (squashed.rows - size.height) / 2);
  return cv::dnn::blobFromImage(squashed(cv::Rect(corner, size)), spec.scale[0], size,
                                cv::Scalar(spec.mean[0], spec.mean[1], spec.mean[2]),
                                spec.channels == worker::ChannelOrder::kRgb, /*crop=*/false);
}

// A network holds its buffers, so that each thread needs one of its own.
class OpenCvSession : public Session {
 public:
  OpenCvSession(cv::dnn::Net net, const std::vector<Photo>& photos,
                const std::vector<cv::Mat>& inputs, const ModelSpec& spec)
      : net_(std::move(net)), photos_(photos), inputs_(inputs), spec_(spec) {
    cv::setNumThreads(1);
    net_.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    net_.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
    for (int i = 0; i < 2; ++i) run(0, false);
  }

  unsigned run(std::size_t index, bool decode) override {
    net_.setInput(decode ? input_of(photos_[index].bytes, spec_) : inputs_[index]);
    const cv::Mat output = net_.forward().reshape(1, 1);
    return static_cast<unsigned>(std::max_element(output.begin<float>(), output.end<float>()) -
                                 output.begin<float>());
  }

 private:
  cv::dnn::Net net_;
  const std::vector<Photo>& photos_;
  const std::vector<cv::Mat>& inputs_;
  const ModelSpec& spec_;
};

class OpenCvContender : public Contender {
 public:
  OpenCvContender(std::string name, std::string prototxt, std::string caffemodel, ModelSpec spec,
                  const std::vector<Photo>& photos)
      : Contender(std::move(name)),
        prototxt_(std::move(prototxt)),
        caffemodel_(std::move(caffemodel)),
        spec_(std::move(spec)),
        photos_(photos) {
    for (const Photo& photo : photos) inputs_.push_back(input_of(photo.bytes, spec_));
  }

  std::unique_ptr<Session> session() override {
    return std::make_unique<OpenCvSession>(cv::dnn::readNetFromCaffe(prototxt_, caffemodel_),
                                           photos_, inputs_, spec_);
  }

 private:
  const std::string prototxt_;
  const std::string caffemodel_;
  const ModelSpec spec_;
  const std::vector<Photo>& photos_;
  std::vector<cv::Mat> inputs_;
};

}  // namespace

Result<std::unique_ptr<Contender>> opencv_contender(std::string name,
                                                    const std::filesystem::path& caffe_files,
                                                    const std::filesystem::path& model_dir,
                                                    const std::vector<Photo>& photos) {
  auto folder = worker::load_model_folder(model_dir);
  if (!folder) return folder.status();
  std::filesystem::path caffemodel;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(caffe_files, error)) {
    if (entry.path().extension() == ".caffemodel") caffemodel = entry.path();
  }
  if (caffemodel.empty()) {
    return Status(StatusCode::kNotFound, caffe_files.string() + " holds no .caffemodel");
  }
  try {
    return std::unique_ptr<Contender>(std::make_unique<OpenCvContender>(
        std::move(name), (caffe_files / "deploy.prototxt").string(), caffemodel.string(),
        std::move(folder->spec), photos));
  } catch (const cv::Exception& failure) {
    return Status(StatusCode::kInvalidArgument, "OpenCV: " + failure.err);
  }
}

}  // namespace imgrec::bench
