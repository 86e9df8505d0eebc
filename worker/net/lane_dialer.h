// Opens the lanes that a manager asks for (proto/PROTOCOL.md, Lanes): connections to its address,
// each with TLS where that is spoken, on which LANE was said.
//
// Where the way loses packets a lost SYN costs a second, and would be taken for a round trip of
// one: a lane that is not connected soon is tried again. So is one on which a handshake or LANE
// itself gets lost again and again, where TCP waits twice as long each time, and one that ends
// before all are in use. Of several on which LANE was said for one lane the manager takes any, and
// closes the others.
//
// Thread rule: confined to its io_context's one thread.
// Owns: the lanes until take(). Held by shared_ptr; pending operations hold it too, until stop() or
// take(), or its time is over.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/stream.h"
#include "net/tcp_tuner.h"
#include "proto/messages.h"

namespace imgrec::worker {

struct LaneDialerOptions {
  boost::asio::ip::tcp::endpoint manager;
  std::shared_ptr<const net::TlsContext> tls;  // null: plain TCP
  std::string tls_server_name;
  net::SocketTuning tuning;
  std::chrono::milliseconds connect_patience{300};  // then another try, which has more
  // For TLS and LANE's acknowledgement, in each of these steps.
  std::chrono::milliseconds word_patience{2'000};
  std::chrono::milliseconds give_up_after{15'000};  // the manager does so after 10 s
};

class LaneDialer : public std::enable_shared_from_this<LaneDialer> {
 public:
  LaneDialer(boost::asio::any_io_executor executor, LaneDialerOptions options, proto::Lanes lanes);

  void start();
  // Closes all that it has.
  void stop();

  // LANE was said on all of them, and none has ended since.
  bool complete() const;
  // How many there are to be.
  std::size_t count() const { return lanes_.size(); }
  // All on which LANE was said, so many at least. REQUIRES: complete().
  std::vector<std::shared_ptr<net::Stream>> take();

 private:
  enum class Step { kWaiting, kConnecting, kSecuring, kSaid };
  struct Lane {
    std::shared_ptr<net::Stream> stream;
    std::vector<std::shared_ptr<net::Stream>> earlier;  // LANE was said, and not acknowledged
    std::string greeting;                               // LANE, as bytes
    Step step = Step::kWaiting;
    unsigned tries = 0;
    boost::asio::steady_timer timer;
  };
  using Stream = std::shared_ptr<net::Stream>;

  void connect(std::size_t lane);
  // It connects anew if it has not come further by then.
  void hurry(std::size_t lane, std::chrono::milliseconds patience);
  bool said_and_heard(std::size_t lane) const;
  void secure(std::size_t lane);
  void introduce(std::size_t lane);
  void watch(std::size_t lane);
  void try_later(std::size_t lane, const std::string& why);
  // Handlers of a try that was overtaken by its successor return quietly.
  bool current(std::size_t lane, const Stream& stream) const;

  const boost::asio::any_io_executor executor_;
  const LaneDialerOptions options_;
  std::vector<Lane> lanes_;
  boost::asio::steady_timer end_;
  bool stopped_ = false;
};

}  // namespace imgrec::worker
