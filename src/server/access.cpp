#include "server/access.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/config.h"
#include "base/text.h"
#include "formats/scalar_text.h"
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

/// Name and password of the scheme Basic (RFC 7617); nothing when it is another, or is not well-formed.
std::optional<std::pair<std::string, std::string>> basic_credentials(std::string_view authorization) {
  constexpr std::string_view kScheme = "basic ";
  if (authorization.size() < kScheme.size() || !iequals(authorization.substr(0, kScheme.size()), kScheme)) return {};
  std::string text;
  if (!formats::parse_base64(trim(authorization.substr(kScheme.size())), text)) return {};
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return {};
  return std::pair(text.substr(0, colon), text.substr(colon + 1));
}

Response unauthorized(const HttpOptions& options, bool presented) {
  const bool users = options.users != nullptr;
  const char* message = users && presented ? "this is no user with the right password"
                        : users            ? "a user's name and password are needed"
                        : presented        ? "the bearer token is not the right one"
                                           : "a bearer token is needed";
  const char* hint = users ? "send name and password as HTTP Basic does (curl -u NAME:PASSWORD)"
                           : "send the header Authorization: Bearer <token>";
  Response response = error_answer(401, user_error(kInvalidPassword, message).with_hint(hint));
  response.headers.emplace_back("WWW-Authenticate", users ? "Basic realm=\"millrace\"" : "Bearer realm=\"millrace\"");
  return response;
}

bool may(const User& user, Access access, const Request& request) {
  switch (access) {
    case Access::kAnyone:
    case Access::kUser: return true;
    case Access::kWrite: return user.may(Right::kWrite, request.parameter);
    case Access::kAdmin: return user.may_everything();
  }
  return false;
}

std::optional<Response> refuse_user(const HttpOptions& options, const Request& request, Access access, Duration now) {
  const auto credentials = basic_credentials(request.authorization);
  const User* user =
      credentials && options.users ? options.users->with_password(credentials->first, credentials->second, now) : nullptr;
  if (user == nullptr) return unauthorized(options, !request.authorization.empty());
  if (may(*user, access, request)) return std::nullopt;
  const std::string needed = access == Access::kWrite ? "write=" + request.parameter : "admin=*";
  return error_answer(403, user_error(kInsufficientPrivilege, "the user " + user->name() + " may not do that")
                               .with_hint("it takes the right " + needed + " in --users-file"));
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

std::optional<Response> refuse_access(const HttpOptions& options, const Request& request, Access access,
                                      Duration now) {
  if (!request.origin.empty() && !is_own_origin(request.origin, request.host)) {
    return error_answer(403, user_error(kInsufficientPrivilege, "the request comes from a web page of another site: " +
                                                                    shorten(request.origin)));
  }
  if (options.auth_token_hash || options.users) {
    if (access == Access::kAnyone) return std::nullopt;
    if (options.auth_token_hash && has_token(*options.auth_token_hash, request.authorization)) return std::nullopt;
    return refuse_user(options, request, access, now);
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
  if (options.auth_token_hash || options.users || options.insecure || is_loopback(options.host)) return {};
  return user_error(sqlstate::kInvalidParameter,
                    "--listen: others can reach this address, and no token is asked for: " +
                        (options.host.empty() ? "every address" : options.host))
      .with_hint("name a token file with --auth-token-file, or users with --users-file, or listen on 127.0.0.1; --insecure lets everybody in");
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
