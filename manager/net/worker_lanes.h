// The lanes of one worker's connection (proto/PROTOCOL.md, Lanes): whether to ask for them, those
// that have come, and what all of them together carry.
//
// Thread rule: confined to the io_context's one thread. Owns: the lanes' streams.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/lane_sender.h"
#include "net/stream.h"
#include "net/tcp_figures.h"
#include "net/tcp_tuner.h"
#include "proto/messages.h"

namespace imgrec::manager {

class WorkerLanes {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // `count`: how many to ask for; 0: none, ever.
  WorkerLanes(unsigned count, net::SocketTuning tuning);

  // The way needs lanes. Returns what to ask for, unless that is being done or has been; after
  // lanes that did not come, another time.
  std::optional<proto::Lanes> ask(TimePoint now);
  // Of those that were asked for, and came or may come; empty: none was, or none may any more.
  const std::string& key() const { return key_; }
  // How many are still to come.
  std::size_t missing() const;
  // One has come; it takes the place of another of its index. True: it was the last, and they can
  // be sent over. REQUIRES: key() is not empty. Closed without a word: an index that was not asked
  // for, and what comes after all were there.
  bool add(std::size_t index, std::shared_ptr<net::Stream> lane);
  // Lanes that have not all come in time are given up: true.
  bool on_time(TimePoint now);

  // To send over; null while they are not all there.
  net::LaneSender* sender() { return sender_.get(); }

  // Looks after their TCP as after the connection's own. Returns `own` and, once they are sent
  // over, all lanes: counters and windows added up, round trips of the lane that has the shortest.
  net::TcpFigures follow(net::TcpFigures own);

  void close();

 private:
  struct Lane {
    std::shared_ptr<net::Stream> stream;  // null: not there yet
    net::TcpTuner tuner;
    std::optional<net::TcpFigures> figures{};  // as read last
  };

  const unsigned count_;
  const net::SocketTuning tuning_;
  TimePoint not_before_ = TimePoint::min();
  TimePoint given_up_at_;
  std::string key_;
  std::vector<Lane> lanes_;  // by index
  std::shared_ptr<net::LaneSender> sender_;
};

}  // namespace imgrec::manager
