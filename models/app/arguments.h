// The command line of imgrec-model: flags with values, switches, and the rest.
//
// Thread rule: used at start, from one thread.
// Owns: its texts.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/status.h"

namespace imgrec::models {

class Arguments {
 public:
  struct Syntax {
    std::vector<std::string_view> values = {};    // "--out DIR" or "--out=DIR"
    std::vector<std::string_view> switches = {};  // "--force"
    std::vector<std::string_view> required = {};  // of `values`
    std::size_t min_operands = 0;
    std::size_t max_operands = 0;
    std::string_view operand = "FILE";  // what the rest is, for messages
  };

  // `words`: what follows the command's name. After "--" everything is an operand.
  static Result<Arguments> parse(const std::vector<std::string>& words, const Syntax& syntax);

  bool has(std::string_view name) const { return flags_.contains(std::string(name)); }
  std::string value(std::string_view name, std::string fallback = {}) const;
  const std::vector<std::string>& operands() const { return operands_; }

 private:
  std::map<std::string, std::string> flags_;
  std::vector<std::string> operands_;
};

// "--resize 256x256": two whole numbers from 1 to 8192.
Result<std::pair<unsigned, unsigned>> parse_size(std::string_view name, const std::string& text);
// "--mean 104,117,123".
Result<std::vector<double>> parse_numbers(std::string_view name, const std::string& text,
                                          std::size_t count);
Result<unsigned> parse_count(std::string_view name, const std::string& text, unsigned min,
                             unsigned max);

}  // namespace imgrec::models
