#include "app/command_line.h"

#include <CLI/CLI.hpp>

#include <algorithm>

#include "app/command_line_parts.h"
#include "app/console.h"
#include "app/stop_signals.h"
#include "base/failpoints.h"
#include "base/process_memory.h"
#include "base/real_env.h"
#include "base/version.h"

namespace millrace::app {
namespace {

Status set_failpoints(Env& env, const std::string& flag) {
  if (auto text = environment_variable("MILLRACE_FAILPOINTS")) MR_TRY(env.failpoints().configure(*text));
  return flag.empty() ? Status() : env.failpoints().configure(flag);
}

/// The first argument when it is a word that no subcommand has: CLI11 would only say that a subcommand is missing.
bool names_no_command(CLI::App& program, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return false;
  auto commands = program.get_subcommands([](CLI::App*) { return true; });
  return std::none_of(commands.begin(), commands.end(),
                      [&](CLI::App* command) { return command->get_name() == argv[1]; });
}

}  // namespace

int run_program(int argc, char** argv) {
  limit_free_memory();
  CLI::App program("Millrace: events in, streaming SQL, tables out, and books that close.", "millrace");
  program.set_version_flag("--version", std::string("millrace ") + kVersion);
  program.require_subcommand(1);
  program.fallthrough();
  std::string failpoints;
  program.add_option("--failpoints", failpoints, "misbehave on purpose, for tests (environment: MILLRACE_FAILPOINTS)");
  Action action;
  add_node_commands(program, action);
  add_asking_commands(program, action);
  add_stream_commands(program, action);
  add_later_commands(program, action);
  program.footer(  // now, or the commands without one of their own would have it too
      "Examples:\n"
      "  millrace run examples/shop/shop.sql\n"
      "  millrace sql -c 'SHOW ALL'\n"
      "`millrace COMMAND --help` shows more. Exit codes: 0 done, 1 failed, 2 wrong usage.\n");
  if (names_no_command(program, argc, argv)) {
    return report_usage(std::string("there is no command named ") + argv[1], "`millrace --help` lists the commands");
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? kExitDone : kExitUsage;
  }
  hold_stop_signals();
  RealEnv env;
  Status status = set_failpoints(env, failpoints);
  if (!status.ok()) return report_usage(status.error().message, status.error().hint);
  return action(env);
}

}  // namespace millrace::app
