// Doing something in another network namespace: what is opened there stays there.
//
// Thread rule: changes the calling thread's namespace while it runs. Owns nothing.
#pragma once

#include <functional>
#include <string>

#include "proto/status.h"

namespace imgrec::link {

// Calls `work` in the namespace that `path` is the file of; an empty path is the present one. The
// thread is back in its own when this returns; where it cannot go back, the program ends.
Status in_network_namespace(const std::string& path, const std::function<Status()>& work);

}  // namespace imgrec::link
