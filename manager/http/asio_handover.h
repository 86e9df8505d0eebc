// Sockets that have left Pistache: WebSocket upgrades, and responses that a reactor thread must not
// wait for. Pistache retries a full socket in a busy loop; Asio sleeps until there is room.
//
// Thread rule: the functions from any thread; the work is done on the io_context.
// Owns: the descriptor from the call on; it is closed even where the io_context never runs again.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "common/unique_fd.h"
#include "manager/http/http_server.h"

namespace imgrec::manager {

struct HandoverLimits {
  std::chrono::milliseconds stall{60'000};     // without a byte taken by the reader
  std::size_t min_rate = 1024;                 // bytes/s that it must keep up after `stall`
  std::chrono::milliseconds lingering{5'000};  // for the reader to close, after the last byte
};

// Sends `head`, then `body` (null: nothing), half-closes, waits for
// the reader to close, closes. `place` is held until then.
void send_and_close(boost::asio::io_context& io, UniqueFd socket, std::string head,
                    std::shared_ptr<const std::string> body, HandoverLimits limits = {},
                    Place place = {});

// Calls `handler` on the io_context with the socket as Asio's.
void hand_over_upgrade(boost::asio::io_context& io, UniqueFd socket, HttpRequest request,
                       std::string raw_head, Place place,
                       const HttpServer::UpgradeHandler& handler);

}  // namespace imgrec::manager
