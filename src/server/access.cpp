#include "server/access.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/config.h"
#include "base/text.h"
#include "server/error_answer.h"

namespace millrace::server {
namespace {

constexpr const char* kInvalidPassword = "28P01";
constexpr const char* kInsufficientPrivilege = "42501";
constexpr std::string_view kHashPrefix = "sha256:";
constexpr size_t kTokenBytesMin = 16;

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  c = to_lower_ascii(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Result<TokenHash> parse_hash(std::string_view hex) {
  TokenHash hash{};
  bool good = hex.size() == hash.size() * 2;
  for (size_t i = 0; good && i < hash.size(); ++i) {
    int high = hex_digit(hex[2 * i]);
    int low = hex_digit(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    hash[i] = static_cast<uint8_t>(high * 16 + low);
  }
  if (!good)
    return user_error(sqlstate::kInvalidParameter, "--auth-token-file: sha256: is not followed by 64 hex digits");
  return hash;
}

bool has_token(const TokenHash& wanted, std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size() || !iequals(authorization.substr(0, kScheme.size()), kScheme)) return false;
  TokenHash presented = hash_token(trim(authorization.substr(kScheme.size())));
  return CRYPTO_memcmp(presented.data(), wanted.data(), wanted.size()) == 0;
}

Response unauthorized(bool presented) {
  Error error =
      user_error(kInvalidPassword, presented ? "the bearer token is not the right one" : "a bearer token is needed");
  Response response = error_answer(401, std::move(error).with_hint("send the header Authorization: Bearer <token>"));
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"millrace\"");
  return response;
}

std::string_view host_without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

bool is_own_origin(std::string_view origin, std::string_view host) {
  size_t slashes = origin.find("://");
  return slashes != std::string_view::npos && iequals(origin.substr(slashes + 3), host);
}

bool is_loopback(std::string_view host) { return Endpoint{std::string(host), 0}.is_loopback(); }

}  // namespace

TokenHash hash_token(std::string_view token) {
  TokenHash hash{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash.data());
  return hash;
}

std::optional<Response> refuse_access(const HttpOptions& options, const Request& request, bool needs_token) {
  if (!request.origin.empty() && !is_own_origin(request.origin, request.host)) {
    return error_answer(403, user_error(kInsufficientPrivilege, "the request comes from a web page of another site: " +
                                                                    shorten(request.origin)));
  }
  if (options.auth_token_hash) {
    if (!needs_token || has_token(*options.auth_token_hash, request.authorization)) return std::nullopt;
    return unauthorized(!request.authorization.empty());
  }
  if (is_loopback(options.host) && !request.host.empty() &&
      !is_loopback(to_lower_ascii(host_without_port(request.host)))) {
    return error_answer(
        403, user_error(kInsufficientPrivilege, "the request asks for another host: " + shorten(request.host))
                 .with_hint("use localhost; for other names start the node with --auth-token-file"));
  }
  return std::nullopt;
}

Status check_listen_allowed(const HttpOptions& options) {
  if (options.auth_token_hash || options.insecure || is_loopback(options.host)) return {};
  return user_error(sqlstate::kInvalidParameter,
                    "--listen: others can reach this address, and no token is asked for: " +
                        (options.host.empty() ? "every address" : options.host))
      .with_hint("name a token file with --auth-token-file, or listen on 127.0.0.1; --insecure lets everybody in");
}

Result<TokenHash> read_auth_token(Env& env, const std::string& path) {
  auto text = env.files().read_all(path);
  if (!text.ok()) return std::move(text).error().within("--auth-token-file");
  std::string_view line = trim(*text);
  if (line.starts_with(kHashPrefix)) return parse_hash(line.substr(kHashPrefix.size()));
  if (line.find_first_of(" \t\r\n") != std::string_view::npos) {
    return user_error(sqlstate::kInvalidParameter, "--auth-token-file holds more than one word: " + path);
  }
  if (line.size() < kTokenBytesMin) {
    return user_error(sqlstate::kInvalidParameter,
                      "--auth-token-file holds a token of less than 16 characters: " + path)
        .with_hint("make one: openssl rand -hex 32");
  }
  return hash_token(line);
}

}  // namespace millrace::server
