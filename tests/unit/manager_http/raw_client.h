// A TCP client that says exactly what a test wants said, and a few measurements of this process.
//
// Thread rule: confined to one thread.
// Owns: its socket.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "common/unique_fd.h"
#include "manager/http/http_text.h"

namespace imgrec::manager {

class RawClient {
 public:
  // `receive_buffer`: bytes, 0 for the system's choice.
  explicit RawClient(std::uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) {
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }
  void close() { fd_.reset(-1); }
  int fd() const { return fd_.get(); }

  // False: the server does not take it any more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  struct Answer {
    int status = 0;  // 0: the connection ended instead
    std::string head;
    std::string body;

    std::string header(std::string_view name) const {
      std::string_view rest = head;
      while (!rest.empty()) {
        const auto line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(line.size() + 2);
        const auto colon = line.find(':');
        if (colon != std::string_view::npos && equals_ignoring_case(line.substr(0, colon), name)) {
          return std::string(trim(line.substr(colon + 1)));
        }
      }
      return {};
    }
  };

  // The next answer; of a HEAD request, its head alone.
  Answer read_answer(bool head_only = false) {
    Answer answer;
    const auto end = fill_until("\r\n\r\n");
    if (end == std::string::npos) return answer;
    answer.head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9, 3));
    const std::string length = answer.header("content-length");
    if (head_only || length.empty()) return answer;
    const std::size_t bytes = std::stoul(length);
    while (buffer_.size() < bytes && fill()) {
    }
    answer.body = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return answer;
  }

  // Everything up to the end of the connection.
  std::string read_to_end() {
    while (fill()) {
    }
    return std::move(buffer_);
  }

  // Did nothing come for that long?
  bool silent_for(std::chrono::milliseconds time) {
    pollfd poll_fd{fd_.get(), POLLIN, 0};
    return buffer_.empty() && ::poll(&poll_fd, 1, static_cast<int>(time.count())) == 0;
  }

 private:
  bool fill() {
    pollfd poll_fd{fd_.get(), POLLIN, 0};
    if (::poll(&poll_fd, 1, 20'000) != 1) {
      ADD_FAILURE() << "the server said nothing for 20 s";
      return false;
    }
    char bytes[64 * 1024];
    const ssize_t count = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  std::size_t fill_until(std::string_view mark) {
    std::size_t at = 0;
    while ((at = buffer_.find(mark)) == std::string::npos && fill()) {
    }
    return at;
  }

  UniqueFd fd_;
  bool connected_ = false;
  std::string buffer_;
};

inline std::chrono::nanoseconds process_cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

inline std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

}  // namespace imgrec::manager
