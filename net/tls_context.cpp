#include "net/tls_context.h"

#include <openssl/ssl.h>

namespace imgrec::net {
namespace ssl = boost::asio::ssl;
using boost::system::error_code;

namespace {

Status cannot_use(const std::string& what, const std::string& file, const error_code& ec) {
  return Status(StatusCode::kInvalidArgument, "TLS: " + what + " " + file +
                                                  " cannot be used: " + ec.message() +
                                                  "; check that it is there, readable and PEM");
}

}  // namespace

TlsContext::TlsContext(Role role)
    : role_(role),
      context_(role == Role::kManager ? ssl::context::tls_server : ssl::context::tls_client) {}

Result<std::shared_ptr<const TlsContext>> TlsContext::load(Role role, const TlsFiles& files) {
  auto context = std::make_shared<TlsContext>(role);
  if (Status status = context->set_up(files); !status.ok()) return status;
  return std::shared_ptr<const TlsContext>(std::move(context));
}

Status TlsContext::set_up(const TlsFiles& files) {
  SSL_CTX* const native = context_.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(native, 0);  // each connection shows its certificates anew
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  error_code ec;
  if (!files.certificate.empty()) {
    context_.use_certificate_chain_file(files.certificate, ec);
    if (ec) return cannot_use("the certificate", files.certificate, ec);
    context_.use_private_key_file(files.key, ssl::context::pem, ec);
    if (ec) return cannot_use("the key", files.key, ec);
  } else if (role_ == Role::kManager) {
    return Status(StatusCode::kInvalidArgument, "TLS: a manager needs a certificate and its key");
  }
  if (!files.authorities.empty()) {
    context_.load_verify_file(files.authorities, ec);
    if (ec) return cannot_use("the file of authorities", files.authorities, ec);
  } else if (role_ == Role::kWorker) {
    context_.set_default_verify_paths(ec);
    if (ec) return cannot_use("the system's store of authorities", "", ec);
  }
  const bool verifies = role_ == Role::kWorker || !files.authorities.empty();
  context_.set_verify_mode(
      verifies ? ssl::verify_peer | ssl::verify_fail_if_no_peer_cert : ssl::verify_none, ec);
  return ec ? Status(StatusCode::kInternal, "TLS: " + ec.message()) : Status();
}

}  // namespace imgrec::net
