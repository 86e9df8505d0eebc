#include "worker/core/manager_directory.h"

#include <algorithm>
#include <utility>

namespace imgrec::worker {

using std::chrono::milliseconds;

ManagerDirectory::ManagerDirectory(const std::vector<ManagerEndpoint>& managers,
                                   ManagerDirectoryOptions options)
    : options_(std::move(options)) {
  for (const ManagerEndpoint& manager : managers) names_.emplace_back().endpoint = manager;
}

std::vector<ManagerDirectory::Action> ManagerDirectory::on_event(const Event& event,
                                                                 TimePoint now) {
  actions_.clear();
  std::visit([&](const auto& e) { handle(e, now); }, event);
  return std::exchange(actions_, {});
}

std::optional<TimePoint> ManagerDirectory::next_deadline() const {
  std::optional<TimePoint> next;
  const auto sooner = [&](const std::optional<TimePoint>& time) {
    if (time && (!next || *time < *next)) next = time;
  };
  for (const Name& name : names_) sooner(name.next);
  for (const auto& [id, link] : links_) sooner(link.recheck);
  return next;
}

std::vector<ManagerDirectory::Known> ManagerDirectory::links() const {
  std::vector<Known> all;
  for (const auto& [id, link] : links_) all.push_back({id, link.to, link.recheck.has_value()});
  return all;
}

bool ManagerDirectory::complete() const {
  std::set<std::size_t> found;
  for (const auto& [id, link] : links_) found.insert(link.names.begin(), link.names.end());
  return found.size() == names_.size();
}

// ---- names ------------------------------------------------------------------------------------

void ManagerDirectory::handle(const Begin&, TimePoint now) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i].endpoint.is_address()) {
      add(i, names_[i].endpoint.host);
    } else {
      names_[i].next = now;
    }
  }
  handle(Tick{}, now);
}

void ManagerDirectory::handle(const Answered& event, TimePoint now) {
  Name& name = names_.at(event.name);
  name.looking = false;
  name.failures = 0;
  name.next = now + jittered(options_.interval, 0.75, 1.25);
  const std::set<std::string> addresses(event.addresses.begin(), event.addresses.end());
  for (auto link = links_.begin(); link != links_.end();) {
    const ManagerEndpoint& endpoint = link->second.to.endpoint;
    const bool stays = addresses.contains(endpoint.host) && endpoint.port == name.endpoint.port;
    if (stays || link->second.names.erase(event.name) == 0) {
      ++link;
    } else {
      link->second.vanished = true;
      link = release(link);
    }
  }
  for (const std::string& address : addresses) add(event.name, address);
}

void ManagerDirectory::handle(const LookupFailed& event, TimePoint now) {
  Name& name = names_.at(event.name);
  name.looking = false;
  const unsigned doublings = std::min(name.failures++, 16u);
  name.next = now + jittered(std::min(options_.interval, options_.first_retry * (1u << doublings)),
                             0.5, 1.0);
}

void ManagerDirectory::add(std::size_t name, const std::string& address) {
  const ManagerEndpoint endpoint{address, names_[name].endpoint.port};
  const auto found = std::find_if(links_.begin(), links_.end(), [&](const auto& entry) {
    return entry.second.to.endpoint == endpoint;
  });
  if (found != links_.end()) {
    found->second.names.insert(name);
    return;
  }
  const ManagerAddress to{endpoint, names_[name].endpoint.host};
  if (links_.size() >= options_.max_links) {
    actions_.push_back(TooMany{to});
    return;
  }
  const LinkId id{++last_link_};
  Link& link = links_[id];
  link.to = to;
  link.names.insert(name);
  actions_.push_back(OpenLink{id, to});
}

// Goes, where no name leads to it and it does not work.
ManagerDirectory::Links::iterator ManagerDirectory::release(Links::iterator link) {
  if (link->second.registered) return std::next(link);
  if (link->second.names.empty()) {
    actions_.push_back(CloseLink{link->first});
    return links_.erase(link);
  }
  if (link->second.vanished) forget(link);
  return std::next(link);
}

// Whoever was met there: it says nothing about who is there now.
void ManagerDirectory::forget(Links::iterator link) {
  link->second.manager_id.clear();
  link->second.met_again = 0;
  link->second.vanished = false;
  if (link->second.recheck) wake(link);
}

// ---- links ------------------------------------------------------------------------------------

void ManagerDirectory::handle(const Registered& event, TimePoint now) {
  const auto found = links_.find(event.link);
  if (found == links_.end()) return;
  note_met(found->second, event.manager_id);
  for (auto each = links_.begin(); each != links_.end();) {
    const auto link = each++;
    const auto& [id, other] = *link;
    if (id == event.link || other.recheck || other.manager_id != event.manager_id) continue;
    park(link, event.link, now);
    release(link);
  }
}

void ManagerDirectory::note_met(Link& link, const std::string& manager_id) {
  if (link.manager_id != manager_id) {
    for (auto& [id, other] : links_) {  // which were not two addresses of one manager
      if (other.manager_id == link.manager_id) other.met_again = 0;
    }
  } else if (link.was_parked) {
    link.met_again = most_met_again(manager_id) + 1;
  }
  link.registered = true;
  link.manager_id = manager_id;
  link.recheck.reset();
  link.was_parked = false;
  link.vanished = link.names.empty();
}

unsigned ManagerDirectory::most_met_again(const std::string& manager_id) const {
  unsigned most = 0;
  for (const auto& [id, link] : links_) {
    if (link.manager_id == manager_id) most = std::max(most, link.met_again);
  }
  return most;
}

// That both were registered proves that there are two ways to one manager. A link that is not may
// have been closed by the manager in favour of the other, or lead to another manager by now.
void ManagerDirectory::park(Links::iterator link, LinkId in_favour_of, TimePoint now) {
  auto& [id, parked] = *link;
  const unsigned doublings = 2 * std::min(most_met_again(parked.manager_id), 8u);
  const milliseconds wait =
      parked.registered ? options_.recheck
                        : std::min(options_.recheck, options_.first_recheck * (1u << doublings));
  parked.recheck = now + jittered(wait, 0.75, 1.25);
  parked.registered = false;
  parked.was_parked = true;
  actions_.push_back(ParkLink{id, in_favour_of});
}

void ManagerDirectory::handle(const Lost& event, TimePoint now) {
  const auto lost = links_.find(event.link);
  if (lost == links_.end() || !lost->second.registered) return;  // parked ones end like this too
  lost->second.registered = false;
  for (auto other = links_.begin(); other != links_.end(); ++other) {
    if (other->second.recheck && other->second.manager_id == lost->second.manager_id) wake(other);
  }
  look_up_soon(lost->second, now);
  release(lost);
}

void ManagerDirectory::wake(Links::iterator link) {
  link->second.recheck.reset();
  actions_.push_back(WakeLink{link->first});
}

// Not all workers at the same moment, where a manager that they shared is gone.
void ManagerDirectory::look_up_soon(const Link& lost, TimePoint now) {
  for (const std::size_t i : lost.names) {
    Name& name = names_[i];
    if (!name.next || name.looking) continue;
    const TimePoint soon =
        std::max(now, name.last + options_.min_gap) + jittered(options_.min_gap, 0, 1);
    name.next = std::min(*name.next, soon);
  }
}

// ---- time -------------------------------------------------------------------------------------

void ManagerDirectory::handle(const Tick&, TimePoint now) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    Name& name = names_[i];
    if (!name.next || *name.next > now) continue;
    name.next.reset();
    name.looking = true;
    name.last = now;
    actions_.push_back(LookUp{i, name.endpoint});
  }
  for (auto link = links_.begin(); link != links_.end(); ++link) {
    if (link->second.recheck && *link->second.recheck <= now) wake(link);
  }
}

milliseconds ManagerDirectory::jittered(milliseconds time, double from, double to) const {
  const double factor = from + (to - from) * options_.random();
  return milliseconds(static_cast<milliseconds::rep>(static_cast<double>(time.count()) * factor));
}

}  // namespace imgrec::worker
