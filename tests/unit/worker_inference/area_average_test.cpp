#include "worker/inference/area_average.h"

#include <gtest/gtest.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

namespace imgrec::worker {
namespace {

cv::Mat noise(cv::Size size) {
  cv::Mat pixels(size, CV_8UC3);
  cv::RNG(7).fill(pixels, cv::RNG::UNIFORM, 0, 256);
  return pixels;
}

TEST(AreaAverage, AgreesWithOpenCvsAreaToARoundingStep) {
  for (const cv::Size from : {cv::Size(640, 480), cv::Size(257, 1031), cv::Size(33, 32)}) {
    for (const cv::Size to : {cv::Size(32, 32), cv::Size(31, 7), cv::Size(1, 1)}) {
      const cv::Mat pixels = noise(from);
      cv::Mat expected;
      cv::resize(pixels, expected, to, 0, 0, cv::INTER_AREA);
      EXPECT_LE(cv::norm(area_average(pixels, to), expected, cv::NORM_INF), 1) << from << to;
    }
  }
}

TEST(AreaAverage, LeavesAPictureOfThatSizeAsItIs) {
  const cv::Mat pixels = noise({45, 31});
  EXPECT_EQ(cv::norm(area_average(pixels, pixels.size()), pixels, cv::NORM_INF), 0);
}

TEST(AreaAverage, KeepsTheExtremes) {
  for (const int value : {0, 1, 254, 255}) {
    const cv::Mat pixels(1000, 777, CV_8UC3, cv::Scalar::all(value));
    const cv::Mat small = area_average(pixels, {251, 13});
    EXPECT_EQ(cv::norm(small, cv::Mat(small.size(), CV_8UC3, cv::Scalar::all(value)), cv::NORM_INF),
              0);
  }
}

TEST(AreaAverage, ShrinksOneSideAlone) {
  const cv::Mat pixels = noise({600, 20});
  EXPECT_EQ(area_average(pixels, {200, 20}).size(), cv::Size(200, 20));
  EXPECT_EQ(area_average(pixels, {600, 10}).size(), cv::Size(600, 10));
}

TEST(AreaAverage, TakesAPartOfALargerPicture) {  // rows are then not next to each other
  const cv::Mat part = noise({300, 300})(cv::Rect(20, 30, 200, 150));
  EXPECT_EQ(
      cv::norm(area_average(part, {50, 40}), area_average(part.clone(), {50, 40}), cv::NORM_INF),
      0);
}

}  // namespace
}  // namespace imgrec::worker
