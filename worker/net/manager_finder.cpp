#include "worker/net/manager_finder.h"

#include <utility>

#include <spdlog/spdlog.h>

namespace imgrec::worker {
namespace asio = boost::asio;
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

ManagerFinder::ManagerFinder(asio::io_context& io, const std::vector<ManagerEndpoint>& managers,
                             ManagerDirectoryOptions options, Listener& listener)
    : directory_(managers, std::move(options)),
      listener_(listener),
      resolver_(io),
      timer_(io),
      failures_(3) {}

void ManagerFinder::start() { apply(ManagerDirectory::Begin{}); }

void ManagerFinder::stop() {
  stopped_ = true;
  timer_.cancel();
  resolver_.cancel();
}

void ManagerFinder::on_registered(LinkId link, const std::string& manager_id) {
  apply(ManagerDirectory::Registered{link, manager_id});
}

void ManagerFinder::on_lost(LinkId link) { apply(ManagerDirectory::Lost{link}); }

void ManagerFinder::apply(const ManagerDirectory::Event& event) {
  if (stopped_) return;
  for (const auto& action : directory_.on_event(event, Clock::now())) {
    std::visit([this](const auto& each) { carry_out(each); }, action);
  }
  arm_timer();
}

void ManagerFinder::carry_out(const ManagerDirectory::LookUp& action) {
  ++lookups_;
  resolver_.async_resolve(action.what.host, action.what.port,
                          [this, action](const boost::system::error_code& error,
                                         const Resolver::results_type& results) {
                            --lookups_;
                            on_resolved(action, error, results);
                          });
}

// "There is no such name" is an answer; all else says nothing about the name.
void ManagerFinder::on_resolved(const ManagerDirectory::LookUp& asked,
                                const boost::system::error_code& error,
                                const Resolver::results_type& results) {
  if (stopped_) return;
  if (error) {
    if (const auto left_out = failures_.admit(Clock::now())) {
      spdlog::warn("manager_unresolved name={} error={} left_out={}", log_text(asked.what.host),
                   log_text(error.message()), *left_out);
    }
    if (error != asio::error::host_not_found && error != asio::error::no_data) {
      return apply(ManagerDirectory::LookupFailed{asked.name});
    }
  }
  ManagerDirectory::Answered answer{asked.name, {}};
  for (const auto& result : results) {
    answer.addresses.push_back(result.endpoint().address().to_string());
  }
  spdlog::debug("manager_lookup name={} addresses={}", log_text(asked.what.host),
                answer.addresses.size());
  apply(answer);
}

void ManagerFinder::carry_out(const ManagerDirectory::OpenLink& action) {
  addresses_[action.link] = action.to;
  spdlog::debug("manager_found manager={} name={}", action.to.endpoint.text(),
                log_text(action.to.name));
  listener_.open_link(action.link, action.to);
}

void ManagerFinder::carry_out(const ManagerDirectory::CloseLink& action) {
  spdlog::info("manager_gone manager={} reason=\"its name does not lead there any more\"",
               text(action.link));
  addresses_.erase(action.link);
  listener_.close_link(action.link);
}

void ManagerFinder::carry_out(const ManagerDirectory::ParkLink& action) {
  spdlog::info("manager_link_parked manager={} reason=\"it is the one at {}\"", text(action.link),
               text(action.in_favour_of));
  listener_.park_link(action.link);
}

void ManagerFinder::carry_out(const ManagerDirectory::WakeLink& action) {
  listener_.wake_link(action.link);
}

void ManagerFinder::carry_out(const ManagerDirectory::TooMany& action) {
  if (const auto left_out = overflows_.admit(Clock::now())) {
    spdlog::warn(
        "manager_left_out manager={} name={} reason=\"this worker has all the managers "
        "that it takes\" left_out={}",
        action.to.endpoint.text(), log_text(action.to.name), *left_out);
  }
}

std::string ManagerFinder::text(LinkId link) const {
  const auto found = addresses_.find(link);
  return found == addresses_.end() ? "" : found->second.endpoint.text();
}

void ManagerFinder::arm_timer() {
  const auto deadline = directory_.next_deadline();
  if (!deadline) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(*deadline);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) apply(ManagerDirectory::Tick{});
  });
}

}  // namespace imgrec::worker
