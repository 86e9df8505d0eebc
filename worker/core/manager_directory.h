// Which managers a worker has links to: those it was given by address, and those that its names
// resolve to, looked up again and again, because shards come and go. Pure: answers and time in,
// intentions out.
//
// Thread rule: confined to one thread (the worker's network thread).
// Owns: the names and the links, as far as it decides about them.
//
// The rules:
// - One link for each address and port, whichever names lead there; at most max_links.
// - A name is looked up at the start, every `interval` or so (jitter: a quarter), and soon after
// one
//   of its links was lost, within a second and not more than once a second.
// - An address that appears gets a link. One that is no longer in the answer loses its link when
//   that is not registered, or as soon as it is not any more: a connection that works is worth more
//   than a record that has gone, and what is under way there is answered.
// - A lookup that fails changes nothing, and is tried again, with back-off up to `interval`. An
//   answer that there is no such name is an answer: no addresses.
// - Two links that reach the same manager (WELCOME names it) would have it counted twice. The
//   manager keeps the newer connection of a process, so the older link is parked. It is woken when
//   the newer one is lost, and every recheck, as the address may have become another manager's.
// - A link that is not registered is parked by what was met there last, which may not hold any
//   more: managers that come back may have each other's addresses. It is woken after first_recheck,
//   and only where such a link does meet the same manager again, four times as late the next time
//   (each time costs that manager a connection with what is in hand there).
// - What was met at an address is forgotten when the address vanishes from an answer, or, where it
//   is registered, when it is lost after that.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "worker/core/manager_endpoint.h"
#include "worker/core/worker_core.h"

namespace imgrec::worker {

// Where a link goes, and by which name that was found: the one in the manager's certificate.
struct ManagerAddress {
  ManagerEndpoint endpoint;  // its host is an address
  std::string name;
};

struct ManagerDirectoryOptions {
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds min_gap{1'000};  // between two lookups of a name after a loss
  std::chrono::milliseconds first_retry{250};
  std::chrono::milliseconds first_recheck{1'000};  // of a link parked while not registered
  std::chrono::milliseconds recheck{600'000};
  std::size_t max_links = 64;
  std::function<double()> random;  // uniform in [0, 1)
};

class ManagerDirectory {
 public:
  // ---- events -------------------------------------------------------------------------------
  struct Begin {};
  struct Answered {  // addresses, in any order; none: there is no such name
    std::size_t name = 0;
    std::vector<std::string> addresses;
  };
  struct LookupFailed {
    std::size_t name = 0;
  };
  struct Registered {
    LinkId link;
    std::string manager_id;
  };
  struct Lost {  // it was registered, and is no more
    LinkId link;
  };
  struct Tick {};
  using Event = std::variant<Begin, Answered, LookupFailed, Registered, Lost, Tick>;

  // ---- actions, in this order ---------------------------------------------------------------
  struct LookUp {
    std::size_t name = 0;
    ManagerEndpoint what;
  };
  struct OpenLink {
    LinkId link;
    ManagerAddress to;
  };
  struct CloseLink {  // for good; it is not registered
    LinkId link;
  };
  struct ParkLink {  // not to connect until woken
    LinkId link;
    LinkId in_favour_of;
  };
  struct WakeLink {
    LinkId link;
  };
  struct TooMany {  // an address that gets no link
    ManagerAddress to;
  };
  using Action = std::variant<LookUp, OpenLink, CloseLink, ParkLink, WakeLink, TooMany>;

  struct Known {
    LinkId link;
    ManagerAddress to;
    bool parked = false;
  };

  ManagerDirectory(const std::vector<ManagerEndpoint>& managers, ManagerDirectoryOptions options);

  // REQUIRES: `now` never goes back. Events about links it does not know (any more) are ignored.
  [[nodiscard]] std::vector<Action> on_event(const Event& event, TimePoint now);
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;

  [[nodiscard]] std::vector<Known> links() const;
  // Every manager that was given has a link.
  [[nodiscard]] bool complete() const;

 private:
  struct Name {
    ManagerEndpoint endpoint;
    bool looking = false;
    std::optional<TimePoint> next;  // none: an address, or being looked up
    TimePoint last{};
    unsigned failures = 0;  // in a row
  };
  struct Link {
    ManagerAddress to;
    std::set<std::size_t> names;  // that lead here; none: it goes when it is not registered
    bool registered = false;
    std::string manager_id;            // the last one that was met here; empty: none, or forgotten
    std::optional<TimePoint> recheck;  // set: it is parked
    bool was_parked = false;           // since it was registered last
    unsigned met_again = 0;            // how often in a row its manager was met here after that
    bool vanished = false;             // from an answer, since it was registered last
  };
  using Links = std::map<LinkId, Link>;

  void handle(const Begin& event, TimePoint now);
  void handle(const Answered& event, TimePoint now);
  void handle(const LookupFailed& event, TimePoint now);
  void handle(const Registered& event, TimePoint now);
  void handle(const Lost& event, TimePoint now);
  void handle(const Tick& event, TimePoint now);

  void add(std::size_t name, const std::string& address);
  Links::iterator release(Links::iterator link);
  void forget(Links::iterator link);
  void note_met(Link& link, const std::string& manager_id);
  unsigned most_met_again(const std::string& manager_id) const;
  void park(Links::iterator link, LinkId in_favour_of, TimePoint now);
  void wake(Links::iterator link);
  void look_up_soon(const Link& lost, TimePoint now);
  std::chrono::milliseconds jittered(std::chrono::milliseconds time, double from, double to) const;

  const ManagerDirectoryOptions options_;
  std::vector<Name> names_;
  Links links_;
  std::uint64_t last_link_ = 0;
  std::vector<Action> actions_;  // of the event in hand
};

}  // namespace imgrec::worker
