#include "net/join_token.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/message_codec.h"

namespace imgrec::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kSecret = "example-token-of-32-characters-1";

std::shared_ptr<const proto::JoinToken> token(const std::string& secret = kSecret) {
  auto made = make_join_token(secret);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return made.ok() ? *made : nullptr;
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST(JoinToken, IsHmacSha256) {
  // A key longer than a block, which is hashed first, and the text of RFC 4231's test case 7. (Its
  // keys are no printable text, so no tokens.) The sum is that of Python's hmac module.
  const std::string text =
      "This is a test using a larger than block-size key and a larger than block-size data. The "
      "key "
      "needs to be hashed before being used by the HMAC algorithm.";
  const std::string key(131, 'k');
  EXPECT_EQ(hex(token(key)->prove(text)),
            "084f467fdcf62fe72f1263bd99a1259552af14a08fa5990d73765eeb7fde6762");
}

TEST(JoinToken, ProvesWhatTheProtocolsExampleShows) {
  const std::string opening = std::string("\x01\x01\x00\x07w1-7f3a", 11) + std::string(32, '\x11');
  const auto text = [&](const std::string& role) {
    return "imgrec join 1 " + role + '\0' + opening + std::string(32, '\x22');
  };
  EXPECT_EQ(hex(token()->prove(text("manager"))),
            "749f6e7a88a1ccddf103901301fc4aa2e030825979ab6575b3d749faff8de8f1");
  EXPECT_EQ(hex(token()->prove(text("worker"))),
            "c51366653443a3a4994587e0669470f2dab171938c0f704589447f614bfc9c73");
}

TEST(JoinToken, TakesItsOwnProofAndNoOther) {
  const std::string proof = token()->prove("text");
  EXPECT_TRUE(token()->verify("text", proof));
  EXPECT_FALSE(token()->verify("other text", proof));
  EXPECT_FALSE(token(kSecret + "x")->verify("text", proof));
  EXPECT_FALSE(token()->verify("text", ""));
  EXPECT_FALSE(token()->verify("text", proof.substr(0, 31)));
  EXPECT_FALSE(token()->verify("text", proof + "x"));
  for (std::size_t bit = 0; bit < proof.size() * 8; ++bit) {
    std::string flipped = proof;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(token()->verify("text", flipped)) << bit;
  }
}

TEST(JoinToken, MakesNoncesThatAreNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string nonce = token()->nonce();
    EXPECT_EQ(nonce.size(), proto::kJoinBytes);
    EXPECT_TRUE(seen.insert(nonce).second);
  }
}

TEST(JoinToken, RefusesWhatCouldBeGuessedAndShowsNothingOfIt) {
  for (const std::string& bad : {std::string("hunter2hunter2hunter2hunter2hun"),  // 31
                                 std::string(1025, 'x'), kSecret + " with spaces", kSecret + "\x01",
                                 kSecret + "\xC3\xBC", std::string()}) {
    const auto made = make_join_token(bad);
    ASSERT_FALSE(made.ok()) << bad.size();
    EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(made.status().message(), HasSubstr("openssl rand -hex 32"));
    EXPECT_THAT(made.status().message(), Not(HasSubstr("hunter2")));
    EXPECT_THAT(made.status().message(), Not(HasSubstr(kSecret)));
  }
  EXPECT_TRUE(make_join_token(std::string(1024, 'x')).ok());
}

class TokenFile : public ::testing::Test {
 protected:
  TokenFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "token-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~TokenFile() override { std::filesystem::remove_all(directory_); }
  std::string write(const std::string& text) {
    const std::string path = directory_ + "/token";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string directory_;
};

TEST_F(TokenFile, HoldsTheTokenAndPerhapsALineEnd) {
  for (const std::string& text : {kSecret, kSecret + "\n", kSecret + "\r\n", kSecret + " \n\n"}) {
    const auto loaded = load_join_token(write(text), "");
    ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
    EXPECT_TRUE((*loaded)->verify("x", token()->prove("x")));
  }
}

TEST_F(TokenFile, ThatIsMissingOrNoTokenIsNamed) {
  EXPECT_THAT(load_join_token(directory_ + "/nothing", "").status().message(),
              HasSubstr(directory_ + "/nothing cannot be read"));
  EXPECT_FALSE(load_join_token(directory_, "").ok()) << "a directory";
  EXPECT_THAT(load_join_token(write(""), "").status().message(), HasSubstr("has 0 characters"));
  const auto large = load_join_token(write(std::string(100'000, 'x')), "");
  EXPECT_FALSE(large.ok());
}

TEST_F(TokenFile, OrATextButNotBoth) {
  EXPECT_TRUE(load_join_token("", kSecret).ok());
  EXPECT_THAT(load_join_token(write(kSecret), kSecret).status().message(), HasSubstr("twice"));
  const auto none = load_join_token("", "");
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, nullptr);
}

}  // namespace
}  // namespace imgrec::net
