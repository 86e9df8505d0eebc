// Pixels to the network's input, as model.yaml says.
//
// Thread rule: pure function.
// Owns: nothing.
#pragma once

#include <vector>

#include <opencv2/core/mat.hpp>

#include "worker/inference/model_folder.h"

namespace imgrec::worker {

// Squashes `pixels` to resize_width x resize_height in 8 bits, cuts input_width x input_height out
// of the middle, then (value - mean) * scale of each channel. The result is 3 x input_height x
// input_width, row by row, channel by channel. With filter `bilinear` this gives the same values as
// OpenCV's cv::resize(INTER_LINEAR) followed by cv::dnn::blobFromImage, which trained models were
// measured with. REQUIRES: pixels is 8-bit BGR (CV_8UC3) and not empty. Throws cv::Exception where
// OpenCV cannot get the memory.
std::vector<float> preprocess(const cv::Mat& pixels, const ModelSpec& spec);

}  // namespace imgrec::worker
