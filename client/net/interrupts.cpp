#include "client/net/interrupts.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include <boost/asio/buffer.hpp>
#include <sys/eventfd.h>
#include <unistd.h>

namespace imgrec::client {
namespace {

constexpr int kInterruptedCode = 130;

std::atomic<int> wake_descriptor{-1};
std::atomic<bool> interrupted{false};

void on_signal(int) {
  if (interrupted.exchange(true)) ::_exit(kInterruptedCode);
  const std::uint64_t one = 1;
  // It cannot be full, and where it fails the second signal ends the process.
  if (::write(wake_descriptor, &one, sizeof one) < 0) interrupted = true;
}

void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupts::Interrupts(boost::asio::io_context& io, std::function<void()> on_interrupt)
    : wake_(io) {
  const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) std::abort();  // no descriptors at the start of a program
  wake_.assign(descriptor);
  wake_descriptor = descriptor;
  wake_.async_read_some(
      boost::asio::buffer(&count_, sizeof count_),
      [on_interrupt = std::move(on_interrupt)](boost::system::error_code ec, std::size_t) {
        if (!ec) on_interrupt();
      });
  set_handler(SIGINT, on_signal);
  set_handler(SIGTERM, on_signal);
}

Interrupts::~Interrupts() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  wake_descriptor = -1;
}

}  // namespace imgrec::client
