// proto/PROTOCOL.md is the authority on the bytes: its dumps and tables are held against the code.
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/session.h"
#include "tests/unit/proto/samples.h"

namespace imgrec::proto {
namespace {

using testing::bytes_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string document() {
  std::ifstream file(IMGREC_SOURCE_DIR "/proto/PROTOCOL.md");
  EXPECT_TRUE(file) << "proto/PROTOCOL.md cannot be read";
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The bytes of each ```hex NAME block: pairs of digits, up to ';' on each line.
std::map<std::string, std::string> hex_dumps(const std::string& text) {
  std::map<std::string, std::string> dumps;
  std::istringstream lines(text);
  std::string line;
  std::string name;  // of the block that we are in
  while (std::getline(lines, line)) {
    if (line.starts_with("```")) {
      name = name.empty() && line.starts_with("```hex ") ? line.substr(7) : "";
      continue;
    }
    if (name.empty()) continue;
    std::istringstream pairs(line.substr(0, line.find(';')));
    std::string pair;
    while (pairs >> pair) {
      EXPECT_EQ(pair.size(), 2u) << line;
      dumps[name] += static_cast<char>(std::stoi(pair, nullptr, 16));
    }
  }
  return dumps;
}

Result<Message> decode_dump(const std::string& name) {
  const std::string dump = hex_dumps(document())[name];
  FrameDecoder decoder;
  decoder.feed(dump);
  auto frame = decoder.next();
  if (!frame.ok()) return frame.status();
  if (!*frame) return Status(StatusCode::kNotFound, "no whole frame in the dump " + name);
  EXPECT_TRUE(decoder.at_boundary());
  auto message = decode(std::move(**frame));
  if (!message.ok()) return message;
  EXPECT_EQ(bytes_of(*message), dump) << "sent again, it is the same";
  return message;
}

// The cells of the rows of the table whose header row begins with `first_header`.
std::vector<std::vector<std::string>> table(const std::string& text,
                                            const std::string& first_header) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(text);
  std::string line;
  bool inside = false;
  while (std::getline(lines, line)) {
    if (line.starts_with("| " + first_header + " |")) {
      inside = true;
      continue;
    }
    if (!line.starts_with("|")) inside = false;
    if (!inside || line.starts_with("|--")) continue;
    std::vector<std::string> cells;
    std::istringstream parts(line.substr(1));
    std::string cell;
    while (std::getline(parts, cell, '|')) {
      const auto begin = cell.find_first_not_of(' ');
      const auto end = cell.find_last_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
    rows.push_back(cells);
  }
  return rows;
}

TEST(ProtocolDocument, ItsHelloIsAHello) {
  const auto message = decode_dump("HELLO");
  ASSERT_TRUE(message.ok()) << message.status().to_string();
  const auto& hello = std::get<Hello>(*message);
  EXPECT_EQ(hello.name, "w1");
  EXPECT_EQ(hello.model_name, "demo");
  EXPECT_THAT(hello.labels, ElementsAre("cat", "dog"));
  EXPECT_EQ(hello.unsure_below, 0.25f);
  EXPECT_EQ(hello.streams, 1);
  EXPECT_EQ(hello.credit, 2);
}

TEST(ProtocolDocument, ItsAssignIsAnAssign) {
  const auto message = decode_dump("ASSIGN");
  ASSERT_TRUE(message.ok()) << message.status().to_string();
  const auto& assign = std::get<Assign>(*message);
  EXPECT_EQ(assign.job, JobId{7});
  EXPECT_EQ(assign.deadline, std::chrono::seconds(30));
  EXPECT_EQ(*assign.image, "\xFF\xD8\xFF\xD9");
}

TEST(ProtocolDocument, ItsResultIsAResult) {
  const auto message = decode_dump("RESULT");
  ASSERT_TRUE(message.ok()) << message.status().to_string();
  const auto& outcome = std::get<Outcome>(*message);
  EXPECT_EQ(outcome.job, JobId{7});
  EXPECT_EQ(outcome.timing.inference, std::chrono::microseconds(52'000));
  ASSERT_EQ(outcome.top.size(), 2u);
  EXPECT_EQ(outcome.top[0].index, 1u);
  EXPECT_EQ(outcome.top[0].score, 0.75f);
}

TEST(ProtocolDocument, ItsJoinMessagesAreWhatTheyAreCalled) {
  const auto open = decode_dump("OPEN");
  ASSERT_TRUE(open.ok()) << open.status().to_string();
  EXPECT_EQ(std::get<Open>(*open).instance_id, "w1-7f3a");
  const auto challenge = decode_dump("CHALLENGE");
  ASSERT_TRUE(challenge.ok()) << challenge.status().to_string();
  EXPECT_EQ(std::get<Challenge>(*challenge).nonce, std::string(kJoinBytes, '\x22'));
  const auto proof = decode_dump("PROOF");
  ASSERT_TRUE(proof.ok()) << proof.status().to_string();
}

TEST(ProtocolDocument, ItsTableOfTypesIsTheCodes) {
  const auto rows = table(document(), "type");
  ASSERT_EQ(rows.size(), 19u);
  for (const auto& row : rows) {
    const auto type = static_cast<FrameType>(std::stoi(row[0]));
    ASSERT_TRUE(is_known(type));
    EXPECT_EQ(row[1], to_string(type));
    const std::uint32_t limit = payload_limit(type);
    const std::string kib = std::to_string(limit / 1024) + " KiB";
    EXPECT_EQ(row[3], type == FrameType::kAssign ? "agreed" : kib) << row[1];
  }
}

TEST(ProtocolDocument, ItsTableOfLimitsIsTheCodes) {
  std::map<std::string, std::size_t> limits;
  for (const auto& row : table(document(), "limit")) limits[row[0]] = std::stoul(row[1]);
  const std::map<std::string, std::size_t> expected{
      {"name", kMaxNameBytes},           {"id", kMaxIdBytes},
      {"nonce, proof", kJoinBytes},      {"text", kMaxTextBytes},
      {"label", kMaxLabelBytes},         {"labels", kMaxLabels},
      {"classes of a RESULT", kMaxTop},  {"smallest max_payload_bytes", kMinMaxPayloadBytes},
      {"attempts of a BATCH", kMaxBatch}};
  EXPECT_EQ(limits, expected);
}

TEST(ProtocolDocument, NamesTheVersionsThatTheCodeSpeaks) {
  EXPECT_THAT(document(), HasSubstr("frame version is " + std::to_string(kFrameVersion)));
  EXPECT_THAT(document(), HasSubstr("protocol version is " + std::to_string(kMaxProtocolVersion)));
}

}  // namespace
}  // namespace imgrec::proto
