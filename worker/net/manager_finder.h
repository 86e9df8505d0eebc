// Finds the managers: the shell around ManagerDirectory. It asks the system's resolver, keeps the
// time, logs, and tells its listener which links to have.
//
// Thread rule: the io_context's one thread. (The resolver's own thread cannot be interrupted:
// looking_up() says whether one is inside it.)
// Owns: the directory, the resolver, a timer. Borrows the listener, which outlives it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/logging.h"
#include "worker/core/manager_directory.h"

namespace imgrec::worker {

class ManagerFinder {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void open_link(LinkId link, const ManagerAddress& to) = 0;
    virtual void close_link(LinkId link) = 0;
    virtual void park_link(LinkId link) = 0;
    virtual void wake_link(LinkId link) = 0;
  };

  ManagerFinder(boost::asio::io_context& io, const std::vector<ManagerEndpoint>& managers,
                ManagerDirectoryOptions options, Listener& listener);

  void start();
  // Nothing is looked up or told any more.
  void stop();

  void on_registered(LinkId link, const std::string& manager_id);
  void on_lost(LinkId link);

  std::vector<ManagerDirectory::Known> links() const { return directory_.links(); }
  bool complete() const { return directory_.complete(); }
  bool looking_up() const { return lookups_ > 0; }

 private:
  using Resolver = boost::asio::ip::tcp::resolver;

  void apply(const ManagerDirectory::Event& event);
  void carry_out(const ManagerDirectory::LookUp& action);
  void carry_out(const ManagerDirectory::OpenLink& action);
  void carry_out(const ManagerDirectory::CloseLink& action);
  void carry_out(const ManagerDirectory::ParkLink& action);
  void carry_out(const ManagerDirectory::WakeLink& action);
  void carry_out(const ManagerDirectory::TooMany& action);
  void on_resolved(const ManagerDirectory::LookUp& asked, const boost::system::error_code& error,
                   const Resolver::results_type& results);
  std::string text(LinkId link) const;
  void arm_timer();

  ManagerDirectory directory_;
  Listener& listener_;
  Resolver resolver_;
  boost::asio::steady_timer timer_;
  std::map<LinkId, ManagerAddress> addresses_;  // of the links, for the log
  LogLimiter failures_;
  LogLimiter overflows_;
  unsigned lookups_ = 0;
  bool stopped_ = false;
};

}  // namespace imgrec::worker
