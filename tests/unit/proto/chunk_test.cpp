#include "proto/chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgrec::proto {
namespace {

using ::testing::HasSubstr;

std::string chunk(std::uint64_t position, const std::string& bytes) {
  const auto header = chunk_header(position, static_cast<std::uint32_t>(bytes.size()));
  return std::string(header.begin(), header.end()) + bytes;
}

TEST(ChunkReader, ReadsChunksInAnySlicing) {
  const std::string stream = chunk(0, "abc") + chunk(70'000'000'000, "de");
  for (std::size_t slice = 1; slice <= stream.size(); ++slice) {
    ChunkReader reader;
    std::vector<Chunk> chunks;
    for (std::size_t at = 0; at < stream.size(); at += slice) {
      reader.feed(std::string_view(stream).substr(at, slice));
      for (auto next = reader.next(); *next; next = reader.next()) {
        chunks.push_back(std::move(**next));
      }
    }
    ASSERT_EQ(chunks.size(), 2u) << slice;
    EXPECT_EQ(chunks[0].position, 0u);
    EXPECT_EQ(chunks[0].bytes, "abc");
    EXPECT_EQ(chunks[1].position, 70'000'000'000u);
    EXPECT_EQ(chunks[1].bytes, "de");
    EXPECT_EQ(reader.position(), 70'000'000'002u);
  }
}

TEST(ChunkReader, KnowsItsFarthestChunkWhenAnOlderOneIsRepeated) {
  ChunkReader reader;
  reader.feed(chunk(100, "abc") + chunk(0, "de"));
  EXPECT_TRUE(*reader.next());
  EXPECT_TRUE(*reader.next());
  EXPECT_EQ(reader.position(), 103u);
}

TEST(ChunkReader, RefusesLengthsByTheHeaderAlone) {
  for (const std::uint32_t length : {0u, kMaxChunkBytes + 1, 0xFFFFFFFFu}) {
    ChunkReader reader;
    const auto header = chunk_header(0, length);
    reader.feed({header.data(), header.size()});
    EXPECT_THAT(reader.next().status().message(), HasSubstr(std::to_string(length) + " bytes"));
  }
  ChunkReader reader;
  const auto header = chunk_header(~std::uint64_t{0} - 1, 2);
  reader.feed({header.data(), header.size()});
  EXPECT_THAT(reader.next().status().message(), HasSubstr("too far"));
}

TEST(Reassembly, HandsOnWhatIsDue) {
  Reassembly stream;
  ASSERT_TRUE(stream.add({3, "def"}).ok());
  EXPECT_EQ(stream.take(), "");
  EXPECT_EQ(stream.waiting_bytes(), 3u);
  ASSERT_TRUE(stream.add({6, "g"}).ok());
  ASSERT_TRUE(stream.add({0, "abc"}).ok());
  EXPECT_EQ(stream.take(), "abcdefg");
  EXPECT_EQ(stream.position(), 7u);
  EXPECT_EQ(stream.waiting_bytes(), 0u);
}

TEST(Reassembly, DropsCopies) {
  Reassembly stream;
  ASSERT_TRUE(stream.add({2, "cd"}).ok());
  ASSERT_TRUE(stream.add({2, "cd"}).ok()) << "while it waits";
  ASSERT_TRUE(stream.add({0, "ab"}).ok());
  EXPECT_EQ(stream.take(), "abcd");
  ASSERT_TRUE(stream.add({0, "ab"}).ok()) << "and after it was handed on";
  EXPECT_EQ(stream.take(), "");
  EXPECT_EQ(stream.waiting_bytes(), 0u);
}

TEST(Reassembly, RefusesWhatOverlapsOtherwise) {
  for (const Chunk& bad : {Chunk{9, "xx"}, Chunk{10, "xxx"}, Chunk{11, "x"}, Chunk{8, "xxxxxx"},
                           Chunk{4, "xx"}, Chunk{12, "xxxx"}}) {
    Reassembly stream;
    ASSERT_TRUE(stream.add({0, "abcde"}).ok());
    EXPECT_EQ(stream.take(), "abcde");
    ASSERT_TRUE(stream.add({10, "kl"}).ok());
    ASSERT_TRUE(stream.add({14, "op"}).ok());
    EXPECT_EQ(stream.add(bad).code(), StatusCode::kInvalidArgument) << bad.position;
  }
}

}  // namespace
}  // namespace imgrec::proto
