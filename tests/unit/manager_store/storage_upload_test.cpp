#include <gmock/gmock.h>

#include "storage_fixture.h"

namespace imgrec::manager {
namespace {

class StorageUpload : public StorageTest {
 protected:
  Result<StoredUpload> upload(const std::string& key, const std::vector<std::string>& pictures,
                              const std::string& session = "anna") {
    return wait<StoredUpload>([&](auto call) { begin(key, pictures, session, std::move(call)); });
  }
  void begin(const std::string& key, const std::vector<std::string>& pictures,
             const std::string& session, Storage::Callback<StoredUpload> call) {
    std::vector<NewImage> images;
    std::string fingerprint;
    for (const auto& bytes : pictures) {
      images.push_back(image(session, bytes));
      fingerprint += bytes + "/";
    }
    storage_->add_upload(UploadKey{SessionId{session}, key, fingerprint}, std::move(images),
                         std::move(call));
  }
  static std::vector<std::string> ids(const std::vector<ImageRecord>& images) {
    std::vector<std::string> list;
    for (const ImageRecord& each : images) list.push_back(each.id.text);
    return list;
  }
};

TEST_F(StorageUpload, ARepeatIsTheSameUploadAlsoAfterARestart) {
  open();
  const auto first = upload("k1", {"one", "two"});
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->replayed);
  for (int round = 0; round < 2; ++round) {
    const auto again = upload("k1", {"one", "two"});
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(ids(again->images), ids(first->images));
    reopen();
  }
  expect_totals(2, 0, 0);
  EXPECT_EQ(files(), 2u) << "a repeat leaves no file behind";
}

TEST_F(StorageUpload, ARepeatTellsWhatBecameOfItsImages) {
  open();
  const auto first = upload("k1", {"one", "two", "three"});
  ASSERT_TRUE(settle(done(first->images[0].job)).ok());
  ASSERT_TRUE(remove(first->images[1].id).ok());
  const auto again = upload("k1", {"one", "two", "three"});
  ASSERT_EQ(ids(again->images), (std::vector{first->images[0].id.text, first->images[2].id.text}));
  EXPECT_EQ(again->images[0].state, ImageState::kDone);
  EXPECT_EQ(again->images[1].state, ImageState::kQueued);
}

TEST_F(StorageUpload, TwoAtTheSameMomentAreOne) {
  open();
  constexpr int kTries = 50;
  std::vector<std::promise<Result<StoredUpload>>> answers(kTries);
  for (auto& answer : answers) {
    begin("k1", {"one"}, "anna",
          [&answer](Result<StoredUpload> stored) { answer.set_value(std::move(stored)); });
  }
  std::vector<std::string> seen;
  int made = 0;
  for (auto& answer : answers) {
    const auto stored = answer.get_future().get();
    ASSERT_TRUE(stored.ok());
    if (!stored->replayed) ++made;
    seen.push_back(stored->images.at(0).id.text);
  }
  EXPECT_EQ(made, 1);
  EXPECT_THAT(seen, ::testing::Each(seen[0]));
  expect_totals(1, 0, 0);
  EXPECT_EQ(files(), 1u);
}

TEST_F(StorageUpload, ARepeatTellsWhatIsSoWhenItIsAnswered) {
  open();
  const auto first = upload("k1", {"one", "two"});
  // The storage is kept busy, so that what follows comes into one transaction.
  std::vector<std::promise<void>> busy(64);
  for (std::size_t i = 0; i < busy.size(); ++i) {
    storage_->add_images({image("bert", std::to_string(i))},
                         [&done = busy[i]](const auto&) { done.set_value(); });
  }
  std::promise<Result<StoredUpload>> answer;
  storage_->settle(done(first->images[0].job), {});
  storage_->remove(first->images[1].id, {});
  begin("k1", {"one", "two"}, "anna",
        [&answer](Result<StoredUpload> stored) { answer.set_value(std::move(stored)); });
  const auto again = answer.get_future().get();
  for (auto& each : busy) each.get_future().wait();
  ASSERT_EQ(ids(again->images), std::vector{first->images[0].id.text});
  EXPECT_EQ(again->images[0].state, ImageState::kDone);
}

TEST_F(StorageUpload, AKeyIsASessionsOwn) {
  open();
  const auto anna = upload("k1", {"one"}, "anna");
  const auto bert = upload("k1", {"one"}, "bert");
  ASSERT_TRUE(bert.ok());
  EXPECT_FALSE(bert->replayed);
  EXPECT_NE(ids(bert->images), ids(anna->images));
}

TEST_F(StorageUpload, RefusesOtherImagesUnderTheSameKey) {
  open();
  ASSERT_TRUE(upload("k1", {"one"}).ok());
  const auto other = upload("k1", {"another"});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.status().code(), StatusCode::kAlreadyExists);
  expect_totals(1, 0, 0);
  EXPECT_EQ(files(), 1u);
}

TEST_F(StorageUpload, KeepsAsManyClassesAsWereAskedFor) {
  open();
  NewImage two = image("anna", "one");
  two.top_k = 1;
  const auto added = try_add({two});
  ASSERT_TRUE(settle(done(added->front().job)).ok());
  reopen();
  EXPECT_EQ(find(added->front().id)->top.size(), 1u);
  EXPECT_EQ(find(added->front().id)->top_k, 1);
}

}  // namespace
}  // namespace imgrec::manager
