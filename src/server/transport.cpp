#include "server/transport.h"

#include <openssl/err.h>

namespace millrace::server {

namespace asio = boost::asio;

namespace {

Error unusable(const std::string& flag, const std::string& file, const boost::system::error_code& failed) {
  ERR_clear_error();
  return user_error(sqlstate::kInvalidParameter, flag + ": " + file + " cannot be used: " + failed.message());
}

}  // namespace

Result<std::unique_ptr<asio::ssl::context>> make_tls_context(Env& env, const std::string& flag,
                                                             const std::string& certificate_file,
                                                             const std::string& key_file) {
  const std::string certificate_flag = flag + "-cert", key_flag = flag + "-key";
  if (certificate_file.empty() != key_file.empty()) {
    return user_error(sqlstate::kInvalidParameter, certificate_flag + " and " + key_flag + " go together");
  }
  auto certificate = env.files().read_all(certificate_file);
  if (!certificate.ok()) return std::move(certificate).error().within(certificate_flag);
  auto key = env.files().read_all(key_file);
  if (!key.ok()) return std::move(key).error().within(key_flag);
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                       asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
  boost::system::error_code failed;
  context->use_certificate_chain(asio::buffer(*certificate), failed);
  if (failed) return unusable(certificate_flag, certificate_file, failed);
  context->use_private_key(asio::buffer(*key), asio::ssl::context::pem, failed);
  if (failed) return unusable(key_flag, key_file, failed);
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    ERR_clear_error();
    return user_error(sqlstate::kInvalidParameter, key_flag + ": the key does not belong to the certificate");
  }
  return context;
}

}  // namespace millrace::server
