// Transport: a connection's bytes, in the clear or through TLS, as an asynchronous stream of Boost.Asio. Private to
// server/: includes Boost.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace millrace::server {

/// TLS 1.2 or later with this certificate (PEM, with those that lead to its root behind it) and key (PEM). Errors name
/// the flags that begin with `flag`.
Result<std::unique_ptr<boost::asio::ssl::context>> make_tls_context(Env& env, const std::string& flag,
                                                                    const std::string& certificate_file,
                                                                    const std::string& key_file);

class Transport {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;

  /// `tls` null: in the clear; else it outlives the transport.
  Transport(Socket socket, boost::asio::ssl::context* tls) : socket_(std::move(socket)) {
    if (tls != nullptr) tls_ = std::make_unique<boost::asio::ssl::stream<Socket&>>(socket_, *tls);
  }

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }
  bool encrypted() const { return tls_ != nullptr; }

  /// Once, before anything is read. Nothing to do in the clear.
  template <typename Token>
  auto async_handshake(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [this](auto handler) {
          if (tls_) return tls_->async_handshake(boost::asio::ssl::stream_base::server, std::move(handler));
          boost::asio::post(get_executor(), [handler = std::move(handler)]() mutable {
            std::move(handler)(boost::system::error_code());
          });
        },
        token);
  }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, size_t)>(
        [this](auto handler, const Buffers& into) {
          tls_ ? tls_->async_read_some(into, std::move(handler)) : socket_.async_read_some(into, std::move(handler));
        },
        token, buffers);
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, size_t)>(
        [this](auto handler, const Buffers& from) {
          tls_ ? tls_->async_write_some(from, std::move(handler)) : socket_.async_write_some(from, std::move(handler));
        },
        token, buffers);
  }

 private:
  Socket socket_;
  std::unique_ptr<boost::asio::ssl::stream<Socket&>> tls_;
};

}  // namespace millrace::server
