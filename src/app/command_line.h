// The command line: what `millrace` takes, its help, and which function does it. docs/commands.md is the same for
// readers.
#pragma once

namespace millrace::app {

/// Exit codes of every command.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;  ///< it was tried and did not work; the reason is on standard error
inline constexpr int kExitUsage = 2;   ///< the command line is wrong or asks for what this version does not have

/// Parses the arguments, runs the command, returns the exit code. Called once, by main.
int run_program(int argc, char** argv);

}  // namespace millrace::app
