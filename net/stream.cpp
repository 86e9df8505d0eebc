#include "net/stream.h"

#include <cerrno>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

namespace imgrec::net {
namespace asio = boost::asio;

namespace {

constexpr std::size_t kWriteChunk = 1024 * 1024;  // per system call; Asio's own is 64 KiB
constexpr unsigned char kTlsHandshakeRecord = 0x16;

// The name is checked by OpenSSL itself, so that a wrong one has an error of its own.
bool expect_name(SSL* ssl, const std::string& name) {
  boost::system::error_code not_an_address;
  asio::ip::make_address(name, not_an_address);
  X509_VERIFY_PARAM* const parameters = SSL_get0_param(ssl);
  if (!not_an_address) return X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size()) == 1 &&
         SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
}

}  // namespace

struct Stream::Engine {
  Engine(Tcp::socket& socket, asio::ssl::context& context) : tls(socket, context) {}
  asio::ssl::stream<Tcp::socket&> tls;
};

Stream::Stream(Tcp::socket socket, std::shared_ptr<const TlsContext> tls)
    : socket_(std::move(socket)), tls_(std::move(tls)) {
  if (tls_) engine_ = std::make_unique<Engine>(socket_, tls_->context());
}

Stream::~Stream() = default;

void Stream::handshake(const std::string& server_name, HandshakeHandler handler) {
  if (!engine_) return handler(Status());
  if (tls_->role() == TlsContext::Role::kManager) return wait_for_first_byte(std::move(handler));
  begin_tls(server_name, std::move(handler));
}

// A worker without TLS would only see a connection that ends: its first byte shows what it is, and
// it is told.
void Stream::wait_for_first_byte(HandshakeHandler handler) {
  socket_.async_wait(
      Tcp::socket::wait_read,
      [self = shared_from_this(), handler = std::move(handler)](const ErrorCode& error) mutable {
        unsigned char first = kTlsHandshakeRecord;
        if (!error) {
          (void)::recv(self->socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
        }
        if (error || first == kTlsHandshakeRecord) {
          return self->begin_tls({}, std::move(handler));  // which reports the error
        }
        self->engine_.reset();
        handler(Status(StatusCode::kFailedPrecondition,
                       "the worker does not speak TLS, and this port takes nothing else: set "
                       "worker.tls at the worker"));
      });
}

void Stream::begin_tls(const std::string& server_name, HandshakeHandler handler) {
  const bool worker = tls_->role() == TlsContext::Role::kWorker;
  if (worker && !expect_name(engine_->tls.native_handle(), server_name)) {
    return handler(Status(StatusCode::kFailedPrecondition,
                          "TLS: \"" + server_name + "\" is no name that a certificate can have"));
  }
  engine_->tls.async_handshake(
      worker ? asio::ssl::stream_base::client : asio::ssl::stream_base::server,
      [self = shared_from_this(), handler = std::move(handler)](const ErrorCode& error) {
        handler(error ? Status(StatusCode::kFailedPrecondition,
                               "TLS handshake: " + self->explain(error, self->peer()))
                      : Status());
      });
}

void Stream::read_some(asio::mutable_buffer buffer, IoHandler handler) {
  auto held = [self = shared_from_this(), handler = std::move(handler)](
                  const ErrorCode& error, std::size_t bytes) { handler(error, bytes); };
  if (engine_) {
    engine_->tls.async_read_some(buffer, std::move(held));
  } else {
    socket_.async_read_some(buffer, std::move(held));
  }
}

void Stream::write(const std::vector<asio::const_buffer>& buffers, IoHandler handler) {
  auto held = [self = shared_from_this(), handler = std::move(handler)](
                  const ErrorCode& error, std::size_t bytes) { handler(error, bytes); };
  const auto chunk = [](const ErrorCode& error, std::size_t) -> std::size_t {
    return error ? 0 : kWriteChunk;
  };
  if (engine_) {
    asio::async_write(engine_->tls, buffers, chunk, std::move(held));
  } else {
    asio::async_write(socket_, buffers, chunk, std::move(held));
  }
}

void Stream::shut_down_sending() {
  ErrorCode ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

void Stream::close() {
  ErrorCode ignored;
  socket_.close(ignored);
}

std::string_view Stream::peer() const {
  return tls_->role() == TlsContext::Role::kWorker ? "the manager" : "the worker";
}

bool Stream::is_end(const ErrorCode& error) {
  return error == asio::error::eof || error == asio::ssl::error::stream_truncated;
}

std::string Stream::explain(const ErrorCode& error, std::string_view peer) const {
  const std::string who(peer);
  if (is_end(error)) {
    return who + " closed the connection";
  }
  if (error.category() != asio::error::get_ssl_category()) return error.message();
  switch (ERR_GET_REASON(static_cast<unsigned long>(error.value()))) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return who + " does not speak TLS: configure it on both sides, or on none";
    case SSL_R_CERTIFICATE_VERIFY_FAILED: {
      const long why = engine_ ? SSL_get_verify_result(engine_->tls.native_handle()) : X509_V_OK;
      return "the certificate of " + who +
             " is not accepted: " + X509_verify_cert_error_string(why);
    }
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return who +
             " shows no certificate, and workers need one here: set worker.tls-cert and "
             "worker.tls-key at the worker";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return who + " requires a certificate: set worker.tls-cert and worker.tls-key";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return who + " does not accept our certificate: " + error.message();
    default:
      return error.message();
  }
}

}  // namespace imgrec::net
