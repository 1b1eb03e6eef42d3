// `millrace sql`: one text with -c, or a shell; against a running node, or a data directory that nobody runs.
#pragma once

#include <string>

#include "app/remote.h"
#include "base/env.h"

namespace millrace::app {

struct SqlFlags {
  RemoteFlags remote;
  std::string data;     ///< open this directory in this process; empty: ask the server
  std::string command;  ///< -c; empty: the shell, or standard input when it is no terminal
  std::string format = "table";
};

int run_sql(Env& env, const SqlFlags& flags);

}  // namespace millrace::app
