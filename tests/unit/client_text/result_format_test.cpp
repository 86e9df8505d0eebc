#include "client/text/result_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "client/text/display.h"

namespace imgrec::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TellOutcome recognised(std::vector<Prediction> top) {
  TellOutcome outcome;
  outcome.kind = OutcomeKind::kRecognised;
  outcome.image.emplace();
  outcome.image->id = ImageId{"abc"};
  outcome.image->state = ImageState::kDone;
  outcome.image->total_ms = 84.25;
  json shown = json::array();
  for (const Prediction& p : top) {
    shown.push_back({{"index", p.index}, {"label", p.label}, {"score", p.score}});
  }
  outcome.image->classes_in_json = shown.size();
  outcome.image->json = json{{"id", "abc"}, {"top", shown}}.dump();
  outcome.image->top = std::move(top);
  return outcome;
}

TellOutcome rejected() {
  TellOutcome outcome;
  outcome.kind = OutcomeKind::kRejected;
  outcome.code = "not_an_image";
  outcome.detail = "this is a text, \"really\"";
  return outcome;
}

const std::vector<Prediction> kTop{{0, "n01440764 tench, Tinca tinca", 0.875},
                                   {7, "n01514668 cock", 0.1}};

TEST(TableFormat, HasALineForEachPhoto) {
  const auto table = make_result_format({.kind = OutputKind::kTable, .top = 1, .longest_path = 8});
  EXPECT_EQ(table->header(), "file      label                              score       time\n");
  EXPECT_EQ(table->row("fish.jpg", recognised(kTop)),
            "fish.jpg  tench                                88%      84 ms\n");
  EXPECT_EQ(table->row("text.jpg", rejected()),
            "text.jpg  rejected (not_an_image): this is a text, \"really\"\n");
  EXPECT_EQ(table->footer(), "");
}

TEST(TableFormat, FurtherClassesStandBelow) {
  const auto table = make_result_format({.kind = OutputKind::kTable, .top = 2, .longest_path = 8});
  EXPECT_EQ(table->row("fish.jpg", recognised(kTop)),
            "fish.jpg  tench                                88%      84 ms\n"
            "          cock                                 10%\n");
}

TEST(TableFormat, SaysWhereTheModelIsNotSure) {
  const auto table = make_result_format({.kind = OutputKind::kTable, .top = 1, .longest_path = 8});
  TellOutcome outcome = recognised(kTop);
  outcome.image->unsure = true;
  EXPECT_THAT(table->row("fish.jpg", outcome), HasSubstr("not sure, perhaps tench"));
}

TEST(TableFormat, KeepsToTheTerminal) {
  for (std::size_t width = 30; width < 140; ++width) {
    const auto table = make_result_format(
        {.kind = OutputKind::kTable, .top = 2, .width = width, .longest_path = 60});
    const std::string text = table->header() + table->row(std::string(60, 'x'), recognised(kTop)) +
                             table->row("a.jpg", rejected());
    std::size_t start = 0;
    for (std::size_t end; (end = text.find('\n', start)) != text.npos; start = end + 1) {
      EXPECT_LE(display_width(text.substr(start, end - start)), width);
    }
  }
}

TEST(TableFormat, ColoursOnlyWhereTheyAreWanted) {
  OutputOptions options{.kind = OutputKind::kTable, .top = 1, .width = 80, .longest_path = 8};
  EXPECT_THAT(make_result_format(options)->row("a", rejected()), Not(HasSubstr("\x1b")));
  options.colours = true;
  EXPECT_THAT(make_result_format(options)->row("a", rejected()), HasSubstr("\x1b[31m"));
}

TEST(TableFormat, ShowsNothingThatATerminalWouldObey) {
  const auto table = make_result_format({.kind = OutputKind::kTable, .top = 1, .longest_path = 8});
  TellOutcome outcome = rejected();
  outcome.code = outcome.detail = "\x1b[2J\r\n";
  EXPECT_THAT(table->row("\x1b]0;title\x07", outcome), Not(HasSubstr("\x1b")));
  EXPECT_THAT(table->row("a", recognised({{0, "\x1b[2J\xC2\x9B", 0.5}})), Not(HasSubstr("\x1b")));
}

TEST(CsvFormat, NoTextIsAFormula) {
  const auto csv = make_result_format({.kind = OutputKind::kCsv, .top = 1});
  for (const std::string bad : {"=1+1", "+1", "-1", "@SUM(A1)", "\tx"}) {
    EXPECT_THAT(csv->row(bad, rejected()), testing::StartsWith("'" + bad + ",rejected,")) << bad;
    EXPECT_THAT(csv->row("a", recognised({{0, bad, 0.5}})), HasSubstr(",0,'" + bad + ",0.5"));
    TellOutcome outcome = rejected();
    outcome.code = outcome.detail = bad;
    EXPECT_THAT(csv->row("a", outcome), HasSubstr(",'" + bad + ",'" + bad + "\r\n"));
  }
  EXPECT_THAT(csv->row("\r=1", rejected()), testing::StartsWith("\"'\r=1\","));
  EXPECT_THAT(csv->row("=X(\"y\")", rejected()), testing::StartsWith("\"'=X(\"\"y\"\")\","));
}

TEST(CsvFormat, QuotesWhatNeedsIt) {
  const auto csv = make_result_format({.kind = OutputKind::kCsv, .top = 2});
  EXPECT_EQ(csv->header(), "path,status,rank,index,label,score,unsure,time_ms,id,error,detail\r\n");
  EXPECT_EQ(csv->row("a \"b\",\nc", recognised(kTop)),
            "\"a \"\"b\"\",\nc\",recognised,1,0,\"n01440764 tench, Tinca tinca\",0.875000,false,"
            "84.250,abc,,\r\n"
            "\"a \"\"b\"\",\nc\",recognised,2,7,n01514668 cock,0.100000,false,84.250,abc,,\r\n");
  EXPECT_EQ(csv->row("a", rejected()),
            "a,rejected,,,,,,,,not_an_image,\"this is a text, \"\"really\"\"\"\r\n");
}

TEST(JsonFormat, IsOneArray) {
  const auto format = make_result_format({.kind = OutputKind::kJson, .top = 1});
  std::string text = format->header();
  text += format->row("fish \xC3\xA9.jpg", recognised(kTop));
  text += format->row("text.jpg", rejected());
  const json array = json::parse(text + format->footer());
  ASSERT_EQ(array.size(), 2u);
  EXPECT_EQ(array[0]["path"], "fish \xC3\xA9.jpg");
  EXPECT_EQ(array[0]["status"], "recognised");
  EXPECT_EQ(array[0]["error"], nullptr);
  ASSERT_EQ(array[0]["image"]["top"].size(), 1u);
  EXPECT_EQ(array[0]["image"]["top"][0]["label"], "n01440764 tench, Tinca tinca");
  EXPECT_EQ(array[1]["image"], nullptr);
  EXPECT_EQ(array[1]["error"]["code"], "not_an_image");
}

TEST(JsonFormat, OfNothingIsAnEmptyArray) {
  const auto format = make_result_format({.kind = OutputKind::kJson});
  EXPECT_EQ(json::parse(format->header() + format->footer()), json::array());
}

TEST(JsonFormat, TakesPathsThatAreNoUtf8) {
  const auto format = make_result_format({.kind = OutputKind::kJsonLines, .top = 1});
  const std::string line = format->row("\xFF\x1b.jpg", rejected());
  EXPECT_EQ(line.find_first_of("\x1b\xFF"), line.npos);
  EXPECT_EQ(json::parse(line)["path"], "\xEF\xBF\xBD\x1b.jpg");
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(format->header() + format->footer(), "");
}

}  // namespace
}  // namespace imgrec::client
