// Users: who may connect by password, and what each of them may do with which streams. One list for all listeners.
//
// The file has a line for each user (docs/security.md):
//
//   alice SCRAM-SHA-256$8192:…$…:… SCRAM-SHA-512$… read=orders,clicks_* write=orders admin=logs fetch_rate=10MB
//
// A pattern is a name, or what a name begins with and a star. admin on a stream includes read and write; admin=* is
// who may do everything: SQL, savepoints, settings. Rates are bytes a second, for Kafka clients. An empty line and a line that begins with # say nothing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "server/byte_rate.h"
#include "server/scram.h"

namespace millrace::server {

enum class Right : uint8_t { kRead, kWrite, kAdmin };

class User {
 public:
  const std::string& name() const { return name_; }
  bool may(Right right, std::string_view stream) const;
  /// Some right on it: then its existence is no secret.
  bool may_see(std::string_view stream) const;
  bool may_everything() const;

  ByteRate& produce_rate() const { return *produce_rate_; }
  ByteRate& fetch_rate() const { return *fetch_rate_; }

 private:
  friend class Users;
  struct Grant {
    Right right;
    std::string pattern;  ///< lower case; a star only at its end
  };
  std::string name_;
  std::vector<ScramVerifier> verifiers_;
  std::vector<Grant> grants_;
  std::unique_ptr<ByteRate> produce_rate_ = std::make_unique<ByteRate>();
  std::unique_ptr<ByteRate> fetch_rate_ = std::make_unique<ByteRate>();
};

class Users {
 public:
  /// kInvalidText with the number of the line.
  static Result<std::unique_ptr<Users>> parse(std::string_view text);
  /// --users-file.
  static Result<std::unique_ptr<Users>> read(Env& env, const std::string& path);

  /// The user with this password, else null. An unknown name costs as much time as a wrong password. What was right is
  /// remembered (as a keyed hash), so that a client that shows it with each request does not pay for it each time.
  /// After some wrong ones in a row, others are not tried for a while (a minute at most); `now` is monotonic.
  const User* with_password(std::string_view name, std::string_view password, Duration now) const;

  /// A login by SCRAM. Of an unknown name all proofs are wrong, which its challenge does not give away.
  ScramExchange begin(ScramHash hash, ScramFirst first) const;
  const User* find(std::string_view name) const;

 private:
  Users();
  Status add_line(std::string_view line);
  static Status add_word(User& user, std::string_view word);
  const ScramVerifier* verifier_of(const User* user, ScramHash hash) const;
  std::string seal(std::string_view name, std::string_view password) const;

  std::vector<std::unique_ptr<User>> users_;
  const std::string secret_;  ///< of this process
  const std::array<ScramVerifier, 2> nobodys_;  ///< by ScramHash

  struct Memory {
    std::string seal;       ///< of the password that was right; empty: none yet
    uint32_t failures = 0;  ///< in a row
    Duration blocked_until;
  };
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Memory> memories_;  ///< of users by name, "" of all unknown; guarded by mutex_
};

}  // namespace millrace::server
