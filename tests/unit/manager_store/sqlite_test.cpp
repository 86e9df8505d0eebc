#include "manager/store/sqlite.h"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Database> memory() {
  auto db = Database::open(":memory:");
  EXPECT_TRUE(db.ok());
  return std::move(*db);
}

TEST(Sqlite, BindsAndReadsEveryType) {
  const auto db = memory();
  ASSERT_TRUE(db->exec("CREATE TABLE t(a, b, c, d, e)").ok());
  const std::string blob("\0\xff\0", 3);
  {
    Query insert(*db, "INSERT INTO t VALUES (?, ?, ?, ?, ?)");
    ASSERT_TRUE(insert.integer(-5).real(0.5).text("it's").blob(blob).null().run().ok());
  }
  Query select(*db, "SELECT a, b, c, d, e FROM t");
  ASSERT_TRUE(select.step());
  EXPECT_EQ(select.next_integer(), -5);
  EXPECT_EQ(select.next_real(), 0.5);
  EXPECT_EQ(select.next_text(), "it's");
  EXPECT_EQ(select.next_text(), blob);
  EXPECT_TRUE(select.next_is_null());
  EXPECT_FALSE(select.step());
  EXPECT_TRUE(select.status().ok());
}

TEST(Sqlite, ReusesAStatementAfterItsQueryEnded) {
  const auto db = memory();
  ASSERT_TRUE(db->exec("CREATE TABLE t(a)").ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Query(*db, "INSERT INTO t VALUES (?)").integer(i).run().ok());
  }
  EXPECT_EQ(db->last_insert_id(), 3);
}

TEST(Sqlite, ReportsErrorsWithTheFileAndStaysUsable) {
  const auto db = memory();
  Query wrong(*db, "SELECT a FROM nowhere");
  EXPECT_FALSE(wrong.integer(1).step());
  EXPECT_EQ(wrong.status().code(), StatusCode::kInternal);
  EXPECT_THAT(wrong.status().message(), HasSubstr("no such table"));
  EXPECT_THAT(wrong.status().message(), HasSubstr(":memory:"));
  EXPECT_TRUE(db->exec("CREATE TABLE t(a)").ok());
}

TEST(Sqlite, CallsAFullDatabaseExhausted) {
  const auto db = memory();
  ASSERT_TRUE(db->exec("PRAGMA max_page_count = 4; CREATE TABLE t(a)").ok());
  ASSERT_TRUE(db->exec("BEGIN IMMEDIATE").ok());
  const std::string big(100'000, 'x');
  const Status full = Query(*db, "INSERT INTO t VALUES (?)").text(big).run();
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(full.message(), HasSubstr("free space"));
}

TEST(Sqlite, SaysWhereItCouldNotOpen) {
  const auto db = Database::open("/nonexistent/dir/x.db");
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(db.status().message(), HasSubstr("/nonexistent/dir/x.db"));
}

}  // namespace
}  // namespace imgrec::manager
