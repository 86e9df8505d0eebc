// Opens the lanes that a manager asks for (proto/PROTOCOL.md, Lanes): connections to its address,
// each with TLS where that is spoken, on which LANE was said.
//
// Where the way loses packets a lost SYN costs a second, and would be taken for a round trip of
// one: a lane that is not connected soon is tried again.
//
// Thread rule: confined to its io_context's one thread.
// Owns: the lanes until take(). Held by shared_ptr; pending operations hold it too.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
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
  std::chrono::milliseconds connect_patience{300};  // then another try
};

class LaneDialer : public std::enable_shared_from_this<LaneDialer> {
 public:
  LaneDialer(boost::asio::any_io_executor executor, LaneDialerOptions options, proto::Lanes lanes);

  void start();
  // What failed is tried again a few times, and then left: the manager gives up what it waits for.
  void stop();

  // LANE was said on all of them.
  bool complete() const { return done_ == lanes_.size(); }
  // REQUIRES: complete().
  std::vector<std::shared_ptr<net::Stream>> take();

 private:
  struct Lane {
    std::shared_ptr<net::Stream> stream;
    unsigned tries = 0;
    boost::asio::steady_timer timer;
  };

  void connect(std::size_t lane);
  void secure(std::size_t lane);
  void introduce(std::size_t lane);
  void failed(std::size_t lane, const std::string& what);

  const boost::asio::any_io_executor executor_;
  const LaneDialerOptions options_;
  const std::string greeting_;  // LANE, as bytes
  std::vector<Lane> lanes_;
  std::size_t done_ = 0;
  bool stopped_ = false;
};

}  // namespace imgrec::worker
