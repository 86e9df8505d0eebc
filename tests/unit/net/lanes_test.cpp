// A sender and a receiver over real lanes, on loopback.
#include <array>
#include <random>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/lane_receiver.h"
#include "net/lane_sender.h"
#include "net/tcp_figures.h"
#include "proto/chunk.h"
#include "tests/unit/manager_net/run_until.h"

namespace imgrec::net {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using ::testing::HasSubstr;

std::string anything(std::size_t bytes) {
  std::mt19937 dice(7);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(dice());
  return text;
}

class Lanes : public ::testing::Test {
 protected:
  static constexpr std::size_t kLanes = 4;

  Lanes() {
    Tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    for (std::size_t i = 0; i < kLanes; ++i) {
      Tcp::socket near(io_);
      near.connect(acceptor.local_endpoint());
      near_.push_back(std::make_shared<Stream>(std::move(near), nullptr));
      far_.push_back(std::make_shared<Stream>(acceptor.accept(), nullptr));
    }
    sender_ = std::make_shared<LaneSender>(near_);
    receiver_ = std::make_shared<LaneReceiver>(far_);
  }
  ~Lanes() override {
    sender_->close();
    receiver_->close();
    io_.restart();
    io_.run_for(std::chrono::milliseconds(100));
  }

  void receive() {
    receiver_->start([this](std::string_view bytes) { received_ += bytes; },
                     [this](const Status& why) { end_ = why; });
  }
  void write(const std::vector<asio::const_buffer>& buffers) {
    written_ = false;
    sender_->write(buffers, [this](const Stream::ErrorCode& error, std::size_t bytes) {
      written_ = true;
      error_ = error;
      bytes_ = bytes;
    });
  }
  template <class Condition>
  bool eventually(Condition condition) {
    return imgrec::testing::run_until(io_, condition);
  }
  // Into the far end of a lane, as a manager that makes mistakes would.
  void say(std::size_t lane, std::uint64_t position, std::string_view bytes) {
    const auto header = proto::chunk_header(position, static_cast<std::uint32_t>(bytes.size()));
    asio::write(near_[lane]->socket(), asio::buffer(header));
    asio::write(near_[lane]->socket(), asio::buffer(bytes));
  }

  asio::io_context io_;
  std::vector<std::shared_ptr<Stream>> near_, far_;
  std::shared_ptr<LaneSender> sender_;
  std::shared_ptr<LaneReceiver> receiver_;
  std::string received_;
  std::optional<Status> end_;
  bool written_ = false;
  Stream::ErrorCode error_;
  std::size_t bytes_ = 0;
};

TEST_F(Lanes, CarryAStreamInItsOrder) {
  receive();
  const std::string text = anything(5'000'000);
  std::size_t at = 0;
  for (const std::size_t size : {1u, 28u, 3'000'000u, 70'000u}) {
    const std::string_view first = std::string_view(text).substr(at, size);
    const std::string_view second = std::string_view(text).substr(at + size, 5);
    write({asio::buffer(first), asio::const_buffer(), asio::buffer(second)});
    ASSERT_TRUE(eventually([&] { return written_; }));
    EXPECT_FALSE(error_);
    EXPECT_EQ(bytes_, size + 5);
    at += size + 5;
  }
  ASSERT_TRUE(eventually([&] { return received_.size() >= at; }));
  EXPECT_EQ(received_, text.substr(0, at));
  sender_->shut_down_sending();
  ASSERT_TRUE(eventually([&] { return end_.has_value(); }));
  EXPECT_TRUE(end_->ok());
}

TEST_F(Lanes, AreAllUsed) {
  receive();
  const std::string text = anything(4'000'000);
  write({asio::buffer(text)});
  ASSERT_TRUE(eventually([&] { return received_.size() == text.size(); }));
  for (const auto& lane : near_) {
    EXPECT_GT(read_acknowledged_bytes(lane->socket().native_handle()).value(), 10'000u);
  }
}

TEST_F(Lanes, TakeAnEmptyBufferAnywhere) {
  receive();
  std::size_t sent = 0;
  for (std::size_t size = 2'780; size < 2'880; ++size) {  // one of them is a whole piece
    const std::string text = anything(size);
    write({asio::const_buffer(), asio::buffer(text), asio::const_buffer()});
    ASSERT_TRUE(eventually([&] { return written_; }));
    sent += size;
  }
  ASSERT_TRUE(eventually([&] { return received_.size() == sent || end_; }));
  EXPECT_FALSE(end_) << end_->message();
}

TEST_F(Lanes, LeaveNothingBehindWhenTheyAreClosed) {
  const std::string text = anything(4'000'000);
  write({asio::buffer(text)});  // which nobody reads
  ASSERT_FALSE(imgrec::testing::run_until(
      io_, [&] { return written_; }, std::chrono::seconds(1)))
      << "the lanes are full";
  sender_->shut_down_sending();
  sender_->close();
  ASSERT_TRUE(eventually([&] { return written_; }));
  EXPECT_EQ(error_, asio::error::operation_aborted);
  const std::weak_ptr<LaneSender> gone = sender_;
  sender_ = std::make_shared<LaneSender>(far_);  // for the end of the test
  EXPECT_TRUE(eventually([&] { return gone.expired(); })) << "no timer holds it";
}

TEST(LanesOfAnEndedContext, HoldNothing) {
  struct Writer {  // holds the lanes, and is held by what it writes over them
    std::shared_ptr<LaneSender> sender;
  };
  const std::string text = anything(4'000'000);
  auto writer = std::make_shared<Writer>();
  const std::weak_ptr<Writer> gone = writer;
  {
    asio::io_context io;
    Tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    Tcp::socket near(io);
    near.connect(acceptor.local_endpoint());
    const Tcp::socket far = acceptor.accept();
    writer->sender = std::make_shared<LaneSender>(
        std::vector<std::shared_ptr<Stream>>{std::make_shared<Stream>(std::move(near), nullptr)});
    bool written = false;
    writer->sender->write(
        {asio::buffer(text)},
        [writer, &written](const Stream::ErrorCode&, std::size_t) { written = true; });
    io.run_for(std::chrono::milliseconds(50));
    ASSERT_FALSE(written) << "nobody reads it";
    writer.reset();
  }
  EXPECT_TRUE(gone.expired());
}

TEST_F(Lanes, WriteNothingAtOnce) {
  write({});
  ASSERT_TRUE(eventually([&] { return written_; }));
  EXPECT_FALSE(error_);
  EXPECT_EQ(bytes_, 0u);
}

TEST_F(Lanes, EndWithTheFirstThatBreaks) {
  receive();
  far_[2]->socket().set_option(asio::socket_base::linger(true, 0));
  far_[2]->close();
  const std::string text = anything(40'000'000);
  ASSERT_TRUE(eventually([&] { return end_.has_value(); })) << "also for the receiver";
  EXPECT_FALSE(end_->ok());
  write({asio::buffer(text)});
  ASSERT_TRUE(eventually([&] { return written_; }));
  EXPECT_TRUE(error_);
  write({asio::buffer(text)});
  ASSERT_TRUE(eventually([&] { return written_; })) << "and from then on";
  EXPECT_TRUE(error_);
}

// The third was none, and it ends as its other end likes.
class LanesAndOneMore : public Lanes, public ::testing::WithParamInterface<bool> {};

TEST_P(LanesAndOneMore, GoOnWithoutTheConnectionThatIsNone) {
  receiver_ = std::make_shared<LaneReceiver>(far_, 1);
  sender_ = std::make_shared<LaneSender>(
      std::vector<std::shared_ptr<Stream>>{near_[0], near_[1], near_[3]});
  receive();
  if (GetParam()) near_[2]->socket().set_option(asio::socket_base::linger(true, 0));
  near_[2]->close();
  const std::string text = anything(10'000'000);
  write({asio::buffer(text)});
  ASSERT_TRUE(eventually([&] { return received_.size() == text.size(); }));
  EXPECT_TRUE(received_ == text);
  sender_->shut_down_sending();
  ASSERT_TRUE(eventually([&] { return end_.has_value(); }));
  EXPECT_TRUE(end_->ok()) << end_->to_string();
}

INSTANTIATE_TEST_SUITE_P(ThatEndsOrIsReset, LanesAndOneMore, ::testing::Bool());

TEST_F(Lanes, AnEndInTheMiddleIsALostConnection) {
  receive();
  say(0, 10, "what comes before this is missing");
  sender_->shut_down_sending();
  ASSERT_TRUE(eventually([&] { return end_.has_value(); }));
  EXPECT_THAT(end_->message(), HasSubstr("too early"));
}

TEST_F(Lanes, AMistakeEndsThem) {
  receive();
  say(0, 10, "one");
  say(1, 11, "another");
  ASSERT_TRUE(eventually([&] { return end_.has_value(); }));
  EXPECT_THAT(end_->message(), HasSubstr("overlaps"));
  EXPECT_EQ(received_, "");
}

// What is missing is on the last lane: of the others no more is taken in than has a bound.
TEST_F(Lanes, HoldNoMoreThanABoundOfWhatIsNotDue) {
  receive();
  const std::string chunk = anything(60'000);
  std::uint64_t position = chunk.size();
  near_[0]->socket().non_blocking(true);
  bool full = false;
  while (!full && position < 200'000'000) {
    const auto header = proto::chunk_header(position, static_cast<std::uint32_t>(chunk.size()));
    std::string bytes(header.begin(), header.end());
    bytes += chunk;
    std::string_view left = bytes;
    for (int tries = 0; !left.empty() && tries < 200;) {
      Stream::ErrorCode error;
      const std::size_t sent = near_[0]->socket().write_some(asio::buffer(left), error);
      left.remove_prefix(sent);
      if (sent == 0) {
        ++tries;
        io_.restart();
        io_.run_for(std::chrono::milliseconds(1));
      }
    }
    full = !left.empty();
    position += chunk.size();
  }
  EXPECT_TRUE(full) << "the receiver stopped reading that lane";
  EXPECT_EQ(received_, "");
  say(3, 0, chunk);
  EXPECT_TRUE(eventually([&] { return received_.size() > 4'000'000; })) << "and goes on";
}

}  // namespace
}  // namespace imgrec::net
