// Several managers at one worker, in virtual time: engine and clock are a loop over events.
#include <algorithm>
#include <map>

#include "tests/unit/worker_core/worker_core_fixture.h"

namespace imgrec::worker {
namespace {

// A worker that computes, and managers that keep their windows full.
class SharedWorker : public testing::Test {
 protected:
  struct Shard {
    LinkId link;
    std::string id;
    unsigned window = 0;  // photos it keeps here
    std::chrono::microseconds decode = 2ms;
    std::chrono::microseconds inference = 10ms;
    unsigned out = 0;
    std::uint64_t next_job = 1;
    unsigned done = 0;
    unsigned refused = 0;
    TimePoint last_asked{};
    std::chrono::microseconds longest_wait{};
  };

  void start(unsigned streams, std::uint64_t max_held_bytes = 256ull << 20) {
    WorkerCoreOptions options;
    options.credit = 64;
    options.streams = streams;
    options.max_held_bytes = max_held_bytes;
    core_ = std::make_unique<WorkerCore>(options);
  }
  Shard& add(std::uint64_t link, unsigned window, std::size_t photo_bytes = 1) {
    photos_[LinkId{link}] = std::make_shared<const std::string>(photo_bytes, 'x');
    Shard& shard = shards_[LinkId{link}];
    shard.link = LinkId{link};
    shard.id = "manager-" + std::to_string(link);
    shard.window = window;
    apply(LinkUp{shard.link, shard.id});
    return shard;
  }
  void fill(Shard& shard) {
    while (shard.out < shard.window) {
      ++shard.out;
      const JobId job{shard.next_job++};
      asked_[{shard.link, job}] = now_;
      apply(JobAssigned{shard.link, {job, 1, 0ms, 5, photos_.at(shard.link)}});
    }
  }
  void run_for(std::chrono::milliseconds time) {
    const TimePoint end = now_ + time;
    while (!pending_.empty() && pending_.begin()->first <= end) {
      auto next = pending_.extract(pending_.begin());
      now_ = next.key();
      apply(std::move(next.mapped()));
      for (auto& [link, shard] : shards_) fill(shard);
    }
    now_ = end;
  }

  void apply(Event event) {
    for (Action& action : core_->on_event(std::move(event), now_)) {
      if (const auto* start = std::get_if<StartPrepare>(&action)) {
        const LinkId link = link_of(start->image);
        owner_[start->work] = link;
        pending_.emplace(now_ + shards_.at(link).decode,
                         PrepareDone{start->work, std::make_shared<const FakePicture>(),
                                     shards_.at(link).decode});
      } else if (const auto* infer = std::get_if<StartInfer>(&action)) {
        InferDone done;
        for (const auto& [work, picture] : infer->pictures) {
          done.inference += shards_.at(owner_.at(work)).inference;
          done.pictures.push_back({work, std::vector<proto::ScoredClass>{{1, 0.5f}}});
        }
        pending_.emplace(now_ + done.inference, std::move(done));
      } else if (const auto* sent = std::get_if<SendOutcome>(&action)) {
        Shard& shard = shards_.at(sent->link);
        --shard.out;
        ++shard.done;
        const auto asked = asked_.at({sent->link, sent->outcome.job});
        shard.longest_wait =
            std::max(shard.longest_wait,
                     std::chrono::duration_cast<std::chrono::microseconds>(now_ - asked));
      } else if (const auto* failed = std::get_if<SendFail>(&action)) {
        EXPECT_EQ(failed->fail.code, FailCode::kOverCredit);
        ++shards_.at(failed->link).refused;
        // A manager pauses then; here it is simply not asked again until something is answered.
      }
    }
  }
  LinkId link_of(const proto::SharedBytes& image) const {
    for (const auto& [link, photo] : photos_) {
      if (photo == image) return link;
    }
    return {};
  }
  std::size_t bytes_held(const Shard& shard) const {
    return core_->held(shard.link) * photos_.at(shard.link)->size();
  }

  std::unique_ptr<WorkerCore> core_;
  TimePoint now_{1h};
  std::map<LinkId, Shard> shards_;
  std::map<LinkId, proto::SharedBytes> photos_;
  std::map<std::pair<LinkId, JobId>, TimePoint> asked_;
  std::map<WorkId, LinkId> owner_;
  std::multimap<TimePoint, Event> pending_;
};

TEST_F(SharedWorker, GivesEachManagerItsShareHoweverMuchTheyAsk) {
  start(1);
  Shard& flood = add(1, 64);
  Shard& some = add(2, 4);
  Shard& few = add(3, 2);
  for (Shard* shard : {&flood, &some, &few}) fill(*shard);
  run_for(30'000ms);
  const unsigned all = flood.done + some.done + few.done;
  EXPECT_GT(all, 2'900u) << "nobody waits for nothing";
  for (const Shard* shard : {&flood, &some, &few}) EXPECT_NEAR(shard->done, all / 3, 10);
}

TEST_F(SharedWorker, SharesTimeWhereOnesPhotosTakeLonger) {
  start(2);
  Shard& dear = add(1, 16);
  Shard& cheap = add(2, 16);
  dear.inference = 48ms;  // 50 ms with its decoding
  cheap.inference = 8ms;  // 10 ms
  fill(dear);
  fill(cheap);
  run_for(30'000ms);
  EXPECT_NEAR(static_cast<double>(cheap.done) / dear.done, 5.0, 0.3);
}

// What is in hand, what is decoded ahead, and one photo of each other manager.
TEST_F(SharedWorker, APhotoNeverWaitsBehindAnothersWholeWindow) {
  start(1);
  Shard& flood = add(1, 64);
  Shard& rare = add(2, 0);
  fill(flood);
  for (int i = 0; i < 50; ++i) {
    run_for(137ms);
    rare.window = 1;
    fill(rare);
    rare.window = 0;
  }
  run_for(1'000ms);
  EXPECT_EQ(rare.done, 50u);
  EXPECT_LE(rare.longest_wait, 45ms) << "the whole window would be 640 ms";
  EXPECT_GT(flood.longest_wait, 500ms) << "or else this test tests nothing";
}

TEST_F(SharedWorker, GivesTheTimeOfThoseWhoHaveNothingToTheOthers) {
  start(1);
  Shard& one = add(1, 8);
  Shard& idle = add(2, 0);
  fill(one);
  run_for(10'000ms);
  EXPECT_GT(one.done, 950u);
  // And whoever comes after so long takes a half, and not all.
  idle.window = 8;
  fill(idle);
  const unsigned before = one.done;
  run_for(10'000ms);
  EXPECT_NEAR(one.done - before, idle.done, 10);
}

TEST_F(SharedWorker, AManagerThatIsLostLeavesItsTimeToTheOthers) {
  start(1);
  Shard& lost = add(1, 16);
  Shard& stays = add(2, 16);
  fill(lost);
  fill(stays);
  run_for(5'000ms);
  lost.window = 0;
  apply(LinkLost{lost.link});
  const unsigned before = stays.done;
  run_for(5'000ms);
  EXPECT_GT(stays.done - before, 450u);
}

TEST_F(SharedWorker, HoldsABoundedNumberOfBytesForAllTogether) {
  start(1, /*max_held_bytes=*/1'000);
  Shard& a = add(1, 64, 100);
  Shard& b = add(2, 64, 30);
  fill(a);
  fill(b);
  EXPECT_EQ(a.refused, 64u - 5u) << "half of 1000 bytes, 100 each";
  EXPECT_EQ(b.refused, 64u - 16u) << "30 each";
  EXPECT_LE(bytes_held(a) + bytes_held(b), 1'000u);
}

TEST_F(SharedWorker, AlwaysTakesOnePhotoOfEachHoweverLarge) {
  start(1, /*max_held_bytes=*/1'000);
  Shard& a = add(1, 1, 5'000);
  Shard& b = add(2, 1, 5'000);
  fill(a);
  fill(b);
  EXPECT_EQ(a.refused + b.refused, 0u);
  run_for(1'000ms);
  EXPECT_GT(a.done, 20u);
  EXPECT_GT(b.done, 20u);
  EXPECT_EQ(a.refused + b.refused, 0u);
}

TEST_F(SharedWorker, AManagerAloneMayFillItAll) {
  start(1, /*max_held_bytes=*/1'000);
  Shard& a = add(1, 10, 100);
  fill(a);
  EXPECT_EQ(a.refused, 0u);
}

}  // namespace
}  // namespace imgrec::worker
