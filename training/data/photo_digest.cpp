#include "training/data/photo_digest.h"

#include <string_view>

#include "worker/inference/model_folder.h"

namespace imgrec::training {
namespace {

template <class T>
std::string sum_of(const std::vector<T>& values) {
  return worker::sha256_hex(
      {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

}  // namespace

Result<std::string> digest_of(const Photos& photos, const Split& split) {
  std::string digest = worker::sha256_hex(sum_of(photos.pixels) + sum_of(photos.labels) +
                                          sum_of(split.train) + sum_of(split.held_out));
  if (digest.empty()) return Status(StatusCode::kInternal, "OpenSSL does not offer SHA-256 here");
  return digest;
}

}  // namespace imgrec::training
