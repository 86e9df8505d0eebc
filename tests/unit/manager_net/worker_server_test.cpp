#include "manager/net/worker_server.h"

#include <array>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager/net/round_trip_doubt.h"
#include "tests/unit/manager_net/run_until.h"

namespace imgrec::manager {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ::testing::HasSubstr;
using ::testing::SizeIs;

proto::Hello hello(const std::string& instance, const std::string& digest = std::string(64, 'a')) {
  proto::Hello h;
  h.name = "tester";
  h.instance_id = instance + std::string(32 - instance.size(), '0');
  h.model_name = "net";
  h.model_digest = digest;
  h.labels = {"cat", "dog"};
  return h;
}

// A worker on the same io_context: the real protocol session on a plain socket.
class Peer {
 public:
  Peer(asio::io_context& io, std::uint16_t port) : socket_(io) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    read();
  }
  void say_hello(const proto::Hello& h) {
    session_.emplace(proto::SessionOptions{}, h, std::chrono::steady_clock::now());
    flush();
  }
  void say(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  void answer(const proto::Assign& assign) {
    session_->send_outcome({.job = assign.job,
                            .attempt = assign.attempt,
                            .timing = {},
                            .from_cache = false,
                            .top = {{1, 0.75f}}});
    flush();
  }
  void drain() {
    session_->send_drain({});
    flush();
  }
  void vanish() { socket_.close(); }
  // How many frames that were.
  std::size_t flush() {
    const auto frames = session_->take_output();
    for (const auto& frame : frames) {
      asio::write(socket_, asio::buffer(frame.head));
      if (frame.body) asio::write(socket_, asio::buffer(*frame.body));
    }
    return frames.size();
  }

  template <class T>
  std::vector<T> got() const {
    std::vector<T> found;
    for (const auto& m : messages_) {
      if (const auto* t = std::get_if<T>(&m)) found.push_back(*t);
    }
    return found;
  }
  bool disconnected() const { return disconnected_; }

 private:
  void read() {
    socket_.async_read_some(
        asio::buffer(buffer_), [this](boost::system::error_code ec, std::size_t count) {
          if (ec) {
            disconnected_ = true;
            return;
          }
          if (session_) {
            session_->feed({buffer_.data(), count}, std::chrono::steady_clock::now());
            for (auto& m : session_->take_messages()) messages_.push_back(m);
          }
          read();
        });
  }

  tcp::socket socket_;
  std::optional<proto::WorkerSession> session_;
  std::array<char, 4096> buffer_{};
  std::vector<proto::Message> messages_;
  bool disconnected_ = false;
};

// Welcomes everyone, unless told to refuse.
class Recorder : public WorkerServer::Listener {
 public:
  void on_hello(WorkerId worker, const std::string& address, proto::Hello hello) override {
    addresses.push_back(address);
    hellos.push_back(std::move(hello));
    if (refuse_next) {
      server->refuse(worker, *std::exchange(refuse_next, std::nullopt));
      return;
    }
    joined.push_back(worker);
    server->welcome(worker);
  }
  void on_message(WorkerId, proto::Message message) override {
    messages.push_back(std::move(message));
  }
  void on_round_trip(WorkerId, std::chrono::microseconds rtt, bool guessed) override {
    (guessed ? guesses : round_trips).push_back(rtt);
  }
  void on_worker_left(WorkerId worker, const Status&) override { left.push_back(worker); }

  template <class T>
  std::vector<T> got() const {
    std::vector<T> found;
    for (const auto& message : messages) {
      if (const auto* one = std::get_if<T>(&message)) found.push_back(*one);
    }
    return found;
  }

  WorkerServer* server = nullptr;
  std::optional<proto::Refuse> refuse_next;
  std::vector<std::string> addresses;
  std::vector<proto::Hello> hellos;
  std::vector<WorkerId> joined, left;
  std::vector<proto::Message> messages;
  std::vector<std::chrono::microseconds> round_trips;
  std::vector<std::chrono::microseconds> guesses;
};

class WorkerServerTest : public ::testing::Test {
 protected:
  WorkerServerTest() {
    WorkerServerOptions options;
    options.port = 0;
    options.manager_id = std::string(32, 'm');
    server_.emplace(io_, options, recorder_);
    recorder_.server = &*server_;
    EXPECT_TRUE(server_->start().ok());
  }
  Peer connect() { return Peer(io_, server_->port()); }
  template <class Condition>
  bool eventually(Condition condition) {
    return imgrec::testing::run_until(io_, condition);
  }

  asio::io_context io_;
  Recorder recorder_;
  std::optional<WorkerServer> server_;
};

// Each PONG is 30 ms late, which on loopback TCP does not bear out.
TEST_F(WorkerServerTest, AsksAgainForARoundTripThatIsDoubtful) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Welcome>().empty(); }));
  std::size_t pongs = 0;
  ASSERT_TRUE(eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    pongs += peer.flush();
    return !recorder_.round_trips.empty();
  }));
  EXPECT_EQ(pongs, RoundTripDoubt::kMost + 1) << "and believes it in the end";
  EXPECT_GE(recorder_.round_trips[0], std::chrono::milliseconds(30));
}

TEST_F(WorkerServerTest, RegistersAWorkerThatSaysHello) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Welcome>().empty(); }));
  EXPECT_THAT(recorder_.joined, SizeIs(1));
  EXPECT_EQ(peer.got<proto::Welcome>()[0].manager_id, std::string(32, 'm'));
  ASSERT_THAT(recorder_.hellos, SizeIs(1));
  EXPECT_EQ(recorder_.hellos[0].model_name, "net");
  EXPECT_THAT(recorder_.addresses[0], HasSubstr("127.0.0.1:"));
}

TEST_F(WorkerServerTest, CarriesAJobThereAndItsResultBack) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !recorder_.joined.empty(); }));
  const auto image = std::make_shared<const std::string>(3'000'000, 'x');
  server_->assign(recorder_.joined[0], {JobId{7}, 1, std::chrono::seconds(5), 5, image});
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Assign>().empty(); }));
  EXPECT_EQ(*peer.got<proto::Assign>()[0].image, *image);
  peer.answer(peer.got<proto::Assign>()[0]);
  ASSERT_TRUE(eventually([&] { return !recorder_.messages.empty(); }));
  EXPECT_EQ(recorder_.got<proto::Outcome>()[0].job, JobId{7});
}

// The first PING goes out with WELCOME; results say nothing new of the round trip.
TEST_F(WorkerServerTest, TellsARoundTripOncePerPongAndNotPerResult) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Welcome>().empty(); }));
  // PONGs: one, or some more where this machine is so slow that they are doubted.
  ASSERT_TRUE(eventually([&] { return peer.flush() == 0 && !recorder_.round_trips.empty(); }));
  EXPECT_GT(recorder_.round_trips[0].count(), 0);
  ASSERT_THAT(recorder_.guesses, SizeIs(1)) << "TCP knows it before the first PONG";
  EXPECT_GT(recorder_.guesses[0].count(), 0);
  for (std::uint64_t job = 1; job <= 3; ++job) {
    const auto image = std::make_shared<const std::string>(10, 'x');
    server_->assign(recorder_.joined[0], {JobId{job}, 1, std::chrono::seconds(5), 5, image});
    ASSERT_TRUE(eventually([&] { return peer.got<proto::Assign>().size() == job; }));
    peer.answer(peer.got<proto::Assign>().back());
    ASSERT_TRUE(eventually([&] { return recorder_.got<proto::Outcome>().size() == job; }));
  }
  EXPECT_THAT(recorder_.round_trips, SizeIs(1));
}

TEST_F(WorkerServerTest, KnowsWhatTheKernelSaysOfAWorkersConnection) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Welcome>().empty(); }));
  const WorkerId worker = recorder_.joined[0];
  const LinkLedger& links = server_->links();
  EXPECT_FALSE(links.link(worker)) << "not sampled yet";
  const auto now = std::chrono::steady_clock::now();
  server_->sample_links(now);
  ASSERT_TRUE(links.link(worker));
  EXPECT_GT(links.link(worker)->tcp.rtt->count(), 0);
  ASSERT_TRUE(links.link(worker)->wire);
  EXPECT_EQ(links.link(worker)->wire->traffic.retransmissions, 0u) << "loopback loses nothing";
  EXPECT_EQ(links.all().traffic.retransmissions, 0u);
  peer.vanish();
  ASSERT_TRUE(eventually([&] { return !recorder_.left.empty(); }));
  EXPECT_FALSE(links.link(worker));
  server_->sample_links(now);  // nobody is left to ask about
}

TEST_F(WorkerServerTest, CountsWhatWentToAWorkerAlsoOnceItHasLeft) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Welcome>().empty(); }));
  const auto image = std::make_shared<const std::string>(3'000'000, 'x');
  server_->assign(recorder_.joined[0], {JobId{7}, 1, std::chrono::seconds(5), 5, image});
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Assign>().empty(); }));
  peer.answer(peer.got<proto::Assign>()[0]);
  ASSERT_TRUE(eventually([&] { return !recorder_.messages.empty(); }));
  peer.vanish();
  ASSERT_TRUE(eventually([&] { return !recorder_.left.empty(); }));
  const auto traffic = server_->links().all().traffic;
  EXPECT_GT(traffic.wire_bytes_out, image->size()) << "nobody asked before it left";
  EXPECT_LT(traffic.wire_bytes_out, image->size() * 11 / 10) << "headers are no tenth of it";
  EXPECT_GT(traffic.wire_bytes_in, 0u);
}

TEST_F(WorkerServerTest, AsksAtOnceForAFewWorkersWhoeverWantsToKnow) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Welcome>().empty(); }));
  const auto now = std::chrono::steady_clock::now();
  server_->refresh_links(now);
  const auto before = server_->links().all().traffic.wire_bytes_out;
  EXPECT_GT(before, 0u);
  server_->assign(recorder_.joined[0], {JobId{7}, 1, std::chrono::seconds(5), 5,
                                        std::make_shared<const std::string>(1000, 'x')});
  server_->refresh_links(now);  // at once: too soon
  EXPECT_EQ(server_->links().all().traffic.wire_bytes_out, before);
  server_->refresh_links(now + std::chrono::milliseconds(1));
  EXPECT_GT(server_->links().all().traffic.wire_bytes_out, before);
}

TEST_F(WorkerServerTest, TellsWhenAWorkerVanishes) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !recorder_.joined.empty(); }));
  peer.vanish();
  ASSERT_TRUE(eventually([&] { return !recorder_.left.empty(); }));
  EXPECT_EQ(recorder_.left, recorder_.joined);
  server_->assign(recorder_.left[0], {});  // nothing happens
  EXPECT_THAT(recorder_.left, SizeIs(1));
}

TEST_F(WorkerServerTest, CarriesARefusalInWordsAndKeepsTheOthers) {
  Peer first(io_, server_->port());
  first.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !recorder_.joined.empty(); }));
  recorder_.refuse_next = proto::Refuse{proto::RefuseCode::kModel, true, {}, "another model"};
  Peer second(io_, server_->port());
  second.say_hello(hello("2"));
  ASSERT_TRUE(eventually([&] { return second.disconnected(); }));
  ASSERT_THAT(second.got<proto::Refuse>(), SizeIs(1));
  EXPECT_EQ(second.got<proto::Refuse>()[0].reason, "another model");
  EXPECT_FALSE(first.disconnected());
  EXPECT_THAT(recorder_.left, SizeIs(1));
}

TEST_F(WorkerServerTest, ClosesAStrangerWithoutDisturbingWorkers) {
  Peer worker(io_, server_->port());
  worker.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !recorder_.joined.empty(); }));
  Peer stranger(io_, server_->port());
  stranger.say("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return stranger.disconnected(); }));
  EXPECT_TRUE(recorder_.left.empty());
}

TEST_F(WorkerServerTest, PassesOnADrain) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Welcome>().empty(); }));
  peer.drain();
  EXPECT_TRUE(eventually([&] { return recorder_.got<proto::Drain>().size() == 1; }));
}

TEST_F(WorkerServerTest, SaysByeAndCloses) {
  Peer peer(io_, server_->port());
  peer.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !peer.got<proto::Welcome>().empty(); }));
  server_->bye(recorder_.joined[0], "the manager is shutting down");
  ASSERT_TRUE(eventually([&] { return peer.disconnected(); }));
  ASSERT_THAT(peer.got<proto::Bye>(), SizeIs(1));
  EXPECT_THAT(peer.got<proto::Bye>()[0].reason, HasSubstr("shutting down"));
  EXPECT_EQ(recorder_.left, recorder_.joined);
}

TEST_F(WorkerServerTest, ClosesThoseWhoWaitWhenItStopsAccepting) {
  Peer peer(io_, server_->port());
  Peer worker(io_, server_->port());  // accepted after the first
  worker.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !recorder_.joined.empty(); }));
  server_->stop_accepting("the manager is shutting down");
  EXPECT_TRUE(eventually([&] { return peer.disconnected(); }));
}

TEST_F(WorkerServerTest, NamesAPortInUseAndTheFlagToChangeIt) {
  WorkerServerOptions options;
  options.port = server_->port();
  WorkerServer second(io_, options, recorder_);
  const Status status = second.start();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("--worker-port"));
  EXPECT_THAT(status.message(), HasSubstr(std::to_string(server_->port())));
}

// ---- lanes ------------------------------------------------------------------------------------

TEST_F(WorkerServerTest, ALaneThatNobodyWaitsForIsRefused) {
  Peer worker(io_, server_->port());
  worker.say_hello(hello("1"));
  ASSERT_TRUE(eventually([&] { return !worker.got<proto::Welcome>().empty(); }));
  Peer lane(io_, server_->port());
  lane.say(proto::encode(proto::Lane{0, std::string(32, 'k')}).head);
  ASSERT_TRUE(eventually([&] { return lane.disconnected(); }));
  EXPECT_THAT(recorder_.joined, SizeIs(1)) << "and is no worker";
  EXPECT_THAT(recorder_.left, SizeIs(0));
}

// Whose lanes come when this test says so.
class LanesOfAWorker : public ::testing::Test {
 protected:
  static constexpr unsigned kLanes = 2;

  LanesOfAWorker() : acceptor_(io_, {asio::ip::address_v4::loopback(), 0}) {}

  std::shared_ptr<net::Stream> open(std::vector<tcp::socket>& far) {
    far.emplace_back(io_).connect(acceptor_.local_endpoint());
    return std::make_shared<net::Stream>(acceptor_.accept(), nullptr);
  }

  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::vector<tcp::socket> far_;
  const WorkerLanes::TimePoint start_ = WorkerLanes::TimePoint(std::chrono::hours(1));
};

TEST_F(LanesOfAWorker, AreAskedForOnce) {
  WorkerLanes lanes(kLanes, {});
  EXPECT_EQ(lanes.key(), "");
  const auto asked = lanes.ask(start_);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->count, kLanes);
  EXPECT_EQ(asked->key, lanes.key());
  EXPECT_THAT(asked->key, SizeIs(32));
  EXPECT_FALSE(lanes.ask(start_));
  EXPECT_NE(WorkerLanes(kLanes, {}).ask(start_)->key, asked->key);
  EXPECT_FALSE(WorkerLanes(0, {}).ask(start_)) << "or never";
}

TEST_F(LanesOfAWorker, AreUsedWhenAllAreThere) {
  WorkerLanes lanes(kLanes, {});
  ASSERT_TRUE(lanes.ask(start_));
  EXPECT_FALSE(lanes.add(1, open(far_)));
  EXPECT_FALSE(lanes.add(1, open(far_))) << "the first one broke";
  EXPECT_FALSE(lanes.add(kLanes, open(far_))) << "nobody asked for so many";
  EXPECT_EQ(lanes.sender(), nullptr);
  EXPECT_EQ(lanes.missing(), 1u);
  EXPECT_EQ(lanes.follow({}).connections, 1u) << "they do not count yet";
  EXPECT_TRUE(lanes.add(0, open(far_)));
  EXPECT_NE(lanes.sender(), nullptr);
  EXPECT_FALSE(lanes.add(0, open(far_))) << "one more is of no use";
  std::array<char, 1> byte{};
  boost::system::error_code error;
  far_.back().read_some(asio::buffer(byte), error);
  EXPECT_EQ(error, asio::error::eof) << "and is closed without a word";
  net::TcpFigures own;
  own.counters.emplace();
  const auto figures = lanes.follow(own);
  EXPECT_EQ(figures.connections, 1 + kLanes);
  EXPECT_GT(figures.congestion_window_bytes.value_or(0), 0u);
  EXPECT_FALSE(lanes.on_time(start_ + std::chrono::hours(1)));
  EXPECT_NE(lanes.sender(), nullptr) << "they stay";
  EXPECT_FALSE(lanes.ask(start_ + std::chrono::hours(1))) << "and are enough";
}

TEST_F(LanesOfAWorker, AreGivenUpWhereOneDoesNotComeAndAskedForAgain) {
  WorkerLanes lanes(kLanes, {});
  const auto first = lanes.ask(start_);
  ASSERT_TRUE(first);
  EXPECT_FALSE(lanes.add(0, open(far_)));
  EXPECT_FALSE(lanes.on_time(start_ + std::chrono::seconds(9)));
  EXPECT_NE(lanes.key(), "");
  EXPECT_TRUE(lanes.on_time(start_ + std::chrono::seconds(10)));
  EXPECT_EQ(lanes.key(), "");
  std::array<char, 1> byte{};
  boost::system::error_code error;
  far_[0].read_some(asio::buffer(byte), error);
  EXPECT_EQ(error, asio::error::eof) << "what came is closed";
  EXPECT_EQ(lanes.follow({}).connections, 1u);
  EXPECT_EQ(lanes.missing(), 0u) << "none is waited for";
  EXPECT_FALSE(lanes.on_time(start_ + std::chrono::seconds(11))) << "once";

  EXPECT_FALSE(lanes.ask(start_ + std::chrono::seconds(29)));
  const auto second = lanes.ask(start_ + std::chrono::seconds(30));
  ASSERT_TRUE(second);
  EXPECT_NE(second->key, first->key);
  EXPECT_FALSE(lanes.on_time(start_ + std::chrono::seconds(39))) << "with as much time";
  EXPECT_FALSE(lanes.add(0, open(far_)));
  EXPECT_TRUE(lanes.add(1, open(far_)));
}

}  // namespace
}  // namespace imgrec::manager
