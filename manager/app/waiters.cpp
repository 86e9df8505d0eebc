#include "manager/app/waiters.h"

#include <iterator>
#include <set>
#include <utility>

#include <boost/asio/post.hpp>

namespace imgrec::manager {
namespace asio = boost::asio;

void Waiters::wait(std::vector<ImageRecord> images, std::chrono::milliseconds limit, Done done) {
  asio::post(io_, [this, images = std::move(images), limit, done = std::move(done)]() mutable {
    begin(std::move(images), limit, std::move(done));
  });
}

void Waiters::begin(std::vector<ImageRecord> images, std::chrono::milliseconds limit, Done done) {
  auto waiter = std::make_shared<Waiter>(io_);
  waiter->images = std::move(images);
  waiter->done = std::move(done);
  for (const auto& image : waiter->images) {
    if (!control_.is_open(image.job)) continue;
    by_job_.emplace(image.job, waiter);
    ++waiter->open;
  }
  if (waiter->open == 0) {
    finish(waiter);
    return;
  }
  waiter->timer.expires_after(limit);
  waiter->timer.async_wait([this, weak = std::weak_ptr(waiter)](boost::system::error_code ec) {
    const auto late = weak.lock();
    if (!ec && late) finish(late);
  });
}

void Waiters::resolve(const ImageRecord& image) {
  std::vector<std::shared_ptr<Waiter>> interested;
  const auto [first, last] = by_job_.equal_range(image.job);
  for (auto it = first; it != last; ++it) interested.push_back(it->second);
  by_job_.erase(image.job);
  for (const auto& waiter : interested) {
    for (auto& waiting : waiter->images) {
      if (waiting.job == image.job) waiting = image;
    }
    if (--waiter->open == 0) finish(waiter);
  }
}

void Waiters::finish(const std::shared_ptr<Waiter>& waiter) {
  if (!waiter->done) return;
  waiter->timer.cancel();
  for (const ImageRecord& image : waiter->images) {
    const auto [first, last] = by_job_.equal_range(image.job);
    for (auto it = first; it != last;)
      it = it->second == waiter ? by_job_.erase(it) : std::next(it);
  }
  const Done done = std::exchange(waiter->done, nullptr);
  // What is not settled may have been assigned meanwhile.
  control_.read_live(std::move(waiter->images), done);
}

void Waiters::release_all() {
  std::set<std::shared_ptr<Waiter>> all;
  for (const auto& [job, waiter] : by_job_) all.insert(waiter);
  for (const auto& waiter : all) finish(waiter);
}

}  // namespace imgrec::manager
