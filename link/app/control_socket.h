// The Unix socket over which a running imgrec-link is asked and told: a line in, a line of JSON
// out, the connection is closed. Only the user that runs it may connect.
//
// Thread rule: one thread, that of the emulator, which calls work() when fd() is readable. A peer
// that writes slowly or reads nothing holds up no packet; there may be 16, the oldest goes for a
// further one. Owns: the sockets, and the file of the listening one, which it removes.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/unique_fd.h"
#include "proto/status.h"

namespace imgrec::link {

class ControlSocket {
 public:
  using Answer = std::function<std::string(std::string_view command)>;  // one line, without its end

  static Result<std::unique_ptr<ControlSocket>> open(const std::string& path, Answer answer);
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  int fd() const { return poll_.get(); }
  void work();

 private:
  struct Connection {
    UniqueFd fd;
    std::string in;
    std::string out;
    std::size_t sent = 0;
  };

  ControlSocket(std::string path, UniqueFd poll, UniqueFd listener, Answer answer);
  void accept_all();
  bool serve(Connection& connection);  // false: it is over
  bool receive(Connection& connection);

  std::string path_;
  UniqueFd poll_;
  UniqueFd listener_;
  Answer answer_;
  std::deque<Connection> connections_;
};

// The other side: sends the command and gives the answer. Waits 5 s at most.
Result<std::string> ask(const std::string& path, std::string_view command);

}  // namespace imgrec::link
