// `millrace verify`: is a data directory as it was written?
#pragma once

#include <string>

#include "base/env.h"

namespace millrace::app {

struct VerifyFlags {
  std::string data;
  bool repair = false;
};

/// Exit code 1 when there is damage (left).
int run_verify(Env& env, const VerifyFlags& flags);

}  // namespace millrace::app
