// Requests that wait until their images are settled (`?wait=SECONDS`).
//
// Thread rule: the io_context's one thread, except wait(), which posts.
// Owns: the waiting requests. Borrows control, which outlives it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "manager/app/control.h"

namespace imgrec::manager {

class Waiters : public Control::ImageObserver {
 public:
  using Done = std::function<void(std::vector<ImageRecord>)>;

  Waiters(boost::asio::io_context& io, Control& control) : io_(io), control_(control) {}

  // Calls back on the control thread when every image is settled or the time is over, with the
  // images as they are then. Any thread. REQUIRES: the images were given to control before.
  void wait(std::vector<ImageRecord> images, std::chrono::milliseconds limit, Done done);

  // Answers everyone now; for shutdown.
  void release_all();

  void on_state(const ImageRecord&) override {}
  void on_settled(const ImageRecord& image) override { resolve(image); }
  void on_deleted(const ImageRecord& image) override { resolve(image); }

 private:
  struct Waiter {
    explicit Waiter(boost::asio::io_context& io) : timer(io) {}
    std::vector<ImageRecord> images;
    std::size_t open = 0;
    Done done;
    boost::asio::steady_timer timer;
  };

  void begin(std::vector<ImageRecord> images, std::chrono::milliseconds limit, Done done);
  void resolve(const ImageRecord& image);
  void finish(const std::shared_ptr<Waiter>& waiter);

  boost::asio::io_context& io_;
  Control& control_;
  std::unordered_multimap<JobId, std::shared_ptr<Waiter>> by_job_;
};

}  // namespace imgrec::manager
