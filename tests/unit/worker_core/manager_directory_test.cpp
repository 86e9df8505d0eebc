#include "worker/core/manager_directory.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::worker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

// A directory on manual time, whose dice always show a half; what it wants is kept as words:
// "look up shards", "open 1 10.0.0.1:2888", "close 1", "park 1 for 2", "wake 1".
class Directory : public testing::Test {
 protected:
  using Words = std::vector<std::string>;

  Words start(std::vector<ManagerEndpoint> managers, ManagerDirectoryOptions options = {}) {
    options.random = [this] { return dice_; };
    directory_.emplace(managers, std::move(options));
    return on(ManagerDirectory::Begin{});
  }
  Words on(const ManagerDirectory::Event& event) {
    Words words;
    for (const auto& action : directory_->on_event(event, now_)) {
      std::visit([&](const auto& a) { words.push_back(in_words(a)); }, action);
    }
    return words;
  }
  Words answer(std::vector<std::string> addresses, std::size_t name = 0) {
    return on(ManagerDirectory::Answered{name, std::move(addresses)});
  }
  Words registered(std::uint64_t link, const std::string& manager) {
    return on(ManagerDirectory::Registered{LinkId{link}, manager});
  }
  Words lost(std::uint64_t link) { return on(ManagerDirectory::Lost{LinkId{link}}); }
  // Lets time pass to the next deadline.
  Words wait() {
    now_ = directory_->next_deadline().value();
    return on(ManagerDirectory::Tick{});
  }
  std::chrono::milliseconds until_next() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        directory_->next_deadline().value() - now_);
  }

  static std::string in_words(const ManagerDirectory::LookUp& a) {
    return "look up " + a.what.host;
  }
  static std::string in_words(const ManagerDirectory::OpenLink& a) {
    return "open " + std::to_string(a.link.value) + " " + a.to.endpoint.text();
  }
  static std::string in_words(const ManagerDirectory::CloseLink& a) {
    return "close " + std::to_string(a.link.value);
  }
  static std::string in_words(const ManagerDirectory::ParkLink& a) {
    return "park " + std::to_string(a.link.value) + " for " + std::to_string(a.in_favour_of.value);
  }
  static std::string in_words(const ManagerDirectory::WakeLink& a) {
    return "wake " + std::to_string(a.link.value);
  }
  static std::string in_words(const ManagerDirectory::TooMany& a) {
    return "too many: " + a.to.endpoint.text();
  }

  TimePoint now_{1h};
  double dice_ = 0.5;
  std::optional<ManagerDirectory> directory_;
};

TEST_F(Directory, OpensAddressesAtOnceAndLooksUpNames) {
  EXPECT_THAT(start({{"10.0.0.1", "2888"}, {"shards", "2888"}, {"::1", "99"}}),
              ElementsAre("open 1 10.0.0.1:2888", "open 2 [::1]:99", "look up shards"));
  EXPECT_FALSE(directory_->complete());
  EXPECT_THAT(answer({"10.0.0.3", "10.0.0.2"}, 1),
              ElementsAre("open 3 10.0.0.2:2888", "open 4 10.0.0.3:2888"));
  EXPECT_TRUE(directory_->complete());
  EXPECT_EQ(directory_->links().at(2).to.name, "shards") << "for the certificate";
}

TEST_F(Directory, NeverLooksUpAnAddress) {
  start({{"10.0.0.1", "2888"}});
  EXPECT_EQ(directory_->next_deadline(), std::nullopt);
  registered(1, "m1");
  lost(1);
  EXPECT_EQ(directory_->next_deadline(), std::nullopt);
}

TEST_F(Directory, LooksUpAgainAfterTheIntervalWithJitter) {
  start({{"shards", "2888"}});
  for (const auto& [dice, wait_time] :
       {std::pair{0.0, 7'500ms}, std::pair{0.5, 10'000ms}, std::pair{0.99, 12'450ms}}) {
    dice_ = dice;
    answer({"10.0.0.1"});
    EXPECT_EQ(until_next(), wait_time);
    EXPECT_THAT(wait(), ElementsAre("look up shards"));
    EXPECT_EQ(directory_->next_deadline(), std::nullopt) << "one lookup at a time";
  }
}

TEST_F(Directory, JoinsWhoAppearsAndLeavesTheRestAlone) {
  start({{"shards", "2888"}});
  answer({"10.0.0.1"});
  wait();
  EXPECT_THAT(answer({"10.0.0.2", "10.0.0.1", "10.0.0.2"}), ElementsAre("open 2 10.0.0.2:2888"));
  wait();
  EXPECT_THAT(answer({"10.0.0.1", "10.0.0.2"}), IsEmpty());
}

TEST_F(Directory, LetsGoOfWhoVanishedWhereThereIsNoConnection) {
  start({{"shards", "2888"}});
  answer({"10.0.0.1", "10.0.0.2"});
  registered(1, "m1");
  wait();
  EXPECT_THAT(answer({"10.0.0.1"}), ElementsAre("close 2"));
  wait();
  EXPECT_THAT(answer({"10.0.0.1", "10.0.0.2"}), ElementsAre("open 3 10.0.0.2:2888"))
      << "and comes back under a new number";
}

TEST_F(Directory, KeepsAConnectionThatWorksWhenItsRecordVanishes) {
  start({{"shards", "2888"}});
  answer({"10.0.0.1", "10.0.0.2"});
  registered(1, "m1");
  registered(2, "m2");
  wait();
  EXPECT_THAT(answer({"10.0.0.2"}), IsEmpty());
  EXPECT_THAT(lost(1), ElementsAre("close 1"));
}

TEST_F(Directory, KeepsItForGoodWhereTheRecordComesBack) {
  start({{"shards", "2888"}});
  answer({"10.0.0.1"});
  registered(1, "m1");
  wait();
  answer({"10.0.0.9"});
  wait();
  EXPECT_THAT(answer({"10.0.0.1"}), ElementsAre("close 2"));
  EXPECT_THAT(lost(1), IsEmpty());
}

TEST_F(Directory, TakesNoSuchNameForAnAnswer) {
  start({{"shards", "2888"}});
  answer({"10.0.0.1", "10.0.0.2"});
  registered(1, "m1");
  wait();
  EXPECT_THAT(answer({}), ElementsAre("close 2"));
  EXPECT_EQ(until_next(), 10s);
}

TEST_F(Directory, ChangesNothingWhereTheLookupFails) {
  start({{"shards", "2888"}});
  answer({"10.0.0.1"});
  wait();
  EXPECT_THAT(on(ManagerDirectory::LookupFailed{0}), IsEmpty());
  EXPECT_EQ(directory_->links().size(), 1u);
}

TEST_F(Directory, TriesAFailedLookupAgainWithBackOffUpToTheInterval) {
  start({{"shards", "2888"}});
  dice_ = 1;
  std::vector<std::chrono::milliseconds> waits;
  for (int i = 0; i < 8; ++i) {
    on(ManagerDirectory::LookupFailed{0});
    waits.push_back(until_next());
    EXPECT_THAT(wait(), ElementsAre("look up shards"));
  }
  EXPECT_THAT(waits,
              ElementsAre(250ms, 500ms, 1'000ms, 2'000ms, 4'000ms, 8'000ms, 10'000ms, 10'000ms));
  answer({"10.0.0.1"});
  wait();
  on(ManagerDirectory::LookupFailed{0});
  EXPECT_EQ(until_next(), 250ms) << "an answer ends it";
}

TEST_F(Directory, LooksUpSoonAfterALossAndNotTooOften) {
  start({{"shards", "2888"}});
  answer({"10.0.0.1"});
  registered(1, "m1");
  now_ += 3s;
  lost(1);
  EXPECT_EQ(until_next(), 500ms);
  wait();
  answer({"10.0.0.1"});
  registered(1, "m1");
  lost(1);  // at once again
  EXPECT_EQ(until_next(), 1'500ms);
  EXPECT_THAT(lost(1), IsEmpty()) << "it is lost already";
}

TEST_F(Directory, HasOneLinkWhereSeveralNamesLead) {
  start({{"shards", "2888"}, {"shard-0", "2888"}, {"10.0.0.1", "2888"}, {"10.0.0.1", "2889"}});
  EXPECT_THAT(answer({"10.0.0.1"}, 0), IsEmpty());
  EXPECT_THAT(answer({"10.0.0.1"}, 1), IsEmpty());
  EXPECT_EQ(directory_->links().size(), 2u);
  EXPECT_TRUE(directory_->complete());
  EXPECT_THAT(answer({}, 0), IsEmpty()) << "others still lead there";
  EXPECT_THAT(answer({}, 1), IsEmpty());
}

TEST_F(Directory, ParksTheOlderOfTwoLinksToOneManager) {
  start({{"localhost", "2888"}});
  answer({"127.0.0.1", "::1"});
  EXPECT_THAT(registered(1, "m"), IsEmpty());
  EXPECT_THAT(registered(2, "m"), ElementsAre("park 1 for 2"));
  EXPECT_TRUE(directory_->links().at(0).parked);
  EXPECT_THAT(lost(1), IsEmpty()) << "as the manager closes it, or as it is parked";
  EXPECT_THAT(registered(2, "m"), IsEmpty());
}

TEST_F(Directory, ParksItAlsoWhereTheManagerClosedItFirst) {
  start({{"localhost", "2888"}});
  answer({"127.0.0.1", "::1"});
  registered(1, "m");
  lost(1);
  EXPECT_THAT(registered(2, "m"), ElementsAre("park 1 for 2"));
}

TEST_F(Directory, LooksSoonWhetherOneThatWasLostIsAnotherManagersNow) {
  start({{"10.0.0.1", "1"}, {"10.0.0.2", "1"}});
  registered(1, "x");
  registered(2, "y");
  lost(1);
  lost(2);
  EXPECT_THAT(registered(1, "y"), ElementsAre("park 2 for 1"));
  EXPECT_EQ(until_next(), 1s);
  EXPECT_THAT(wait(), ElementsAre("wake 2"));
  EXPECT_THAT(registered(2, "x"), IsEmpty());
  EXPECT_EQ(directory_->next_deadline(), std::nullopt);
}

TEST_F(Directory, LooksLaterAndLaterWhereTheSameManagerIsMetAgain) {
  start({{"10.0.0.1", "1"}, {"10.0.0.2", "1"}});
  registered(1, "m");
  std::vector<std::chrono::milliseconds> waits;
  for (std::uint64_t older = 1; waits.size() < 7; older = 3 - older) {
    lost(older);  // the manager closes it in favour of the other
    registered(3 - older, "m");
    waits.push_back(until_next());
    wait();
  }
  EXPECT_THAT(waits, ElementsAre(1s, 4s, 16s, 64s, 256s, 600s, 600s));
}

// A manager that dies again and again, while whose address it had before has not come up yet.
TEST_F(Directory, StaysQuickWhereNobodyWasMetAgain) {
  start({{"10.0.0.1", "1"}, {"10.0.0.2", "1"}});
  registered(2, "y");
  lost(2);
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(registered(1, "y"), ElementsAre("park 2 for 1"));
    EXPECT_EQ(until_next(), 1s);
    EXPECT_THAT(wait(), ElementsAre("wake 2"));
    lost(1);
  }
}

TEST_F(Directory, IsQuickAgainAfterTheAddressesWereFoundToBeTwoManagers) {
  start({{"10.0.0.1", "1"}, {"10.0.0.2", "1"}});
  registered(1, "m");
  lost(1);
  registered(2, "m");
  wait();
  lost(2);
  registered(1, "m");
  EXPECT_EQ(until_next(), 4s);
  wait();
  registered(2, "other");
  lost(2);
  lost(1);
  EXPECT_THAT(registered(2, "m"), ElementsAre("park 1 for 2"));
  EXPECT_EQ(until_next(), 1s);
}

TEST_F(Directory, ForgetsWhoWasMetAtAnAddressThatVanished) {
  start({{"a", "1"}, {"b", "1"}});
  answer({"10.0.0.1", "10.0.0.2"}, 0);
  answer({"10.0.0.1"}, 1);
  registered(1, "m");
  registered(2, "m");  // parks 1
  EXPECT_THAT(answer({"10.0.0.2"}, 0), ElementsAre("wake 1")) << "b still leads there";
  EXPECT_THAT(lost(2), IsEmpty());
  EXPECT_THAT(registered(2, "m"), IsEmpty());
}

TEST_F(Directory, ForgetsItOfAConnectionThatWorksWhenThatIsLost) {
  start({{"a", "1"}, {"b", "1"}});
  answer({"10.0.0.1", "10.0.0.2"}, 0);
  answer({"10.0.0.1"}, 1);
  registered(1, "m");
  EXPECT_THAT(answer({"10.0.0.2"}, 0), IsEmpty());
  EXPECT_THAT(lost(1), IsEmpty());
  EXPECT_THAT(registered(2, "m"), IsEmpty());
}

TEST_F(Directory, WakesTheParkedOneWhenTheOtherIsLost) {
  start({{"localhost", "2888"}});
  answer({"127.0.0.1", "::1"});
  registered(1, "m");
  registered(2, "m");
  EXPECT_THAT(lost(2), ElementsAre("wake 1"));
  EXPECT_THAT(registered(1, "m"), ElementsAre("park 2 for 1"));
}

TEST_F(Directory, LooksNowAndThenWhetherAParkedOneIsAnotherManagersNow) {
  ManagerDirectoryOptions options;
  options.recheck = 60s;
  start({{"10.0.0.1", "1"}, {"10.0.0.2", "1"}}, options);
  registered(1, "m");
  registered(2, "m");
  EXPECT_EQ(until_next(), 60s);
  EXPECT_THAT(wait(), ElementsAre("wake 1"));
  EXPECT_THAT(registered(1, "another"), IsEmpty());
  EXPECT_EQ(directory_->next_deadline(), std::nullopt);
}

TEST_F(Directory, ClosesAParkedOneWhoseRecordVanished) {
  start({{"localhost", "2888"}});
  answer({"127.0.0.1", "::1"});
  registered(1, "m");
  registered(2, "m");
  now_ += 11s;
  on(ManagerDirectory::Tick{});
  EXPECT_THAT(answer({"::1"}), ElementsAre("close 1"));
  // The other way round: the record of the older one has gone, and then it is found to be double.
  now_ += 11s;
  on(ManagerDirectory::Tick{});
  EXPECT_THAT(answer({"10.0.0.1"}), ElementsAre("open 3 10.0.0.1:2888"));
  EXPECT_THAT(registered(3, "m"), ElementsAre("park 2 for 3", "close 2"));
}

TEST_F(Directory, HasABoundedNumberOfLinks) {
  ManagerDirectoryOptions options;
  options.max_links = 2;
  start({{"shards", "2888"}}, options);
  EXPECT_THAT(
      answer({"10.0.0.1", "10.0.0.2", "10.0.0.3"}),
      ElementsAre("open 1 10.0.0.1:2888", "open 2 10.0.0.2:2888", "too many: 10.0.0.3:2888"));
  wait();
  EXPECT_THAT(answer({"10.0.0.2", "10.0.0.3"}), ElementsAre("close 1", "open 3 10.0.0.3:2888"));
}

TEST_F(Directory, IgnoresLinksThatItDoesNotKnow) {
  start({{"10.0.0.1", "2888"}});
  EXPECT_THAT(registered(7, "m"), IsEmpty());
  EXPECT_THAT(lost(7), IsEmpty());
}

}  // namespace
}  // namespace imgrec::worker
