// Which model folder a worker opens where nobody named one.
//
// Thread rule: free function; looks at the file system.
// Owns: nothing.
#pragma once

#include <filesystem>
#include <string>

namespace imgrec::worker {

// `configured`, where it is not empty, whatever is there. Else models/googlenet below the current
// directory, as models/get-googlenet.sh makes it. Else the model installed with the program, in
// ../share/imgrec/models of `program_dir`. Where none of them is there, the first, for the error.
std::filesystem::path choose_model(const std::string& configured,
                                   const std::filesystem::path& program_dir);

}  // namespace imgrec::worker
