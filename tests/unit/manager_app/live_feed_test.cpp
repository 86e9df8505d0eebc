#include "manager/app/live_feed.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include "tests/unit/manager_net/run_until.h"
#include "tests/unit/manager_store/storage_fixture.h"

namespace imgrec::manager {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

const std::string kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
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
    feed_.emplace(io_, *storage_, *control_);
  }
  ~LiveFeedTest() override {
    feed_->close_all("the test is over");
    io_.restart();
    io_.poll();
    storage_.reset();  // what it calls back with is the feed's
  }

  void open_page(std::optional<std::uint64_t> after) {
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    client_.connect(acceptor.local_endpoint());
    feed_->open({acceptor.accept(), {}, kUpgrade, {}}, SessionId{kAnna}, after);
  }
  ImageRecord add_settled() {
    auto settled = settle(done(add(kAnna).job));
    EXPECT_TRUE(settled.ok());
    return *settled;
  }
  // So many images of Anna's are assigned, one after the other.
  void assign_images(int images) {
    for (int i = 0; i < images; ++i) {
      ImageRecord image;
      image.id.text = "waiting-" + std::to_string(i);
      image.session.text = kAnna;
      image.state = ImageState::kAssigned;
      feed_->on_state(image);
    }
  }
  // Reads until the condition holds for all that was read.
  template <class Condition>
  bool reads_until(Condition condition) {
    return imgrec::testing::run_until(io_, [&] {
      boost::system::error_code ec;
      std::string text(client_.available(ec), '\0');
      if (!text.empty()) text.resize(client_.read_some(asio::buffer(text), ec));
      read_ += text;
      return condition();
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

// States that come between the question for a page and the page must not take its place.
TEST_F(LiveFeedTest, LosesNoResultWhenStatesFillTheQueueWhileAPageIsRead) {
  std::vector<ImageRecord> settled;
  for (int i = 0; i < 60; ++i) settled.push_back(add_settled());
  open_page(0);
  // After each step of the io_context. Before the page of results is asked for, states are not
  // sent; once it is, the storage has answered (find() waits behind it), and the io_context has yet
  // to bring the answer: at that moment the states come.
  for (int step = 0; step < 100; ++step) {
    io_.restart();
    io_.run_one_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(find(settled.front().id).ok());
    assign_images(400);
  }
  EXPECT_TRUE(reads_until([&] {
    for (const ImageRecord& image : settled) {
      if (times_shown(image) != 1) return false;
    }
    return true;
  }));
  EXPECT_GT(count(read_, "\"type\":\"state\""), 0u) << "no state came between";
}

}  // namespace
}  // namespace imgrec::manager
