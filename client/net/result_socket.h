// One WebSocket connection over which results come.
//
// Thread rule: confined to the thread of its io_context.
// Owns: its connection; lives until that ends.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>

#include "client/core/classify_core.h"
#include "client/net/server_stream.h"

namespace imgrec::client {

// Connects and listens. Whatever comes is an event of the core; SocketLost is the last one.
// A connection that is silent, pings included, for access->patience is lost.
void open_result_socket(boost::asio::io_context& io, std::shared_ptr<const ServerAccess> access,
                        std::optional<std::uint64_t> after, std::function<void(Event)> on_event);

}  // namespace imgrec::client
