#include "manager/http/content_coding.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace imgrec::manager {
namespace {

std::string unpack(const std::string& packed, std::size_t room) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  std::string bytes(room, '\0');
  std::string input = packed;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  bytes.resize(stream.total_out);
  inflateEnd(&stream);
  return bytes;
}

TEST(ContentCoding, FindsGzipAmongWhatIsAccepted) {
  for (const char* field :
       {"gzip", "deflate, gzip, br", "GZIP", "x-gzip", "gzip;q=0.5", "gzip ; q=1.0", "*",
        "br, *;q=0.1", "gzip;q=0.001", "*;q=0, gzip", "nonsense;;;, gzip"}) {
    EXPECT_TRUE(accepts_gzip(field)) << field;
  }
}

TEST(ContentCoding, TakesQualityZeroAsANo) {
  for (const char* field : {"gzip;q=0", "gzip;q=0.000", "gzip;Q=0, *", "*;q=0", "*, x-gzip;q=0"}) {
    EXPECT_FALSE(accepts_gzip(field)) << field;
  }
}

TEST(ContentCoding, SendsPlainWhereTheFieldAsksForNothingElse) {
  for (const char* field : {"", "identity", "br", "gzipped", "gzip;level=9", "gzip;q=", ",,,"}) {
    EXPECT_FALSE(accepts_gzip(field)) << field;
  }
}

TEST(ContentCoding, PacksWhatCanBeUnpacked) {
  for (const std::size_t size : {0u, 1u, 1000u, 300'000u}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * i % 251);
    EXPECT_EQ(unpack(gzip(bytes), size + 1), bytes) << size;
  }
  EXPECT_LT(gzip(std::string(100'000, 'x')).size(), 1000u);
}

TEST(ContentCoding, PacksTheSameBytesAlike) { EXPECT_EQ(gzip("the same"), gzip("the same")); }

}  // namespace
}  // namespace imgrec::manager
