#include "manager/app/digest.h"

#include <array>
#include <cstdlib>
#include <memory>

#include <openssl/evp.h>
#include <xxhash.h>

namespace imgrec::manager {

namespace {

// What goes into a digest before a part: no other division of the same bytes gives the same.
std::string length_of(std::string_view part) { return std::to_string(part.size()) + ":"; }

}  // namespace

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::string sha256_hex(std::span<const std::string_view> parts) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  // OpenSSL fails at none of these unless memory is out.
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) std::abort();
  for (const std::string_view part : parts) {
    const std::string length = length_of(part);
    EVP_DigestUpdate(context.get(), length.data(), length.size());
    EVP_DigestUpdate(context.get(), part.data(), part.size());
  }
  std::array<unsigned char, 32> digest{};
  if (EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) std::abort();
  return hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string sha256_hex(std::initializer_list<std::string_view> parts) {
  return sha256_hex(std::span(parts.begin(), parts.size()));
}

std::string xxh3_hex(std::span<const std::string_view> parts) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                       &XXH3_freeState);
  if (!state || XXH3_128bits_reset(state.get()) != XXH_OK) std::abort();  // memory is out
  for (const std::string_view part : parts) {
    const std::string length = length_of(part);
    XXH3_128bits_update(state.get(), length.data(), length.size());
    XXH3_128bits_update(state.get(), part.data(), part.size());
  }
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(state.get()));
  return hex({reinterpret_cast<const char*>(digest.digest), sizeof digest.digest});
}

}  // namespace imgrec::manager
