// A join token for tests and fuzzers of the sessions: its "MAC" is two sums under its key. That is
// no cryptography, but other texts give other sums, and the same run gives the same bytes.
//
// Thread rule: not shared.
// Owns: its key.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "proto/crc32c.h"
#include "proto/message_codec.h"
#include "proto/session.h"
#include "proto/wire.h"

namespace imgrec::proto::testing {

class FakeJoinToken final : public JoinToken {
 public:
  explicit FakeJoinToken(std::string key) : key_(std::move(key)) {}
  std::string nonce() const override {
    return std::string(kJoinBytes - 1, 'n') + static_cast<char>(++nonces_);
  }
  std::string prove(std::string_view text) const override {
    const std::string all = key_ + std::string(text);
    std::string proof(kJoinBytes, '\0');
    store_big_endian(crc32c(all), proof.data());
    store_big_endian(crc32c(all + key_), proof.data() + 4);
    return proof;
  }
  bool verify(std::string_view text, std::string_view proof) const override {
    return prove(text) == proof;
  }

 private:
  std::string key_;
  mutable unsigned char nonces_ = 0;
};

}  // namespace imgrec::proto::testing
