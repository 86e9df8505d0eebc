#include "link/app/link_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::link {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr const char* kEnds = "a: 'x:t0:10.0.0.1/30', b: 'y:t0:10.0.0.2/30'";

Result<std::vector<LinkConfig>> parse(const std::string& text) {
  LinkConfig defaults;
  defaults.a_to_b.delay = defaults.b_to_a.delay = milliseconds(500);
  defaults.seed = 40;
  return parse_link_file("links.yaml", text, defaults);
}

std::string complaint(const std::string& text) {
  const auto result = parse(text);
  return result.ok() ? "" : result.status().message();
}

// A file with one link that has these lines besides its name and ends.
std::string complaint_of(const std::string& lines) {
  return complaint("links:\n- name: one\n  a: x:t0:10.0.0.1/30\n  b: y:t0:10.0.0.2/30\n" + lines);
}

TEST(LinkFile, HoldsSeveralLinksOverTheDefaults) {
  const auto links = parse(
      "links:\n"
      "- name: one\n"
      "  b-to-a: {rate: 5mbit}\n"
      "  a: x:t0:10.0.0.1/30\n"
      "  b: y:t0:10.0.0.2/30\n"
      "  rate: 100mbit\n"
      "- {name: two, a: 'x:t1:fd00::1/64', b: '/proc/7/ns/net:t0:fd00::2/64', delay: 1ms,\n"
      "   mtu: 9000, seed: 3}\n");
  ASSERT_TRUE(links.ok()) << links.status().message();
  ASSERT_EQ(links->size(), 2u);
  const LinkConfig& one = links->front();
  EXPECT_EQ(one.a_to_b.delay, milliseconds(500));
  EXPECT_EQ(one.a_to_b.rate, 100'000'000u);
  EXPECT_EQ(one.b_to_a.rate, 5'000'000u) << "what a direction says wins, wherever it stands";
  EXPECT_EQ(one.seed, 40u);
  const LinkConfig& two = links->back();
  EXPECT_EQ(two.b_to_a.delay, milliseconds(1));
  EXPECT_EQ(two.mtu, 9000u);
  EXPECT_EQ(two.seed, 3u);
}

TEST(LinkFile, LinksWithoutASeedHaveDifferentOnes) {
  const auto links =
      parse(std::string("links: [{name: one, ") + kEnds + "}, {name: two, " + kEnds + "}]");
  ASSERT_TRUE(links.ok()) << links.status().message();
  EXPECT_NE(links->front().seed, links->back().seed);
}

TEST(LinkFile, NamesFileLineAndReason) {
  EXPECT_THAT(complaint_of("  delay: 5\n"), HasSubstr("links.yaml:5: delay: \"5\" is not a time"));
  EXPECT_THAT(complaint_of("  delai: 5ms\n"), HasSubstr("links.yaml:5: there is no setting"));
  EXPECT_THAT(complaint_of("  delay: 5ms\n  delay: 6ms\n"),
              HasSubstr("links.yaml:6: delay is given twice"));
  EXPECT_THAT(complaint_of("  a-to-b: 5ms\n"), HasSubstr("expected \"key: value\""));
  EXPECT_THAT(complaint_of("  a-to-b: {mtu: 5}\n"), HasSubstr("there is no setting"));
  EXPECT_THAT(complaint_of("  mtu: big\n"), HasSubstr("not a whole number"));
  EXPECT_THAT(complaint_of("  delay: [1ms]\n"), HasSubstr("takes one value"));
}

TEST(LinkFile, RefusesWhatIsNoListOfLinks) {
  EXPECT_THAT(complaint(""), HasSubstr("no link in it"));
  EXPECT_THAT(complaint("links: []"), HasSubstr("no link in it"));
  EXPECT_THAT(complaint("[1, 2]"), HasSubstr("key: value"));
  EXPECT_THAT(complaint("lynx: []"), HasSubstr("one list"));
  EXPECT_THAT(complaint("links: [{name: one}]"), HasSubstr("needs name, a and b"));
  EXPECT_THAT(complaint("links: [[1]]"), HasSubstr("key: value"));
  EXPECT_THAT(complaint("links: {"), HasSubstr("links.yaml"));
  EXPECT_THAT(complaint("links: []\n---\nlinks: []"), HasSubstr("more than one"));
  EXPECT_THAT(read_link_file("/nonexistent", {}).status().message(), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace imgrec::link
