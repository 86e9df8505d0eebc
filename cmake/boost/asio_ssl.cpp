// The same of its TLS streams, apart: who speaks no TLS links no OpenSSL.
#include <boost/asio/ssl/impl/src.hpp>
