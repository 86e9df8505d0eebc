#include "tests/support/fake_engine.h"

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <utility>

#include "media/image_header.h"

namespace imgrec::test {
namespace {

using proto::FailCode;
using worker::EngineFailure;

struct FakePicture final : worker::PreparedImage {
  std::uint32_t best = 0;
};

EngineFailure refuse(FailCode code, std::string text) { return {code, false, std::move(text)}; }

}  // namespace

FakeEngine::FakeEngine(FakeEngineOptions options)
    : options_(std::move(options)), warm_up_failure_(options_.warm_up_failure) {
  model_.name = options_.model_name;
  model_.digest = options_.model_digest;
  for (unsigned i = 0; i < options_.labels; ++i) {
    model_.labels.push_back(options_.label_prefix + " " + std::to_string(i));
  }
}

Status FakeEngine::warm_up_this_thread() {
  const std::lock_guard lock(mutex_);
  if (!warm_up_failure_.empty()) return {StatusCode::kInternal, warm_up_failure_};
  ++warm_threads_;
  return {};
}

worker::EngineResult<std::unique_ptr<worker::PreparedImage>> FakeEngine::prepare(
    std::string_view image) {
  const auto header = media::read_image_header(image);
  if (!header.ok()) {
    const bool damaged = header.status().code() == StatusCode::kDataLoss;
    return refuse(damaged ? FailCode::kDamaged : FailCode::kNotAnImage, header.status().message());
  }
  if (header->pixels() > options_.max_pixels) {
    return refuse(FailCode::kTooManyPixels, "The picture has " + std::to_string(header->pixels()) +
                                                " pixels; the limit is " +
                                                std::to_string(options_.max_pixels) + ".");
  }
  if (!media::is_complete(header->format, image)) {
    return refuse(FailCode::kDamaged, "The file is cut short.");
  }
  auto picture = std::make_unique<FakePicture>();
  picture->best = class_of(image, options_.labels);
  return std::unique_ptr<worker::PreparedImage>(std::move(picture));
}

std::vector<worker::InferResult> FakeEngine::infer(
    std::span<const worker::PreparedImage* const> images, unsigned top_k) {
  std::vector<worker::InferResult> results;
  {
    std::unique_lock lock(mutex_);
    ++inferences_;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    --waiting_;
    if (!mishaps_.empty()) {
      const Mishap mishap = std::move(mishaps_.front());
      mishaps_.pop_front();
      if (mishap.thrown) throw std::runtime_error(mishap.failure.text);
      results.push_back(mishap.failure);
    }
  }
  if (options_.delay.count() > 0) std::this_thread::sleep_for(options_.delay);
  while (results.size() < images.size()) {
    results.push_back(classes_of(*images[results.size()], top_k));
  }
  return results;
}

worker::InferResult FakeEngine::classes_of(const worker::PreparedImage& image,
                                           unsigned top_k) const {
  std::vector<proto::ScoredClass> top;
  float score = 0.5f;
  std::uint32_t index = static_cast<const FakePicture&>(image).best;
  while (top.size() < std::min(top_k, options_.labels)) {
    top.push_back({index, score});
    score /= 2;
    index = (index + 1) % options_.labels;
  }
  return top;
}

void FakeEngine::fail_next(EngineFailure failure) {
  const std::lock_guard lock(mutex_);
  mishaps_.push_back({std::move(failure), false});
}

void FakeEngine::throw_next(std::string what) {
  const std::lock_guard lock(mutex_);
  mishaps_.push_back({{FailCode::kInternal, true, std::move(what)}, true});
}

void FakeEngine::fail_warm_up(std::string why) {
  const std::lock_guard lock(mutex_);
  warm_up_failure_ = std::move(why);
}

void FakeEngine::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void FakeEngine::release() {
  {
    const std::lock_guard lock(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

bool FakeEngine::wait_until_held(unsigned inferences) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10),
                           [&] { return held_ && waiting_ >= inferences; });
}

unsigned FakeEngine::inferences() const {
  const std::lock_guard lock(mutex_);
  return inferences_;
}

unsigned FakeEngine::warm_threads() const {
  const std::lock_guard lock(mutex_);
  return warm_threads_;
}

std::uint32_t FakeEngine::class_of(std::string_view image, unsigned labels) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : image) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3u;
  }
  return static_cast<std::uint32_t>(hash % labels);
}

std::string tiny_bmp(std::uint32_t seed) {
  constexpr std::uint32_t kPixels = 54;  // where they begin: BITMAPFILEHEADER, BITMAPINFOHEADER
  constexpr std::uint32_t kSize = kPixels + 2 * 8;  // two rows of 6 bytes, padded to 8
  std::string bmp = "BM";
  const auto put = [&](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) bmp += static_cast<char>((value >> (8 * i)) & 0xFF);
  };
  put(kSize, 4);
  put(0, 4);
  put(kPixels, 4);
  put(40, 4);  // BITMAPINFOHEADER
  put(2, 4);   // width
  put(2, 4);   // height
  put(1, 2);   // planes
  put(24, 2);  // bits a pixel
  put(0, 4);   // not compressed
  put(16, 4);  // bytes of pixels
  put(2835, 4);
  put(2835, 4);
  put(0, 4);
  put(0, 4);
  for (int i = 0; i < 4; ++i) put(seed * 2654435761u + static_cast<std::uint32_t>(i), 4);
  return bmp;
}

}  // namespace imgrec::test
