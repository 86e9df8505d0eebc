// Streams over loopback, plain and TLS, with certificates that this test makes for itself.
#include "net/stream.h"

#include <array>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/manager_net/run_until.h"
#include "tests/unit/net/certificates.h"

namespace imgrec::net {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Role = TlsContext::Role;
using imgrec::testing::Certificates;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class StreamTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { certificates_ = new Certificates(IMGREC_SOURCE_DIR); }
  static void TearDownTestSuite() { delete certificates_; }

  std::shared_ptr<const TlsContext> context(Role role, const std::string& ours,
                                            const std::string& authority) {
    auto loaded = TlsContext::load(role, certificates_->files(ours, authority));
    EXPECT_TRUE(loaded.ok()) << loaded.status().to_string();
    return loaded.ok() ? *loaded : nullptr;
  }

  // Two streams that are connected; null contexts make them plain.
  void connect(std::shared_ptr<const TlsContext> manager,
               std::shared_ptr<const TlsContext> worker) {
    Tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    Tcp::socket client(io_);
    client.connect(acceptor.local_endpoint());
    manager_ = std::make_shared<Stream>(acceptor.accept(), std::move(manager));
    worker_ = std::make_shared<Stream>(std::move(client), std::move(worker));
  }

  // Both handshakes; what each said.
  void shake_hands(const std::string& name = "localhost") {
    manager_->handshake("", [this](const Status& status) { manager_said_ = status; });
    worker_->handshake(name, [this](const Status& status) { worker_said_ = status; });
    ASSERT_TRUE(eventually([this] { return manager_said_ && worker_said_; }));
  }

  // What reading at one end gives: bytes, or the error in words.
  std::string read(Stream& stream, std::string_view peer) {
    std::optional<std::string> got;
    stream.read_some(asio::buffer(buffer_), [&](const ErrorCode& error, std::size_t bytes) {
      got = error ? stream.explain(error, peer) : std::string(buffer_.data(), bytes);
    });
    EXPECT_TRUE(eventually([&] { return got.has_value(); }));
    return got.value_or("");
  }

  template <class Condition>
  bool eventually(Condition condition) {
    return imgrec::testing::run_until(io_, condition);
  }

  static Certificates* certificates_;
  asio::io_context io_;
  std::shared_ptr<Stream> manager_, worker_;
  std::optional<Status> manager_said_, worker_said_;
  std::array<char, 4096> buffer_{};
};

Certificates* StreamTest::certificates_ = nullptr;

TEST_F(StreamTest, PlainIsReadyAtOnce) {
  connect(nullptr, nullptr);
  bool ready = false;
  manager_->handshake("", [&](const Status& status) { ready = status.ok(); });
  EXPECT_TRUE(ready);
  EXPECT_FALSE(manager_->encrypted());
}

// Both kinds carry what is written, gathered, whole and in order.
class StreamKinds : public StreamTest, public ::testing::WithParamInterface<bool> {};

TEST_P(StreamKinds, CarryLargeGatheredWrites) {
  const bool tls = GetParam();
  connect(tls ? context(Role::kManager, "manager", "") : nullptr,
          tls ? context(Role::kWorker, "", "ca") : nullptr);
  shake_hands();
  ASSERT_TRUE(manager_said_->ok()) << manager_said_->to_string();
  ASSERT_TRUE(worker_said_->ok()) << worker_said_->to_string();
  EXPECT_EQ(worker_->encrypted(), tls);
  const std::string head = "head", body(3'000'000, 'b'), tail = "tail";
  bool written = false;
  manager_->write({asio::buffer(head), asio::buffer(body), asio::buffer(tail)},
                  [&](const ErrorCode& error, std::size_t bytes) {
                    EXPECT_FALSE(error);
                    EXPECT_EQ(bytes, head.size() + body.size() + tail.size());
                    written = true;
                  });
  std::string got;
  std::function<void()> more = [&] {
    worker_->read_some(asio::buffer(buffer_), [&](const ErrorCode& error, std::size_t bytes) {
      if (error) return;
      got.append(buffer_.data(), bytes);
      more();
    });
  };
  more();
  ASSERT_TRUE(eventually([&] { return written && got.size() == head.size() + body.size() + 4; }));
  EXPECT_EQ(got, head + body + tail);
  worker_->close();
  EXPECT_FALSE(read(*manager_, "the worker").empty()) << "an end, in words";
}

TEST_P(StreamKinds, TellAnEndInWords) {
  const bool tls = GetParam();
  connect(tls ? context(Role::kManager, "manager", "") : nullptr,
          tls ? context(Role::kWorker, "", "ca") : nullptr);
  shake_hands();
  manager_->shut_down_sending();
  EXPECT_EQ(read(*worker_, "the manager"), "the manager closed the connection");
}

TEST_P(StreamKinds, MayBeClosedAndForgottenWithOperationsUnderWay) {
  const bool tls = GetParam();
  connect(tls ? context(Role::kManager, "manager", "") : nullptr,
          tls ? context(Role::kWorker, "", "ca") : nullptr);
  shake_hands();
  int ended = 0;
  const auto count = [&](const ErrorCode& error, std::size_t) { ended += error ? 1 : 0; };
  const std::string much(20'000'000, 'x');  // more than the sockets take: nobody reads
  manager_->write({asio::buffer(much)}, count);
  manager_->read_some(asio::buffer(buffer_), count);
  for (int turn = 0; turn < 20; ++turn) io_.poll_one();
  manager_->close();
  manager_.reset();
  EXPECT_TRUE(eventually([&] { return ended == 2; }));
}

INSTANTIATE_TEST_SUITE_P(Plain, StreamKinds, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, StreamKinds, ::testing::Values(true));

TEST_F(StreamTest, SpeaksTls13WithCertificatesOnBothSides) {
  connect(context(Role::kManager, "manager", "ca"), context(Role::kWorker, "worker", "ca"));
  shake_hands();
  EXPECT_TRUE(manager_said_->ok()) << manager_said_->to_string();
  EXPECT_TRUE(worker_said_->ok()) << worker_said_->to_string();
}

TEST_F(StreamTest, TakesTheManagersAddressForItsName) {
  connect(context(Role::kManager, "manager", ""), context(Role::kWorker, "", "ca"));
  shake_hands("127.0.0.1");
  EXPECT_TRUE(worker_said_->ok()) << worker_said_->to_string();
}

TEST_F(StreamTest, RefusesAManagerOfAnotherAuthority) {
  connect(context(Role::kManager, "manager", ""), context(Role::kWorker, "", "other-ca"));
  shake_hands();
  EXPECT_THAT(worker_said_->message(), HasSubstr("certificate of the manager is not accepted"));
  EXPECT_THAT(worker_said_->message(),
              AnyOf(HasSubstr("unable to get local issuer"), HasSubstr("self-signed")));
  EXPECT_THAT(manager_said_->message(), HasSubstr("the worker does not accept our certificate"));
}

TEST_F(StreamTest, RefusesAManagerOfAnotherName) {
  for (const char* name : {"elsewhere.example", "10.1.2.3", "ocalhost"}) {
    manager_said_.reset();
    worker_said_.reset();
    connect(context(Role::kManager, "manager", ""), context(Role::kWorker, "", "ca"));
    shake_hands(name);
    EXPECT_THAT(worker_said_->message(),
                AnyOf(HasSubstr("hostname mismatch"), HasSubstr("IP address mismatch")))
        << name;
  }
}

TEST_F(StreamTest, RefusesAnExpiredManager) {
  connect(context(Role::kManager, "expired", ""), context(Role::kWorker, "", "ca"));
  shake_hands();
  EXPECT_THAT(worker_said_->message(), HasSubstr("certificate has expired"));
}

TEST_F(StreamTest, RefusesAWorkersCertificateAtTheManagersPlace) {
  // Whoever has a worker's key must not be able to pose as the manager.
  connect(context(Role::kManager, "worker", ""), context(Role::kWorker, "", "ca"));
  shake_hands("localhost");
  EXPECT_FALSE(worker_said_->ok());
}

TEST_F(StreamTest, RequiresACertificateOfTheWorkerWhereConfigured) {
  connect(context(Role::kManager, "manager", "ca"), context(Role::kWorker, "", "ca"));
  shake_hands();
  EXPECT_THAT(manager_said_->message(), HasSubstr("set worker.tls-cert"));
  // In TLS 1.3 a worker learns this only after its own side of the handshake.
  EXPECT_THAT(read(*worker_, "the manager"), HasSubstr("set worker.tls-cert"));
}

TEST_F(StreamTest, RefusesAWorkerOfAnotherAuthorityOrExpired) {
  for (const char* certificate : {"other-worker", "expired-worker"}) {
    manager_said_.reset();
    worker_said_.reset();
    connect(context(Role::kManager, "manager", "ca"), context(Role::kWorker, certificate, "ca"));
    shake_hands();
    EXPECT_THAT(manager_said_->message(), HasSubstr("certificate of the worker is not accepted"));
    EXPECT_THAT(read(*worker_, "the manager"), HasSubstr("does not accept our certificate"));
  }
}

TEST_F(StreamTest, TellsAPlainWorkerApartAndMayAnswerItInTheClear) {
  connect(context(Role::kManager, "manager", ""), nullptr);
  asio::write(worker_->socket(), asio::buffer("IMGR\x01", 5));
  shake_hands();
  EXPECT_THAT(manager_said_->message(), HasSubstr("does not speak TLS"));
  EXPECT_FALSE(manager_->encrypted());
  EXPECT_EQ(read(*manager_, "the worker").substr(0, 4), "IMGR");
}

TEST_F(StreamTest, TellsAPlainManagerApart) {
  connect(nullptr, context(Role::kWorker, "", "ca"));
  asio::write(manager_->socket(), asio::buffer("IMGR\x01\x03 and what a REFUSE has", 28));
  manager_said_ = Status();
  worker_->handshake("localhost", [this](const Status& status) { worker_said_ = status; });
  ASSERT_TRUE(eventually([this] { return worker_said_.has_value(); }));
  EXPECT_THAT(worker_said_->message(), HasSubstr("the manager does not speak TLS"));
}

TEST_F(StreamTest, AHandshakeThatStallsEndsWhenClosed) {
  // One that never says a byte, and one that stops after its first.
  for (const std::string& said : {std::string(), std::string("\x16\x03\x01")}) {
    connect(context(Role::kManager, "manager", ""), nullptr);
    asio::write(worker_->socket(), asio::buffer(said));
    manager_said_.reset();
    manager_->handshake("", [this](const Status& status) { manager_said_ = status; });
    for (int turn = 0; turn < 20; ++turn) io_.poll_one();
    EXPECT_FALSE(manager_said_) << "it waits";
    manager_->close();
    EXPECT_TRUE(eventually([this] { return manager_said_.has_value(); }));
    EXPECT_FALSE(manager_said_->ok());
  }
}

TEST_F(StreamTest, FilesThatCannotBeUsedAreNamed) {
  const auto load = [&](Role role, const TlsFiles& files) {
    return TlsContext::load(role, files).status().message();
  };
  TlsFiles files = certificates_->files("manager", "ca");
  files.key = certificates_->file("worker.key");
  EXPECT_THAT(load(Role::kManager, files), HasSubstr("worker.key"));
  files = certificates_->files("manager", "ca");
  files.certificate = certificates_->file("nothing.pem");
  EXPECT_THAT(load(Role::kManager, files), HasSubstr("nothing.pem"));
  files = certificates_->files("", "ca");
  files.authorities = certificates_->file("manager.key");
  EXPECT_THAT(load(Role::kWorker, files), HasSubstr("manager.key"));
  EXPECT_THAT(load(Role::kManager, {}), HasSubstr("needs a certificate"));
}

}  // namespace
}  // namespace imgrec::net
