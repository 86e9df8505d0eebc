#include "manager/app/live_feed.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "tests/unit/manager_net/run_until.h"
#include "tests/unit/manager_net/upgrade.h"
#include "tests/unit/manager_store/storage_fixture.h"

namespace imgrec::manager {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

const std::string kAnna = "anna";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// A feed of a real storage, and one page of Anna's that reads when it is told to.
class LiveFeedTest : public StorageTest {
 protected:
  LiveFeedTest() : client_(io_) {
    sync_ = SyncPolicy::kNone;
    open();
    control_.emplace(io_, *storage_, ControlOptions{});
    make_feed(std::chrono::milliseconds(0));
  }
  ~LiveFeedTest() override {
    feed_->close_all("the test is over");
    io_.restart();
    io_.poll();
    storage_.reset();  // what it calls back with is the feed's
  }

  void make_feed(std::chrono::milliseconds state_lasts) {
    feed_.emplace(io_, *storage_, *control_, state_lasts);
  }
  void open_page(std::optional<std::uint64_t> after) {
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    client_.connect(acceptor.local_endpoint());
    feed_->open({acceptor.accept(), {}, imgrec::testing::kUpgrade, {}}, SessionId{kAnna}, after);
  }
  ImageRecord add_settled() {
    auto settled = settle(done(add(kAnna).job));
    EXPECT_TRUE(settled.ok());
    return *settled;
  }
  // Asks for a page of all results. After each step of the io_context there are `hints`, one about
  // each of more images than a socket's queue holds. Before the page is asked for they are not
  // sent; once it is, the storage has answered (find() waits behind it), and the io_context has yet
  // to bring the answer: at that moment the hints come.
  template <class Hint>
  void open_page_amid(const std::vector<ImageRecord>& settled, Hint hint) {
    open_page(0);
    for (int step = 0; step < 50; ++step) {
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(1));
      EXPECT_TRUE(find(settled.front().id).ok());
      for (int i = 0; i < 300; ++i) {
        ImageRecord image;
        image.id.text = "another-" + std::to_string(i);
        image.session.text = kAnna;
        image.state = ImageState::kAssigned;
        hint(image);
      }
    }
  }
  std::vector<ImageRecord> add_settled(int images) {
    std::vector<ImageRecord> settled;
    for (int i = 0; i < images; ++i) settled.push_back(add_settled());
    return settled;
  }
  static ImageRecord named(const char* id) {
    ImageRecord image;
    image.id.text = id;
    image.session.text = kAnna;
    return image;
  }
  void tell_assigned(ImageRecord image) {
    image.state = ImageState::kAssigned;
    feed_->on_state(image);
  }
  // Reads until the condition holds for all that was read.
  template <class Condition>
  bool reads_until(Condition condition) {
    return imgrec::testing::run_until(io_, [&] {
      read_ += imgrec::testing::read_available(client_);
      return condition();
    });
  }
  bool shows_each_once(const std::vector<ImageRecord>& images) {
    return reads_until([&] {
      return std::all_of(images.begin(), images.end(),
                         [this](const ImageRecord& image) { return times_shown(image) == 1; });
    });
  }
  std::size_t times_shown(const ImageRecord& image) const {
    return count(read_, "\"type\":\"image\",\"seq\":" + std::to_string(image.settle_seq) + ",");
  }

  asio::io_context io_;
  tcp::socket client_;
  std::optional<Control> control_;
  std::optional<LiveFeed> feed_;
  std::string read_;
};

TEST_F(LiveFeedTest, RepeatsWhatWasSettledBefore) {
  const ImageRecord seen = add_settled();
  const ImageRecord missed = add_settled();
  open_page(seen.settle_seq);
  EXPECT_TRUE(reads_until([&] { return times_shown(missed) == 1; })) << read_;
  EXPECT_EQ(times_shown(seen), 0u);
}

// What comes between the question for a page and the page must not take its place.
TEST_F(LiveFeedTest, LosesNoResultWhenStatesComeWhileAPageIsRead) {
  const std::vector<ImageRecord> settled = add_settled(60);
  open_page_amid(settled, [this](const ImageRecord& image) { feed_->on_state(image); });
  EXPECT_TRUE(shows_each_once(settled));
  EXPECT_GT(count(read_, "\"type\":\"state\""), 0u) << "no state came between";
}

TEST_F(LiveFeedTest, LosesNoResultWhenDeletionsFillTheQueueWhileAPageIsRead) {
  const std::vector<ImageRecord> settled = add_settled(60);
  open_page_amid(settled, [this](const ImageRecord& image) { feed_->on_deleted(image); });
  EXPECT_TRUE(shows_each_once(settled));
  EXPECT_GT(count(read_, "\"type\":\"deleted\""), 0u) << "no deletion came between";
}

// A page that hears of each result has no use for the state that came just before.
TEST_F(LiveFeedTest, TellsOfAStateOnlyWhereTheImageIsNotSettledSoon) {
  make_feed(std::chrono::milliseconds(50));
  open_page(std::nullopt);
  ASSERT_TRUE(reads_until([&] { return count(read_, "\"type\":\"hello\"") == 1; }));
  const ImageRecord settled = add_settled();
  const ImageRecord deleted = add_settled();
  for (const ImageRecord& image : {settled, deleted, named("lasting")}) tell_assigned(image);
  feed_->on_settled(settled);
  feed_->on_deleted(deleted);
  EXPECT_TRUE(reads_until([&] { return count(read_, "\"type\":\"state\"") == 1; })) << read_;
  EXPECT_EQ(count(read_, "\"id\":\"lasting\",\"state\":\"assigned\""), 1u) << read_;
  EXPECT_EQ(times_shown(settled), 1u);
}

// What a page that went was to be told is not told to the next one, which has read newer states.
TEST_F(LiveFeedTest, TellsNobodyAStateThatChangedWhileNoPageWasOpen) {
  make_feed(std::chrono::milliseconds(50));
  open_page(std::nullopt);
  ASSERT_TRUE(reads_until([&] { return count(read_, "\"type\":\"hello\"") == 1; }));
  tell_assigned(named("queued again"));
  client_.close();
  ASSERT_TRUE(imgrec::testing::run_until(io_, [&] { return feed_->sockets() == 0; }));
  feed_->on_state(named("queued again"));
  open_page(std::nullopt);
  tell_assigned(named("another"));
  EXPECT_TRUE(reads_until([&] { return count(read_, "\"id\":\"another\"") == 1; })) << read_;
  EXPECT_EQ(count(read_, "queued again"), 0u) << read_;
}

}  // namespace
}  // namespace imgrec::manager
