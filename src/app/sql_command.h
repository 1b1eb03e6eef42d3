// `millrace sql`: one text with -c, or a shell; against a running node, or a data directory that nobody runs.
#pragma once

#include <string>

#include "base/env.h"

namespace millrace::app {

struct SqlFlags {
  std::string command;  ///< -c; empty: the shell
  std::string data;     ///< open this directory in this process; empty: ask the server at `url`
  std::string url;
  std::string token_file;
  std::string format = "table";
};

int run_sql(Env& env, const SqlFlags& flags);

}  // namespace millrace::app
