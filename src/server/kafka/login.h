// Login: who is at the other end of a connection, and how far it is with proving it (SASL: PLAIN, RFC 4616, and SCRAM).
// The requests of a connection that change it come one after the other; any thread may ask who it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/kafka/errors.h"
#include "server/users.h"

namespace millrace::server::kafka {

class Login {
 public:
  /// `plain`: passwords may be sent as they are: the connection is encrypted, or does not leave this machine.
  Login(const Users& users, bool plain) : users_(users), plain_(plain) {}

  /// Null until the client has proved who it is.
  const User* user() const { return user_.load(); }

  std::vector<std::string> mechanisms() const;
  Code choose(std::string_view mechanism);

  struct Step {
    Code code = Code::kNone;
    std::string message;  ///< of an error
    std::string bytes;    ///< for the client
  };
  Step take(std::string_view bytes, Duration now);

 private:
  Step check_plain(std::string_view bytes, Duration now);
  Step check_scram(std::string_view bytes);

  const Users& users_;
  const bool plain_;
  std::atomic<const User*> user_{nullptr};
  std::string mechanism_;  ///< empty: none chosen
  std::optional<ScramExchange> exchange_;
  std::string name_;  ///< of the exchange
};

}  // namespace millrace::server::kafka
