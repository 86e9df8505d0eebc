// The API's own description (OpenAPI 3.1), from openapi.json, which is built in.
//
// Thread rule: any thread. Owns: the text, for the life of the process.
#pragma once

#include <memory>
#include <string>

namespace imgrec::manager {

std::shared_ptr<const std::string> openapi_document();

}  // namespace imgrec::manager
