// YAML text that may be wrong or hostile, read as one document.
//
// yaml-cpp's own LoadAll never ends on some short texts ("[1], 2]" is empty documents without
// number to it) and takes all memory; its Load ignores what stands behind the first document.
//
// Thread rule: a pure function. Owns: nothing.
#pragma once

#include <optional>
#include <string>

#include <yaml-cpp/yaml.h>

namespace imgrec {

// The document, a null node for a text without any, or nullopt for more than one.
// Throws YAML::Exception where the text is no YAML.
std::optional<YAML::Node> load_one_yaml_document(const std::string& text);

}  // namespace imgrec
