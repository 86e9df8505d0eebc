#include "worker/app/model_choice.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>
#include <stdlib.h>

namespace imgrec::worker {
namespace {

namespace fs = std::filesystem;

// Runs in an empty directory, with room for an installed program beside it.
class ModelChoice : public testing::Test {
 protected:
  ModelChoice() : before_(fs::current_path()) {
    std::string pattern = fs::temp_directory_path() / "imgrec-test-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    root_ = fs::canonical(pattern);
    fs::create_directories(root_ / "here");
    fs::create_directories(bin());
    fs::current_path(root_ / "here");
  }
  ~ModelChoice() override {
    fs::current_path(before_);
    fs::remove_all(root_);
  }
  static void make_model(const fs::path& folder) {
    fs::create_directories(folder);
    std::ofstream(folder / "model.yaml") << "name: x\n";
  }
  fs::path bin() const { return root_ / "prefix" / "bin"; }
  fs::path installed() const {
    return root_ / "prefix" / "share" / "imgrec" / "models" / "cifar10-inception";
  }

 private:
  fs::path before_;
  fs::path root_;
};

TEST_F(ModelChoice, TakesWhatWasNamedEvenWhereItIsMissing) {
  make_model(installed());
  EXPECT_EQ(choose_model("elsewhere", bin()), "elsewhere");
}

TEST_F(ModelChoice, PrefersTheOneMadeByHand) {
  make_model(installed());
  make_model("models/googlenet");
  EXPECT_EQ(choose_model("", bin()), "models/googlenet");
}

TEST_F(ModelChoice, TakesTheInstalledOneWhereThereIsNoOther) {
  make_model(installed());
  fs::create_directories("models/googlenet");  // begun, never finished
  EXPECT_EQ(choose_model("", bin()), installed());
}

TEST_F(ModelChoice, NamesTheFirstPlaceWhereThereIsNone) {
  EXPECT_EQ(choose_model("", bin()), "models/googlenet");
}

}  // namespace
}  // namespace imgrec::worker
