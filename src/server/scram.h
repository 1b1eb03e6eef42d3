// SCRAM: passwords that a server can check and does not know (RFC 5802, RFC 7677).
//
// What is kept of a password is a verifier, written as PostgreSQL does: SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY,
// its three values base64. Who reads it can neither log in with it nor read the password from it. The same verifier
// checks a password that a client sends as it is (SASL/PLAIN, HTTP Basic).
//
// Passwords and names are compared byte for byte: SASLprep is not applied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::server {

enum class ScramHash : uint8_t { kSha256, kSha512 };

/// "SCRAM-SHA-256", the name of the mechanism.
std::string_view name_of(ScramHash hash);
std::optional<ScramHash> scram_hash_of(std::string_view mechanism);

struct ScramVerifier {
  ScramHash hash = ScramHash::kSha256;
  int32_t iterations = 0;
  std::string salt, stored_key, server_key;  ///< bytes
};

inline constexpr int32_t kScramIterations = 8192;  ///< of new verifiers
inline constexpr int32_t kScramIterationsMin = 4096;
inline constexpr int32_t kScramIterationsMax = 1 << 20;

ScramVerifier make_verifier(ScramHash hash, std::string_view password, std::string_view salt,
                            int32_t iterations = kScramIterations);
std::string render(const ScramVerifier& verifier);
/// kInvalidText when it is none.
Result<ScramVerifier> parse_verifier(std::string_view text);
/// In time that does not depend on where they differ. Costs what logging in costs a client, about 2 ms.
bool has_password(const ScramVerifier& verifier, std::string_view password);

/// What the first message of a client says.
struct ScramFirst {
  std::string user;
  std::string nonce;
  std::string header;  ///< of channel binding; the last message repeats it
  std::string bare;    ///< what follows the header: part of what is signed
};
/// kInvalidText for bytes that are none, or that ask for channel binding.
Result<ScramFirst> parse_scram_first(std::string_view message);

/// One login, the server's side of it.
class ScramExchange {
 public:
  /// `server_nonce`: printable, without a comma. `known`: false makes every proof wrong (there is no such user).
  ScramExchange(ScramFirst first, ScramVerifier verifier, std::string_view server_nonce, bool known);
  /// The answer to the client's first message.
  const std::string& challenge() const { return challenge_; }
  /// The answer to the client's last message, which proves us to the client; nothing when it does not prove the client.
  std::optional<std::string> verify(std::string_view last) const;

 private:
  const ScramFirst first_;
  const ScramVerifier verifier_;
  const bool known_;
  std::string nonce_;
  std::string challenge_;
};

}  // namespace millrace::server
