// TLS settings of one end of the worker link: certificates, authorities, TLS 1.3 and nothing older.
//
// Thread rule: made at start; immutable afterwards, so streams on any thread may share it.
// Owns: OpenSSL's context. The key is read once and not kept in any other form.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>

#include "proto/status.h"

namespace imgrec::net {

// Files in PEM. What is empty is not given.
struct TlsFiles {
  std::string certificate;  // ours, followed by those between it and its authority
  std::string key;          // of our certificate; without a passphrase
  std::string authorities;  // whose certificates we accept from the other side
};

class TlsContext {
 public:
  enum class Role { kManager, kWorker };

  // A manager needs certificate and key; with authorities it requires a certificate of every
  // worker. A worker without authorities trusts the system's. Errors are kInvalidArgument and name
  // the file and what is wrong with it.
  static Result<std::shared_ptr<const TlsContext>> load(Role role, const TlsFiles& files);

  explicit TlsContext(Role role);
  Role role() const { return role_; }
  // Asio takes it by reference to make streams of it, which does not change it.
  boost::asio::ssl::context& context() const { return context_; }

 private:
  Status set_up(const TlsFiles& files);

  Role role_;
  mutable boost::asio::ssl::context context_;
};

}  // namespace imgrec::net
