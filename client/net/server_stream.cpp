#include "client/net/server_stream.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace imgrec::client {
namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

namespace {

int resolving = 0;  // of the one network thread

class Connector : public std::enable_shared_from_this<Connector> {
 public:
  Connector(asio::io_context& io, std::shared_ptr<const ServerAccess> access,
            ConnectHandler handler)
      : access_(std::move(access)),
        handler_(std::move(handler)),
        resolver_(io),
        deadline_(io),
        stream_(io, access_->tls.get()) {}

  void start() {
    deadline_.expires_after(access_->patience);
    deadline_.async_wait([self = shared_from_this()](error_code ec) {
      if (ec) return;
      self->resolver_.cancel();
      self->fail(self->connected_ ? "it does not complete the TLS handshake"
                                  : "it does not answer");
    });
    ++resolving;
    resolver_.async_resolve(access_->url.host, access_->url.port,
                            [self = shared_from_this()](error_code ec, const auto& found) {
                              --resolving;
                              if (ec) return self->fail(ec.message());
                              self->connect(found);
                            });
  }

 private:
  void connect(const Tcp::resolver::results_type& found) {
    if (!handler_) return;
    asio::async_connect(stream_.next_layer(), found,
                        [self = shared_from_this()](error_code ec, const Tcp::endpoint&) {
                          if (ec) return self->fail(ec.message());
                          self->connected_ = true;
                          self->shake_hands();
                        });
  }

  void shake_hands() {
    if (!handler_) return;
    error_code ignored;
    stream_.next_layer().set_option(Tcp::no_delay(true), ignored);
    auto* const tls = stream_.tls();
    if (tls == nullptr) return succeed();
    const std::string& host = access_->url.host;
    error_code not_an_address;
    asio::ip::make_address(host, not_an_address);
    if (not_an_address && SSL_set_tlsext_host_name(tls->native_handle(), host.c_str()) != 1) {
      return fail("its name is none that a certificate can have");
    }
    tls->set_verify_callback(asio::ssl::host_name_verification(host));
    tls->async_handshake(asio::ssl::stream_base::client,
                         [self = shared_from_this()](error_code ec) {
                           if (ec) return self->no_handshake(ec);
                           self->succeed();
                         });
  }

  void no_handshake(error_code ec) {
    const bool untrusted =
        ec.category() == asio::error::get_ssl_category() &&
        ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (!untrusted) return fail("TLS: " + ec.message());
    const long why = SSL_get_verify_result(stream_.tls()->native_handle());
    finish({FailureKind::kRefused, "certificate",
            access_->url.text() +
                ": its certificate is not accepted: " + X509_verify_cert_error_string(why) +
                "; give the authority that vouches for it with --ca"});
  }

  void succeed() {
    deadline_.cancel();
    if (!handler_) return;
    std::exchange(handler_, nullptr)(std::move(stream_));
  }

  void fail(const std::string& what) { finish(network_failure(*access_, what)); }

  void finish(Failure failure) {
    deadline_.cancel();
    stream_.close();
    if (!handler_) return;
    std::exchange(handler_, nullptr)(std::move(failure));
  }

  const std::shared_ptr<const ServerAccess> access_;
  ConnectHandler handler_;
  Tcp::resolver resolver_;
  asio::steady_timer deadline_;
  ServerStream stream_;
  bool connected_ = false;
};

}  // namespace

Result<std::shared_ptr<asio::ssl::context>> load_authorities(const std::string& file) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  error_code ec;
  if (file.empty()) {
    context->set_default_verify_paths(ec);
  } else {
    context->load_verify_file(file, ec);
  }
  if (!ec) context->set_verify_mode(asio::ssl::verify_peer, ec);
  if (!ec) return context;
  return Status(StatusCode::kInvalidArgument,
                file.empty() ? "the system's authorities cannot be used: " + ec.message()
                             : file + " cannot be used as a file of authorities: " + ec.message() +
                                   "; check that it is there, readable and PEM");
}

void connect_to_server(asio::io_context& io, std::shared_ptr<const ServerAccess> access,
                       ConnectHandler handler) {
  std::make_shared<Connector>(io, std::move(access), std::move(handler))->start();
}

Failure network_failure(const ServerAccess& access, const std::string& what) {
  return {FailureKind::kNetwork, "network", access.url.text() + ": " + what};
}

int resolving_now() { return resolving; }

}  // namespace imgrec::client
