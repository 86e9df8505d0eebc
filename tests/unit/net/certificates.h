// A folder with authorities and certificates, made once by tests/support/make_certificates.sh.
//
// Thread rule: the test's thread. Owns: the folder, until it ends.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "net/stream.h"

namespace imgrec::testing {

class Certificates {
 public:
  // `repository`: its folder.
  explicit Certificates(const std::string& repository) {
    std::string pattern = (std::filesystem::temp_directory_path() / "imgrec-tls-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    const std::string command = "bash " + repository + "/tests/support/make_certificates.sh " +
                                folder_ + " >" + folder_ + "/log 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << "see " << folder_ << "/log";
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  // `ours`: "manager" for manager.pem and manager.key; `authority`: "ca" for ca.pem; or empty.
  net::TlsFiles files(const std::string& ours, const std::string& authority) const {
    return {ours.empty() ? "" : file(ours + ".pem"), ours.empty() ? "" : file(ours + ".key"),
            authority.empty() ? "" : file(authority + ".pem")};
  }

 private:
  std::string folder_;
};

}  // namespace imgrec::testing
