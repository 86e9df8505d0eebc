// The directory in a small world on virtual time: managers at addresses, which they may leave for
// others, links that connect, with waits in between, and a manager that keeps the newer of two
// connections. By dice that a seed decides.
#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "worker/core/manager_directory.h"

namespace imgrec::worker {
namespace {

using namespace std::chrono_literals;
using Duration = TimePoint::duration;

class World {
 public:
  World(const std::vector<ManagerEndpoint>& managers, unsigned seed) : dice_(seed) {
    ManagerDirectoryOptions options;
    options.random = [this] { return draw(); };
    directory_.emplace(managers, std::move(options));
  }

  void begin() { tell(ManagerDirectory::Begin{}); }

  // Who is where; connections to whoever was there are lost, in any order.
  void place(std::map<std::string, std::string> manager_at) {
    manager_at_ = std::move(manager_at);
    std::vector<LinkId> lost;
    for (const auto& [id, link] : links_) {
      if (!link.connected.empty()) lost.push_back(id);
    }
    std::shuffle(lost.begin(), lost.end(), dice_);
    for (const LinkId id : lost) lose(id);
  }
  void resolve(std::vector<std::string> addresses) { records_ = std::move(addresses); }

  void run_for(Duration time) {
    const TimePoint end = now_ + time;
    while (step(end)) {
    }
    now_ = end;
  }
  // How long it takes until each manager is served; `patience` where that is not so.
  Duration until_all_served(Duration patience) {
    const TimePoint begin = now_;
    while (!all_served() && step(begin + patience)) {
    }
    return all_served() ? now_ - begin : patience;
  }
  bool all_served() const {
    return std::all_of(manager_at_.begin(), manager_at_.end(),
                       [&](const auto& each) { return connections(each.second) == 1; });
  }
  int registrations() const { return registrations_; }

 private:
  struct Link {
    std::string address;
    std::string connected;              // to which manager; empty: to none
    std::optional<TimePoint> connects;  // none: parked, or connected
  };

  double draw() { return std::uniform_real_distribution<>(0, 1)(dice_); }
  Duration between(std::chrono::milliseconds low, std::chrono::milliseconds high) {
    return low + std::chrono::duration_cast<Duration>((high - low) * draw());
  }
  auto connections(const std::string& manager) const {
    return std::count_if(links_.begin(), links_.end(),
                         [&](const auto& entry) { return entry.second.connected == manager; });
  }

  // The next thing that happens before `end`.
  bool step(TimePoint end) {
    std::optional<TimePoint> next = directory_->next_deadline();
    std::optional<LinkId> who;
    for (const auto& [id, link] : links_) {
      if (!link.connects || (next && *next <= *link.connects)) continue;
      next = link.connects;
      who = id;
    }
    if (!next || *next > end) return false;
    now_ = std::max(now_, *next);
    if (who) {
      connect(*who);
    } else {
      tell(ManagerDirectory::Tick{});
    }
    return true;
  }

  void connect(LinkId id) {
    Link& link = links_.at(id);
    const auto there = manager_at_.find(link.address);
    if (there == manager_at_.end()) {
      link.connects = now_ + between(100ms, 2s);
      return;
    }
    const std::string manager = there->second;
    link.connects.reset();
    ++registrations_;
    std::optional<LinkId> older;
    for (const auto& [other, each] : links_) {
      if (each.connected == manager) older = other;
    }
    // The word to either may come first.
    const bool lost_first = draw() < 0.5;
    if (older && lost_first) lose(*older);
    link.connected = manager;
    tell(ManagerDirectory::Registered{id, manager});
    const auto still = older ? links_.find(*older) : links_.end();
    if (still != links_.end() && !still->second.connected.empty()) lose(*older);
  }

  void lose(LinkId id) {
    Link& link = links_.at(id);
    link.connected.clear();
    link.connects = now_ + between(1ms, 100ms);
    tell(ManagerDirectory::Lost{id});
  }

  void tell(const ManagerDirectory::Event& event) {
    for (const auto& action : directory_->on_event(event, now_)) {
      std::visit([this](const auto& each) { carry_out(each); }, action);
    }
  }
  void carry_out(const ManagerDirectory::LookUp& action) {
    tell(ManagerDirectory::Answered{action.name, records_});
  }
  void carry_out(const ManagerDirectory::OpenLink& action) {
    links_[action.link] = {action.to.endpoint.host, {}, now_ + between(1ms, 100ms)};
  }
  void carry_out(const ManagerDirectory::CloseLink& action) { links_.erase(action.link); }
  void carry_out(const ManagerDirectory::ParkLink& action) {
    Link& link = links_.at(action.link);
    link.connected.clear();
    link.connects.reset();
  }
  void carry_out(const ManagerDirectory::WakeLink& action) {
    links_.at(action.link).connects = now_ + between(1ms, 100ms);
  }
  void carry_out(const ManagerDirectory::TooMany&) { ADD_FAILURE(); }

  std::mt19937 dice_;
  TimePoint now_{1h};
  std::optional<ManagerDirectory> directory_;
  std::map<LinkId, Link> links_;
  std::map<std::string, std::string> manager_at_;
  std::vector<std::string> records_;
  int registrations_ = 0;
};

constexpr unsigned kSeeds = 200;
constexpr auto kSoon = 5s;

const std::vector<ManagerEndpoint> kAddresses{{"10.0.0.1", "1"}, {"10.0.0.2", "1"}};
const std::vector<ManagerEndpoint> kThree{{"10.0.0.1", "1"}, {"10.0.0.2", "1"}, {"10.0.0.3", "1"}};

TEST(ManagerAddresses, ThatTwoManagersSwapAreServedSoon) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    World world(kAddresses, seed);
    world.place({{"10.0.0.1", "x"}, {"10.0.0.2", "y"}});
    world.begin();
    ASSERT_LT(world.until_all_served(kSoon), kSoon) << seed;
    for (int i = 0; i < 10; ++i) {
      world.place({});
      world.run_for(3s);
      world.place({{"10.0.0.1", i % 2 == 0 ? "y" : "x"}, {"10.0.0.2", i % 2 == 0 ? "x" : "y"}});
      ASSERT_LT(world.until_all_served(kSoon), kSoon) << "seed " << seed << " swap " << i;
      world.run_for(i % 3 * 30s);
    }
  }
}

TEST(ManagerAddresses, ThatThreeManagersRotateAreServedSoon) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    std::vector<std::string> managers{"x", "y", "z"};
    World world(kThree, seed);
    world.begin();
    for (int i = 0; i < 10; ++i) {
      world.place({});
      world.run_for(3s);
      world.place(
          {{"10.0.0.1", managers[0]}, {"10.0.0.2", managers[1]}, {"10.0.0.3", managers[2]}});
      ASSERT_LT(world.until_all_served(kSoon), kSoon) << "seed " << seed << " turn " << i;
      std::rotate(managers.begin(), managers.begin() + 1 + seed % 2, managers.end());
    }
  }
}

// The one that comes back later may take minutes, in which the other dies again and again.
TEST(ManagerAddresses, OneOfWhichComesUpMuchLaterAreServedSoon) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    World world(kAddresses, seed);
    world.place({{"10.0.0.1", "x"}, {"10.0.0.2", "y"}});
    world.begin();
    world.run_for(10s);
    for (int i = 0; i < 10; ++i) {
      world.place({});
      world.run_for(2s);
      world.place({{"10.0.0.1", "y"}});
      world.run_for(20s);
      ASSERT_TRUE(world.all_served()) << seed;
    }
    world.place({{"10.0.0.1", "y"}, {"10.0.0.2", "x"}});
    ASSERT_LT(world.until_all_served(kSoon), kSoon) << seed;
  }
}

// As with a name of which the records go while nobody is there.
TEST(ManagerAddresses, OfANameAreServedAsSoonAsItLeadsThere) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    World world({{"shards", "1"}}, seed);
    world.resolve({"10.0.0.1", "10.0.0.2"});
    world.place({{"10.0.0.1", "x"}, {"10.0.0.2", "y"}});
    world.begin();
    world.run_for(15s);
    world.resolve({});
    world.place({});
    world.run_for(30s);
    world.place({{"10.0.0.1", "y"}, {"10.0.0.2", "x"}});
    world.resolve({"10.0.0.1", "10.0.0.2"});
    ASSERT_LT(world.until_all_served(20s), 12'500ms + kSoon) << seed;
  }
}

// "localhost", where the manager listens on ::1 too: one link, and next to no changes of it.
TEST(ManagerAddresses, ThatLeadToOneManagerSettleToOneConnection) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    World world({{"localhost", "1"}}, seed);
    world.resolve({"127.0.0.1", "::1"});
    world.place({{"127.0.0.1", "m"}, {"::1", "m"}});
    world.begin();
    world.run_for(1h);
    EXPECT_TRUE(world.all_served()) << seed;
    EXPECT_LE(world.registrations(), 16) << seed;
    const int before = world.registrations();
    world.run_for(1h);
    EXPECT_TRUE(world.all_served()) << seed;
    EXPECT_LE(world.registrations() - before, 12) << seed;
    world.place({});
    world.run_for(30s);
    world.place({{"127.0.0.1", "m"}, {"::1", "m"}});
    ASSERT_LT(world.until_all_served(kSoon), kSoon) << seed;
  }
}

}  // namespace
}  // namespace imgrec::worker
