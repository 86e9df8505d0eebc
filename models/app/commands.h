// The commands of imgrec-model. Each takes the words after its name, writes to stdout what it does
// and to stderr what went wrong, and returns the exit code: 0 good, 1 a failure, 2 wrong usage.
//
// Thread rule: main thread.
// Owns: nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proto/status.h"

namespace imgrec::models {

inline constexpr int kGood = 0;
inline constexpr int kFailure = 1;
inline constexpr int kWrongUsage = 2;

int run_import_caffe(const std::vector<std::string>& words);
int run_classify(const std::vector<std::string>& words);
int run_evaluate(const std::vector<std::string>& words);
int run_check(const std::vector<std::string>& words);
int run_describe(const std::vector<std::string>& words);
int run_calibrate(const std::vector<std::string>& words);

extern const std::string_view kImportCaffeHelp;
extern const std::string_view kClassifyHelp;
extern const std::string_view kEvaluateHelp;
extern const std::string_view kCheckHelp;
extern const std::string_view kDescribeHelp;
extern const std::string_view kCalibrateHelp;

// "imgrec-model: …" on stderr; returns `code`.
int complain(const Status& status, int code);

}  // namespace imgrec::models
