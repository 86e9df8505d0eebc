#include "manager/store/page_cursor.h"

#include <set>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

constexpr std::uint64_t kKey = 0x0123456789abcdefull;

TEST(PageCursor, GivesBackTheJobItWasMadeOf) {
  for (const std::uint64_t job :
       {1ull, 2ull, 77ull, 0xffffffffull, 0x100000000ull, (1ull << 48) - 1}) {
    const std::string cursor = encode_cursor(JobId{job}, kKey);
    EXPECT_EQ(cursor.size(), 16u);
    EXPECT_EQ(decode_cursor(cursor, kKey), JobId{job});
  }
}

TEST(PageCursor, HidesTheNumber) {
  std::set<std::string> starts;
  for (std::uint64_t job = 1; job <= 100; ++job) {
    starts.insert(encode_cursor(JobId{job}, kKey).substr(0, 4));
  }
  EXPECT_GT(starts.size(), 90u) << "neighbours must not look alike";
  EXPECT_NE(encode_cursor(JobId{1}, kKey), encode_cursor(JobId{1}, kKey + 1));
}

TEST(PageCursor, RefusesWhatIsNotOurs) {
  int accepted = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    std::string made_up = "00000000000000000000" + std::to_string(i);
    made_up = made_up.substr(made_up.size() - 16);
    if (decode_cursor(made_up, kKey)) ++accepted;
  }
  EXPECT_LE(accepted, 1);  // 1 of 65536 passes; it then names a place like any other
  EXPECT_FALSE(decode_cursor("", kKey));
  EXPECT_FALSE(decode_cursor("0123456789ABCDEF", kKey));
  EXPECT_FALSE(decode_cursor("0123456789abcdef0", kKey));
}

}  // namespace
}  // namespace imgrec::manager
