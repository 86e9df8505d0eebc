// A YAML file of links:
//
//   links:
//     - name: site1
//       a: manager:site1:10.10.1.1/30
//       b: site1:eth1:10.10.1.2/30
//       delay: 50ms
//       loss: 1%
//       b-to-a: {rate: 10mbit}
//
// Thread rule: pure functions over their arguments, and one file. Owns nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "link/app/link_config.h"
#include "proto/status.h"

namespace imgrec::link {

bool is_link_name(std::string_view name);

// What a link does not say is as in `defaults`; its seed, then, is that one plus its number from 0.
// Unknown keys, keys given twice and wrong values are errors that name file, line and key.
Result<std::vector<LinkConfig>> parse_link_file(const std::string& path, const std::string& text,
                                                const LinkConfig& defaults);
Result<std::vector<LinkConfig>> read_link_file(const std::string& path, const LinkConfig& defaults);

}  // namespace imgrec::link
