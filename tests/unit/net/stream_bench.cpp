// Loopback throughput of frames of 1 MB, as a manager sends them to a worker: by a bare Asio socket
// (how it was before Stream), by a plain Stream, and by one with TLS. Prints a line for each round.
// Usage: stream_bench CERTIFICATES [ROUNDS]   (CERTIFICATES: of tests/support/make_certificates.sh)
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>

#include "net/stream.h"
#include "net/tcp_tuner.h"

namespace {

namespace asio = boost::asio;
using namespace imgrec::net;
using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr std::size_t kFrameBytes = 1'000'000;
constexpr int kFrames = 2000;

// Writes frames one after the other by `write_one(buffers, then)`.
template <class WriteOne>
void send_frames(int left, const std::string& head, const std::string& body, WriteOne write_one) {
  if (left == 0) return;
  write_one({asio::buffer(head), asio::buffer(body)},
            [=, &head, &body](const ErrorCode& error, std::size_t) {
              if (!error) send_frames(left - 1, head, body, write_one);
            });
}

// Reads all of it on a thread of its own; returns when everything has come.
std::thread reader(const std::shared_ptr<Stream>& stream, asio::io_context& io) {
  return std::thread([stream, &io] {
    std::vector<char> buffer(256 * 1024);
    std::size_t left = (kFrameBytes + 28) * kFrames;
    std::function<void()> more = [&] {
      stream->read_some(asio::buffer(buffer), [&](const ErrorCode& error, std::size_t bytes) {
        left -= bytes;
        if (!error && left > 0) more();
      });
    };
    stream->handshake("localhost", [&](const imgrec::Status& status) {
      if (status.ok()) more();
    });
    io.run();
    if (left != 0) std::abort();
  });
}

double gigabytes_per_s(const std::string& kind, const std::string& folder) {
  const auto tls = [&](TlsContext::Role role, const TlsFiles& files) {
    return kind == "tls" ? *TlsContext::load(role, files) : nullptr;
  };
  asio::io_context io, workers_io;
  Tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  Tcp::socket client(workers_io);
  client.connect(acceptor.local_endpoint());
  TcpTuner().begin(client.native_handle());
  auto worker = std::make_shared<Stream>(
      std::move(client), tls(TlsContext::Role::kWorker, {{}, {}, folder + "/ca.pem"}));
  const std::string head(28, 'h'), body(kFrameBytes, 'b');
  std::thread thread = reader(worker, workers_io);
  const auto began = std::chrono::steady_clock::now();
  Tcp::socket bare = acceptor.accept(io);
  TcpTuner().begin(bare.native_handle());
  std::shared_ptr<Stream> stream;
  if (kind == "bare") {
    send_frames(kFrames, head, body, [&](std::vector<asio::const_buffer> buffers, auto then) {
      const auto chunk = [](const ErrorCode& error, std::size_t) -> std::size_t {
        return error ? 0 : 1 << 20;
      };
      asio::async_write(bare, buffers, chunk, then);
    });
  } else {
    stream = std::make_shared<Stream>(
        std::move(bare),
        tls(TlsContext::Role::kManager, {folder + "/manager.pem", folder + "/manager.key", {}}));
    stream->handshake("", [&](const imgrec::Status& status) {
      if (!status.ok()) std::abort();
      send_frames(kFrames, head, body, [&](std::vector<asio::const_buffer> buffers, auto then) {
        stream->write(buffers, then);
      });
    });
  }
  io.run();
  thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  return static_cast<double>((kFrameBytes + 28) * kFrames) / took.count() / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CERTIFICATES [ROUNDS]\n", argv[0]);
    return 2;
  }
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  for (int round = 1; round <= rounds; ++round) {
    for (const char* kind : {"bare", "plain", "tls"}) {
      std::printf("round %d %-5s %.2f GB/s\n", round, kind, gigabytes_per_s(kind, argv[1]));
      std::fflush(stdout);
    }
  }
  return 0;
}
