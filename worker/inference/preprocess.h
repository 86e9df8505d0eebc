// Pixels to the network's input, as model.yaml says.
//
// Thread rule: pure function.
// Owns: nothing.
#pragma once

#include <span>
#include <vector>

#include <opencv2/core/types.hpp>

#include "worker/inference/image_decoder.h"
#include "worker/inference/model_folder.h"

namespace imgrec::worker {

// Which JPEG pictures ImageDecoder may bring smaller: those that preprocess() averages anyway, and
// not below twice what it makes of them. At half, a quarter or an eighth a JPEG picture is already
// averaged, in steps that are not those of the result: kept at this size it gives what the whole
// picture would (of 100 photos enlarged to 1,200 and 1,900 pixels, 99 and 100 were recognised
// alike, with probabilities moved by 0.005 in the mean; kept at the size itself 97 and 98, moved by
// 0.03).
Shrinking shrinking_for(const ModelSpec& spec);

// Squashes the picture to resize_width x resize_height in 8 bits, turns it upright, cuts
// input_width x input_height out of the middle, then (value - mean) * scale of each channel. The
// result is 3 x input_height x input_width, row by row, channel by channel.
//
// With filter `bilinear`, pictures of less than six times the size give the same values as OpenCV's
// cv::resize(INTER_LINEAR) followed by cv::dnn::blobFromImage, which trained models were measured
// with; averaging them moves probabilities by up to 0.17. Larger ones are averaged, as all are with
// filter `area`: INTER_LINEAR would look at four pixels and skip dozens.
// REQUIRES: input.size() == 3 * input_width * input_height.
// Throws cv::Exception where OpenCV cannot get the memory.
void preprocess(const Picture& picture, const ModelSpec& spec, std::span<float> input);
std::vector<float> preprocess(const Picture& picture, const ModelSpec& spec);

}  // namespace imgrec::worker
