// `millrace user`: a line of a users file.
#pragma once

#include <string>

#include "base/env.h"

namespace millrace::app {

struct UserFlags {
  std::string name;
  std::string read, write, admin;  ///< patterns of streams, with commas
  std::string produce_rate, fetch_rate;
};

/// Reads the password, the first line of standard input, and prints the line.
int run_user(Env& env, const UserFlags& flags);

}  // namespace millrace::app
