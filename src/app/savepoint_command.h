// `millrace savepoint`: copies of a data directory, and data directories from copies.
#pragma once

#include <string>

#include "app/remote.h"

namespace millrace::app {

struct SavepointCreateFlags {
  std::string name;
  RemoteFlags remote;
  std::string data;  ///< of a node that does not run; empty: ask the running one
};

struct SavepointRestoreFlags {
  std::string savepoint;
  std::string data;
};

/// Prints the savepoint's path.
int run_savepoint_create(Env& env, const SavepointCreateFlags& flags);
int run_savepoint_restore(Env& env, const SavepointRestoreFlags& flags);

}  // namespace millrace::app
