// The groups of subcommands that command_line.cpp puts together. Private to the command line.
#pragma once

#include <functional>
#include <string>

#include "app/remote.h"
#include "base/env.h"

namespace CLI {
class App;
}

namespace millrace::app {

/// What the chosen subcommand does once all flags are read.
using Action = std::function<int(Env&)>;

/// run, start, test, savepoint, user, verify
void add_node_commands(CLI::App& program, Action& action);
/// sql, status, ledger, dead
void add_asking_commands(CLI::App& program, Action& action);
/// produce, tail, generate, infer
void add_stream_commands(CLI::App& program, Action& action);
/// Commands that the design names and this version does not have: they say so and end with kExitUsage.
void add_later_commands(CLI::App& program, Action& action);

/// --url and --token-file; `by_default` fills the url from MILLRACE_LISTEN or the usual place.
void add_remote_flags(CLI::App& command, RemoteFlags& flags, bool by_default = true);

}  // namespace millrace::app
