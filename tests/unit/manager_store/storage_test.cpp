#include "manager/store/storage.h"

#include <atomic>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "tests/unit/manager_store/storage_fixture.h"

namespace imgrec::manager {
namespace {

using namespace std::string_literals;
using std::chrono::microseconds;
using ::testing::ElementsAre;

std::vector<std::uint64_t> jobs(const std::vector<ImageRecord>& images) {
  std::vector<std::uint64_t> found;
  for (const ImageRecord& image : images) found.push_back(image.job.value);
  return found;
}

TEST_F(StorageTest, StoresAnImageAndGivesItsRecord) {
  open();
  const ImageRecord added = add("anna", "the bytes");
  EXPECT_EQ(added.id.text.size(), 32u);
  EXPECT_NE(added.job, JobId{});
  EXPECT_EQ(added.state, ImageState::kQueued);
  EXPECT_EQ(added.bytes, 9u);
  EXPECT_GE(added.timing.upload, microseconds(5000)) << "from the first byte of the request";
  EXPECT_TRUE(std::filesystem::exists(file_of(added.id)));
  const auto found = find(added.id);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->job, added.job);
  EXPECT_EQ(found->session, SessionId{"anna"});
  EXPECT_EQ(found->name, "cat.jpg");
  EXPECT_EQ(found->media_type, "image/jpeg");
  EXPECT_EQ(found->width, 640u);
  EXPECT_EQ(found->height, 480u);
  EXPECT_EQ(found->created, added.created);
  expect_totals(1, 0, 0);
}

TEST_F(StorageTest, KeepsTextsByteForByte) {
  open();
  std::vector<NewImage> images;
  images.push_back(image("anna", "x"));
  images[0].name = "caf\xc3\xa9'; DROP TABLE images;--\0\xff.jpg"s;
  const std::string name = images[0].name;
  const auto added = try_add(std::move(images));
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(find(added->front().id)->name, name);
}

TEST_F(StorageTest, SettlesWithModelLabelsAndTiming) {
  open();
  const ImageRecord added = add();
  const auto settled = settle(done(added.job));
  ASSERT_TRUE(settled.ok()) << settled.status().message();
  for (const ImageRecord& image : {*settled, *find(added.id)}) {
    EXPECT_EQ(image.state, ImageState::kDone);
    EXPECT_EQ(image.model, "tiny");
    ASSERT_EQ(image.top.size(), 2u);
    EXPECT_EQ(image.top[0].index, 1u);
    EXPECT_EQ(image.top[0].label, "n02 shark");
    EXPECT_FLOAT_EQ(image.top[0].score, 0.75f);
    EXPECT_FALSE(image.unsure);
    EXPECT_EQ(image.settle_seq, 1u);
    EXPECT_EQ(image.worker, "w1");
    EXPECT_EQ(image.attempts, 2u);
    EXPECT_EQ(image.timing.inference, microseconds(60'000));
    EXPECT_EQ(image.timing.upload, added.timing.upload);
    EXPECT_GE(image.timing.total, image.timing.upload);
    EXPECT_EQ(image.settled, settled->settled);
    EXPECT_FALSE(image.error.has_value());
  }
  EXPECT_EQ(storage_->last_seq(), 1u);
  expect_totals(1, 1, 0);
}

TEST_F(StorageTest, SaysUnsureUnderTheModelsThreshold) {
  open();
  Settlement weak = done(add().job);
  weak.top = {{0, 0.4f}, {1, 0.3f}, {99, 0.1f}};
  const auto settled = settle(weak);
  EXPECT_TRUE(settled->unsure);
  EXPECT_EQ(settled->top[2].label, "") << "no such class";
}

TEST_F(StorageTest, KeepsAFailuresReason) {
  open();
  const ImageRecord added = add();
  ASSERT_TRUE(settle(failed(added.job)).ok());
  const auto found = find(added.id);
  EXPECT_EQ(found->state, ImageState::kFailed);
  EXPECT_EQ(found->error->code, "damaged_image");
  EXPECT_EQ(found->error->detail, "It ends early.");
  EXPECT_TRUE(found->top.empty());
  expect_totals(1, 0, 1);
}

TEST_F(StorageTest, RefusesToSettleTwiceOrTheUnknown) {
  open();
  const ImageRecord added = add();
  ASSERT_TRUE(settle(done(added.job)).ok());
  EXPECT_EQ(settle(failed(added.job)).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(settle(done(JobId{77})).status().code(), StatusCode::kNotFound);
  Settlement unknown_model = done(add().job);
  unknown_model.model_digest = "never seen";
  EXPECT_EQ(settle(unknown_model).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(find(added.id)->state, ImageState::kDone);
  EXPECT_EQ(storage_->last_seq(), 1u);
  expect_totals(2, 1, 0);
}

TEST_F(StorageTest, OfTwoSettlementsInOneBatchTheFirstWins) {
  open();
  const ImageRecord added = add();
  std::promise<Result<ImageRecord>> first;
  std::promise<Result<ImageRecord>> second;
  storage_->settle(done(added.job), [&](auto result) { first.set_value(std::move(result)); });
  storage_->settle(failed(added.job), [&](auto result) { second.set_value(std::move(result)); });
  EXPECT_TRUE(first.get_future().get().ok());
  EXPECT_EQ(second.get_future().get().status().code(), StatusCode::kFailedPrecondition);
  expect_totals(1, 1, 0);
}

TEST_F(StorageTest, TakesAddsFromManyThreadsAtOnce) {
  open();
  constexpr int kThreads = 8;
  constexpr int kEach = 25;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::set<std::string> ids;
  std::atomic<int> called = 0;
  std::promise<void> all;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        std::vector<NewImage> images;
        images.push_back(image(std::string(1, static_cast<char>('a' + t)), std::to_string(i)));
        storage_->add_images(std::move(images), [&](Result<std::vector<ImageRecord>> added) {
          {
            const std::scoped_lock lock(mutex);
            if (added.ok()) ids.insert(added->front().id.text);
          }
          if (++called == kThreads * kEach) all.set_value();
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  all.get_future().wait();
  EXPECT_EQ(ids.size(), 200u);
  EXPECT_EQ(files(), 200u);
  expect_totals(200, 0, 0);
  EXPECT_EQ(list("d", 100)->images.size(), 25u);
}

TEST_F(StorageTest, OneBadUploadDoesNotFailTheOthersOfItsBatch) {
  open();
  std::vector<std::promise<Result<std::vector<ImageRecord>>>> results(3);
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<NewImage> images;
    images.push_back(image("anna", "fine"));
    images.push_back(image("anna", "fine"));
    if (i == 1) images[1].bytes = nullptr;
    storage_->add_images(std::move(images),
                         [&results, i](auto result) { results[i].set_value(std::move(result)); });
  }
  EXPECT_TRUE(results[0].get_future().get().ok());
  EXPECT_EQ(results[1].get_future().get().status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(results[2].get_future().get().ok());
  expect_totals(4, 0, 0);
  EXPECT_EQ(files(), 4u) << "all or none, also of the files";
}

TEST_F(StorageTest, ListsNewestFirstInPages) {
  open();
  std::vector<ImageRecord> added;
  for (int i = 0; i < 7; ++i) {
    added.push_back(add("anna"));
    add("ben");
  }
  std::vector<std::uint64_t> seen;
  std::string cursor;
  std::vector<std::size_t> pages;
  do {
    const auto page = list("anna", 3, cursor);
    ASSERT_TRUE(page.ok());
    pages.push_back(page->images.size());
    for (const auto job : jobs(page->images)) seen.push_back(job);
    cursor = page->next_cursor;
    if (pages.size() == 1) {
      add("anna");                                   // newer than the place: not shown again
      ASSERT_TRUE(remove(page->images[2].id).ok());  // the place itself goes away
    }
  } while (!cursor.empty());
  EXPECT_THAT(pages, ElementsAre(3, 3, 1));
  std::vector<std::uint64_t> expected = jobs(added);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(seen, expected);
}

TEST_F(StorageTest, GivesNoCursorWhenAFullPageIsTheLast) {
  open();
  for (int i = 0; i < 4; ++i) add();
  EXPECT_FALSE(list("anna", 2)->next_cursor.empty());
  EXPECT_TRUE(list("anna", 4)->next_cursor.empty());
  EXPECT_TRUE(list("nobody", 4)->images.empty());
}

TEST_F(StorageTest, RefusesMalformedCursors) {
  open();
  add();
  for (const std::string cursor : {"x", "1", "0123456789abcdeX", "0000000000000001", "'; --"}) {
    EXPECT_EQ(list("anna", 5, cursor).status().code(), StatusCode::kInvalidArgument) << cursor;
  }
}

TEST_F(StorageTest, ReplaysSettlementsOfOneSessionInOrder) {
  open();
  const ImageRecord a = add("anna");
  const ImageRecord b = add("ben");
  const ImageRecord c = add("anna");
  const ImageRecord d = add("anna");
  ASSERT_TRUE(settle(done(d.job)).ok());
  ASSERT_TRUE(settle(done(b.job)).ok());
  ASSERT_TRUE(settle(failed(a.job)).ok());
  EXPECT_EQ(jobs(settled_after("anna", 0)), (std::vector<std::uint64_t>{d.job.value, a.job.value}));
  EXPECT_EQ(jobs(settled_after("anna", 1)), (std::vector<std::uint64_t>{a.job.value}));
  EXPECT_EQ(jobs(settled_after("anna", 0, 1)), (std::vector<std::uint64_t>{d.job.value}));
  EXPECT_TRUE(settled_after("anna", 3).empty());
  EXPECT_EQ(jobs(settled_after("ben", 0)), (std::vector<std::uint64_t>{b.job.value}));
  EXPECT_EQ(find(c.id)->settle_seq, 0u);
}

TEST_F(StorageTest, RemovesImageResultAndBytes) {
  open();
  const ImageRecord settled = add();
  const ImageRecord waiting = add();
  ASSERT_TRUE(settle(done(settled.job)).ok());
  const auto was = remove(settled.id);
  ASSERT_TRUE(was.ok());
  EXPECT_EQ(was->state, ImageState::kDone);
  expect_totals(2, 1, 0);
  ASSERT_TRUE(remove(waiting.id).ok());
  expect_totals(2, 1, 1);  // the ledger balances: the open one has no other end
  EXPECT_EQ(files(), 0u);
  EXPECT_EQ(find(settled.id).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(remove(settled.id).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(load(waiting.job).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(settle(done(waiting.job)).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(storage_->cached_bytes(waiting.job), nullptr);
  EXPECT_EQ(storage_->last_seq(), 1u);
}

TEST_F(StorageTest, ServesBytesFromMemoryWhileOpenAndFromTheFileAfterwards) {
  open();
  const ImageRecord added = add("anna", "pixels");
  ASSERT_NE(storage_->cached_bytes(added.job), nullptr);
  EXPECT_EQ(*storage_->cached_bytes(added.job), "pixels");
  ASSERT_TRUE(settle(done(added.job)).ok());
  EXPECT_EQ(storage_->cached_bytes(added.job), nullptr);
  EXPECT_EQ(**load(added.job), "pixels");
  std::filesystem::remove(file_of(added.id));
  EXPECT_EQ(load(added.job).status().code(), StatusCode::kDataLoss);
}

TEST_F(StorageTest, ServesWhatDoesNotFitInMemoryFromTheFile) {
  cache_bytes_ = 10;
  open();
  const ImageRecord first = add("anna", "12345678");
  const ImageRecord second = add("anna", "abcdefgh");
  EXPECT_NE(storage_->cached_bytes(first.job), nullptr);
  EXPECT_EQ(storage_->cached_bytes(second.job), nullptr);
  EXPECT_EQ(**load(second.job), "abcdefgh");
}

TEST_F(StorageTest, FinishesWhatWasQueuedBeforeItCloses) {
  open();
  std::atomic<int> stored = 0;
  for (int i = 0; i < 50; ++i) {
    std::vector<NewImage> images;
    images.push_back(image("anna", "x"));
    storage_->add_images(std::move(images), [&](auto added) { stored += added.ok() ? 1 : 0; });
  }
  close();
  EXPECT_EQ(stored, 50);
  open();
  EXPECT_EQ(storage_->take_open_images().size(), 50u);
}

}  // namespace
}  // namespace imgrec::manager
