// Ctrl-C and SIGTERM: the first one is told, a second one ends the process at once, even where it
// hangs on its output.
//
// Thread rule: one for a process, on the main thread; told on the io_context's.
// Owns: the handlers of SIGINT and SIGTERM, and a descriptor.
#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace imgrec::client {

class Interrupts {
 public:
  Interrupts(boost::asio::io_context& io, std::function<void()> on_interrupt);
  ~Interrupts();

 private:
  boost::asio::posix::stream_descriptor wake_;
  std::uint64_t count_ = 0;
};

}  // namespace imgrec::client
