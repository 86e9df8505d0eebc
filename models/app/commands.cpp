#include "models/app/commands.h"

#include <iostream>

namespace imgrec::models {

int complain(const Status& status, int code) {
  std::cout << std::flush;
  std::cerr << "imgrec-model: " << status.message() << "\n";
  if (code == kWrongUsage) std::cerr << "imgrec-model COMMAND --help says how it is used\n";
  return code;
}

}  // namespace imgrec::models
