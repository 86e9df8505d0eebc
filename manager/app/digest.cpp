#include "manager/app/digest.h"

#include <array>
#include <cstdlib>
#include <memory>

#include <openssl/evp.h>

namespace imgrec::manager {

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
    const std::string length = std::to_string(part.size()) + ":";
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

}  // namespace imgrec::manager
