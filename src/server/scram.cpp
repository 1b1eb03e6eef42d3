#include "server/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <charconv>

#include "base/text.h"
#include "formats/scalar_format.h"
#include "formats/scalar_text.h"

namespace millrace::server {
namespace {

const EVP_MD* digest_of(ScramHash hash) { return hash == ScramHash::kSha256 ? EVP_sha256() : EVP_sha512(); }
size_t bytes_of(ScramHash hash) { return hash == ScramHash::kSha256 ? 32 : 64; }

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string hash_with(ScramHash hash, std::string_view text) {
  std::string out(bytes_of(hash), '\0');
  MR_CHECK(EVP_Digest(text.data(), text.size(), bytes(out), nullptr, digest_of(hash), nullptr) == 1, "no digest");
  return out;
}

std::string sign(ScramHash hash, std::string_view key, std::string_view text) {
  std::string out(bytes_of(hash), '\0');
  MR_CHECK(HMAC(digest_of(hash), key.data(), static_cast<int>(key.size()), bytes(text), text.size(), bytes(out),
                nullptr) != nullptr,
           "no HMAC");
  return out;
}

std::string salted(ScramHash hash, std::string_view password, std::string_view salt, int32_t iterations) {
  std::string out(bytes_of(hash), '\0');
  MR_CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt),
                             static_cast<int>(salt.size()), iterations, digest_of(hash), static_cast<int>(out.size()),
                             bytes(out)) == 1,
           "no PBKDF2");
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_base64(std::string_view text) {
  std::string out;
  formats::append_base64(out, text);
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  if (!formats::parse_base64(text, out)) return std::nullopt;
  return out;
}

/// A name in a message: a comma is =2C, an equals sign =3D, and nothing else begins with one.
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out.push_back(text[i]);
      continue;
    }
    const std::string_view code = text.substr(i + 1, 2);
    if (code != "2C" && code != "3D") return std::nullopt;
    out.push_back(code == "2C" ? ',' : '=');
    i += 2;
  }
  return out;
}

Error no_verifier() {
  return user_error(sqlstate::kInvalidText, "this is no verifier of a password")
      .with_hint("one looks like SCRAM-SHA-256$8192:SALT$STOREDKEY:SERVERKEY; `millrace user` makes it");
}

Error bad_message(std::string why) {
  return user_error(sqlstate::kInvalidText, "a SCRAM message of the client cannot be read: " + std::move(why));
}

}  // namespace

std::string_view name_of(ScramHash hash) { return hash == ScramHash::kSha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512"; }

std::optional<ScramHash> scram_hash_of(std::string_view mechanism) {
  for (ScramHash hash : {ScramHash::kSha256, ScramHash::kSha512}) {
    if (mechanism == name_of(hash)) return hash;
  }
  return std::nullopt;
}

ScramVerifier make_verifier(ScramHash hash, std::string_view password, std::string_view salt, int32_t iterations) {
  const std::string key = salted(hash, password, salt, iterations);
  return {hash, iterations, std::string(salt), hash_with(hash, sign(hash, key, "Client Key")),
          sign(hash, key, "Server Key")};
}

std::string render(const ScramVerifier& verifier) {
  return std::string(name_of(verifier.hash)) + "$" + std::to_string(verifier.iterations) + ":" +
         to_base64(verifier.salt) + "$" + to_base64(verifier.stored_key) + ":" + to_base64(verifier.server_key);
}

Result<ScramVerifier> parse_verifier(std::string_view text) {
  const std::vector<std::string_view> parts = split_view(text, '$');
  if (parts.size() != 3) return no_verifier();
  const std::optional<ScramHash> hash = scram_hash_of(parts[0]);
  const std::vector<std::string_view> salted = split_view(parts[1], ':'), keys = split_view(parts[2], ':');
  if (!hash || salted.size() != 2 || keys.size() != 2) return no_verifier();
  ScramVerifier verifier;
  verifier.hash = *hash;
  const char* end = salted[0].data() + salted[0].size();
  const auto read = std::from_chars(salted[0].data(), end, verifier.iterations);
  const bool in_range =
      verifier.iterations >= kScramIterationsMin && verifier.iterations <= kScramIterationsMax;
  const auto salt = from_base64(salted[1]), stored = from_base64(keys[0]), server = from_base64(keys[1]);
  if (read.ec != std::errc() || read.ptr != end || !in_range || !salt || salt->empty() || !stored || !server)
    return no_verifier();
  if (stored->size() != bytes_of(*hash) || server->size() != bytes_of(*hash)) return no_verifier();
  verifier.salt = *salt;
  verifier.stored_key = *stored;
  verifier.server_key = *server;
  return verifier;
}

bool has_password(const ScramVerifier& verifier, std::string_view password) {
  const ScramVerifier made = make_verifier(verifier.hash, password, verifier.salt, verifier.iterations);
  return equal_in_constant_time(made.stored_key, verifier.stored_key);
}

Result<ScramFirst> parse_scram_first(std::string_view message) {
  // gs2-header: "n,," or "y,,", perhaps with a name to act for, which we do not know.
  if (!message.starts_with("n,") && !message.starts_with("y,")) return bad_message("it asks for channel binding");
  const size_t bare = message.find(',', 2);
  if (bare == std::string_view::npos) return bad_message("it is too short");
  const std::string_view acts_for = message.substr(2, bare - 2);
  ScramFirst first;
  first.header = message.substr(0, bare + 1);
  first.bare = message.substr(bare + 1);
  const std::vector<std::string_view> parts = split_view(first.bare, ',');
  if (parts.size() < 2 || !parts[0].starts_with("n=") || !parts[1].starts_with("r="))
    return bad_message("it has no name and nonce");
  const std::optional<std::string> user = unescape(parts[0].substr(2));
  if (!user || user->empty()) return bad_message("its name is not well-formed");
  if (!acts_for.empty() && acts_for != "a=" + std::string(parts[0].substr(2)))
    return bad_message("it wants to act for another user");
  first.user = *user;
  first.nonce = parts[1].substr(2);
  if (first.nonce.empty()) return bad_message("its nonce is empty");
  return first;
}

ScramExchange::ScramExchange(ScramFirst first, ScramVerifier verifier, std::string_view server_nonce, bool known)
    : first_(std::move(first)), verifier_(std::move(verifier)), known_(known) {
  nonce_ = first_.nonce + std::string(server_nonce);
  challenge_ = "r=" + nonce_ + ",s=" + to_base64(verifier_.salt) + ",i=" + std::to_string(verifier_.iterations);
}

std::optional<std::string> ScramExchange::verify(std::string_view last) const {
  const size_t proof_at = last.rfind(",p=");
  if (proof_at == std::string_view::npos) return std::nullopt;
  const std::string_view unproved = last.substr(0, proof_at);
  const std::vector<std::string_view> parts = split_view(unproved, ',');
  if (parts.size() < 2 || !parts[0].starts_with("c=") || parts[1] != "r=" + nonce_) return std::nullopt;
  if (from_base64(parts[0].substr(2)) != first_.header) return std::nullopt;
  std::optional<std::string> proof = from_base64(last.substr(proof_at + 3));
  if (!proof || proof->size() != bytes_of(verifier_.hash)) return std::nullopt;
  const std::string signed_text = first_.bare + "," + challenge_ + "," + std::string(unproved);
  const std::string signature = sign(verifier_.hash, verifier_.stored_key, signed_text);
  for (size_t i = 0; i < proof->size(); ++i) (*proof)[i] = static_cast<char>((*proof)[i] ^ signature[i]);
  const bool right = equal_in_constant_time(hash_with(verifier_.hash, *proof), verifier_.stored_key);
  if (!right || !known_) return std::nullopt;
  return "v=" + to_base64(sign(verifier_.hash, verifier_.server_key, signed_text));
}

}  // namespace millrace::server
