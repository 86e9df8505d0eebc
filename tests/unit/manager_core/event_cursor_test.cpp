#include "manager/core/event_cursor.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

TEST(EventCursor, PassesLiveResultsWhenUpToDate) {
  EventCursor cursor(4, /*behind=*/false);
  EXPECT_TRUE(cursor.on_live(5, true));
  EXPECT_EQ(cursor.seen(), 5u);
  EXPECT_FALSE(cursor.wants_page(true));
}

TEST(EventCursor, DropsWhatWasSeen) {
  EventCursor cursor(4, false);
  EXPECT_FALSE(cursor.on_live(4, true));
}

TEST(EventCursor, ReadsPagesFirstWhenItStartsBehind) {
  EventCursor cursor(0, true);
  EXPECT_FALSE(cursor.on_live(9, true));
  ASSERT_TRUE(cursor.wants_page(true));
  cursor.on_page_requested();
  EXPECT_FALSE(cursor.wants_page(true));
  cursor.on_page(9, false);
  EXPECT_FALSE(cursor.behind());
  EXPECT_TRUE(cursor.on_live(10, true));
}

TEST(EventCursor, FallsBehindWithoutRoomAndWaitsForIt) {
  EventCursor cursor(0, false);
  EXPECT_FALSE(cursor.on_live(1, false));
  EXPECT_FALSE(cursor.wants_page(false));
  EXPECT_TRUE(cursor.wants_page(true));
}

TEST(EventCursor, ReadsAgainWhenSomethingSettledDuringThePage) {
  EventCursor cursor(0, true);
  cursor.on_page_requested();
  EXPECT_FALSE(cursor.on_live(3, true));
  cursor.on_page(2, false);  // the page was read before 3 was stored
  EXPECT_TRUE(cursor.wants_page(true));
  cursor.on_page_requested();
  cursor.on_page(3, false);
  EXPECT_FALSE(cursor.behind());
}

TEST(EventCursor, StopsReadingWhenTheMissedResultWasDeleted) {
  EventCursor cursor(0, true);
  cursor.on_page_requested();
  EXPECT_FALSE(cursor.on_live(3, true));
  cursor.on_page(0, false);
  ASSERT_TRUE(cursor.wants_page(true));
  cursor.on_page_requested();
  cursor.on_page(0, false);  // nothing there: it was deleted
  EXPECT_FALSE(cursor.behind());
}

// Whatever the order of settlements, pages and full queues: each result is sent once, in order.
TEST(EventCursor, SendsEachResultOnceInOrderUnderRandomSchedules) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    constexpr std::size_t kPage = 3;
    std::vector<std::uint64_t> stored;
    std::vector<std::uint64_t> sent;
    EventCursor cursor(0, seed % 2 == 0);
    std::vector<std::uint64_t> page;
    bool reading = false;
    const auto deliver_page = [&](std::size_t room) {
      const std::size_t fits = std::min(room, page.size());
      sent.insert(sent.end(), page.begin(), page.begin() + static_cast<std::ptrdiff_t>(fits));
      cursor.on_page(fits == 0 ? 0 : page[fits - 1], fits < page.size() || page.size() == kPage);
      reading = false;
    };
    const auto request_page = [&](bool room) {
      if (!cursor.wants_page(room)) return;
      cursor.on_page_requested();
      reading = true;
      page.clear();
      for (const auto seq : stored) {
        if (seq > cursor.seen() && page.size() < kPage) page.push_back(seq);
      }
    };
    for (int step = 0; step < 60; ++step) {
      switch (random() % 3) {
        case 0:
          stored.push_back(stored.size() + 1);
          if (cursor.on_live(stored.back(), random() % 2 == 0)) sent.push_back(stored.back());
          break;
        case 1:
          if (reading) deliver_page(random() % (kPage + 1));
          break;
        default:
          request_page(random() % 2 == 0);
      }
    }
    while (cursor.behind()) {
      if (reading) deliver_page(kPage);
      request_page(true);
    }
    EXPECT_EQ(sent, stored) << "seed " << seed;
  }
}

}  // namespace
}  // namespace imgrec::manager
