#include "net/join_token.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "proto/message_codec.h"

namespace imgrec::net {
namespace {

class HmacToken final : public proto::JoinToken {
 public:
  explicit HmacToken(std::string_view secret) : secret_(secret) {}
  ~HmacToken() override { OPENSSL_cleanse(secret_.data(), secret_.size()); }
  HmacToken(const HmacToken&) = delete;
  HmacToken& operator=(const HmacToken&) = delete;

  // A nonce that can be foreseen, or a proof that is none, would be worse than no program at all;
  // OpenSSL fails at neither unless the process is out of memory or entropy.
  std::string nonce() const override {
    std::string bytes(proto::kJoinBytes, '\0');
    auto* const at = reinterpret_cast<unsigned char*>(bytes.data());
    if (RAND_bytes(at, static_cast<int>(bytes.size())) != 1) std::abort();
    return bytes;
  }

  std::string prove(std::string_view text) const override {
    std::string mac(proto::kJoinBytes, '\0');
    unsigned length = 0;
    if (HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(),
             reinterpret_cast<unsigned char*>(mac.data()), &length) == nullptr ||
        length != mac.size()) {
      std::abort();
    }
    return mac;
  }

  bool verify(std::string_view text, std::string_view proof) const override {
    const std::string right = prove(text);
    return proof.size() == right.size() &&
           CRYPTO_memcmp(proof.data(), right.data(), right.size()) == 0;
  }

 private:
  std::string secret_;
};

Status bad_token(const std::string& what) {
  return Status(StatusCode::kInvalidArgument,
                what + "; make one with: openssl rand -hex 32 >FILE; chmod 600 FILE");
}

}  // namespace

Result<std::shared_ptr<const proto::JoinToken>> make_join_token(std::string_view secret,
                                                                std::string_view what) {
  const std::string name(what);
  const std::string limits =
      std::to_string(kMinTokenBytes) + " to " + std::to_string(kMaxTokenBytes);
  if (secret.size() < kMinTokenBytes || secret.size() > kMaxTokenBytes) {
    return bad_token("the " + name + " has " + std::to_string(secret.size()) +
                     " characters; it must have " + limits);
  }
  const auto printable = [](char c) { return '!' <= c && c <= '~'; };
  if (!std::all_of(secret.begin(), secret.end(), printable)) {
    return bad_token("the " + name + " has characters other than printable ASCII, or spaces");
  }
  return std::shared_ptr<const proto::JoinToken>(std::make_shared<HmacToken>(secret));
}

Result<std::shared_ptr<const proto::JoinToken>> load_join_token(const std::string& file,
                                                                const std::string& text,
                                                                std::string_view what) {
  const std::string name(what);
  if (file.empty() && text.empty()) return std::shared_ptr<const proto::JoinToken>();
  if (file.empty()) return make_join_token(text, what);
  if (!text.empty()) {
    return Status(
        StatusCode::kInvalidArgument,
        "the " + name + " is given twice, as a file and as a text; take one of them away");
  }
  std::ifstream stream(file, std::ios::binary);
  std::array<char, kMaxTokenBytes + 64> buffer{};  // a file that is no token is not read whole
  stream.read(buffer.data(), buffer.size());
  std::string_view secret(buffer.data(), static_cast<std::size_t>(stream.gcount()));
  if (stream.bad() || (secret.empty() && !stream.eof())) {
    return Status(StatusCode::kInvalidArgument, "the " + name + "'s file " + file +
                                                    " cannot be read; check name and permissions");
  }
  secret = secret.substr(0, secret.find_last_not_of(" \t\r\n") + 1);
  auto token = make_join_token(secret, what);
  OPENSSL_cleanse(buffer.data(), buffer.size());
  if (!token.ok()) {
    return Status(token.status().code(), file + ": " + token.status().message());
  }
  return token;
}

}  // namespace imgrec::net
