#include "net/random_id.h"

#include <random>
#include <string_view>

namespace imgrec::net {

std::string random_id() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device device;
  std::string id;
  while (id.size() < 32) id += kDigits[device() & 15];
  return id;
}

}  // namespace imgrec::net
