#include "app/command_line.h"

#include <CLI/CLI.hpp>

#include <functional>

#include "app/console.h"
#include "app/node_command.h"
#include "app/sql_command.h"
#include "app/stop_signals.h"
#include "base/failpoints.h"
#include "base/real_env.h"
#include "base/version.h"

namespace millrace::app {
namespace {

constexpr const char* kDefaultData = "./millrace-data";

/// What the chosen subcommand does once all flags are read.
using Action = std::function<int(Env&)>;

void add_node_flags(CLI::App& command, NodeFlags& flags) {
  flags.data = environment_variable("MILLRACE_DATA").value_or(kDefaultData);
  flags.listen = environment_variable("MILLRACE_LISTEN").value_or(flags.listen);
  command.add_option("--data", flags.data, "data directory; made when missing (environment: MILLRACE_DATA)")->capture_default_str();
  command.add_option("--listen", flags.listen, "HTTP: HOST:PORT (environment: MILLRACE_LISTEN)")->capture_default_str();
  command.add_option("--kafka-listen", flags.kafka_listen, "Kafka protocol: HOST:PORT; not part of this version");
  command.add_option("--pg-listen", flags.postgres_listen, "PostgreSQL protocol: HOST:PORT; not part of this version");
  command.add_option("--auth-token-file", flags.auth_token_file, "file with the token that clients must show");
  command.add_flag("--insecure", flags.insecure, "listen beyond loopback without a token");
  command.add_option("--workers", flags.workers, "threads that run the pipeline")->capture_default_str()->check(CLI::Range(1, 256));
  command.add_option("--memory", flags.memory, "memory limit, such as 512MiB or 4GiB")->capture_default_str();
}

void add_run(CLI::App& program, Action& action) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = program.add_subcommand("run", "run a pipeline file");
  command->add_option("PIPELINE", flags->pipeline, "SQL file; paths in it are relative to it")->required();
  add_node_flags(*command, flags->node);
  command->add_option("--set", flags->settings, "name=value for ${name} in the file; may be repeated")->allow_extra_args(false);
  command->add_flag("--once", flags->once, "read bounded input to its end, deliver, exit");
  command->footer("Examples:\n"
                  "  millrace run shop.sql\n"
                  "  millrace run report.sql --set events=events.ndjson --set out=. --once");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_pipeline(env, *flags); }; });
}

void add_start(CLI::App& program, Action& action) {
  auto flags = std::make_shared<NodeFlags>();
  CLI::App* command = program.add_subcommand("start", "continue what a data directory holds");
  add_node_flags(*command, *flags);
  command->footer("Example:\n  millrace start --data build/demo");
  command->callback([flags, &action] { action = [flags](Env& env) { return start_node(env, *flags); }; });
}

void add_sql(CLI::App& program, Action& action) {
  auto flags = std::make_shared<SqlFlags>();
  CLI::App* command = program.add_subcommand("sql", "run SQL");
  command->add_option("-c,--command", flags->command, "run this text and exit");
  command->add_option("--data", flags->data, "open this data directory in this process; no node may be running on it");
  command->add_option("--format", flags->format, "table, csv or json")->capture_default_str();
  command->callback([flags, &action] { action = [flags](Env& env) { return run_sql(env, *flags); }; });
}

Status set_failpoints(Env& env, const std::string& flag) {
  if (auto text = environment_variable("MILLRACE_FAILPOINTS")) MR_TRY(env.failpoints().configure(*text));
  return flag.empty() ? Status() : env.failpoints().configure(flag);
}

}  // namespace

int run_program(int argc, char** argv) {
  CLI::App program("Millrace: streams in, streaming SQL, tables out, and books that close.", "millrace");
  program.set_version_flag("--version", std::string("millrace ") + kVersion);
  program.require_subcommand(1);
  program.fallthrough();
  std::string failpoints;
  program.add_option("--failpoints", failpoints, "misbehave on purpose, for tests (environment: MILLRACE_FAILPOINTS)");
  Action action;
  add_run(program, action);
  add_start(program, action);
  add_sql(program, action);
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
