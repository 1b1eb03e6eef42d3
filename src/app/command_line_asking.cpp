#include <CLI/CLI.hpp>

#include <memory>

#include "app/command_line_parts.h"
#include "app/report_commands.h"
#include "app/sql_command.h"
#include "base/real_env.h"

namespace millrace::app {
namespace {

void add_format(CLI::App& command, std::string& format) {
  command.add_option("--format", format, "table, csv or json")->type_name("FORMAT")->capture_default_str();
}

void add_sql(CLI::App& program, Action& action) {
  auto flags = std::make_shared<SqlFlags>();
  CLI::App* command = program.add_subcommand(
      "sql", "run SQL: one text with -c, a shell without; standard input when it is no terminal");
  command->add_option("-c,--command", flags->command, "run this text, print the answer of its last statement, exit")
      ->type_name("SQL");
  add_remote_flags(*command, flags->remote);
  command->add_option("--data", flags->data, "open this data directory in this process; no node may be running on it")
      ->type_name("DIR");
  add_format(*command, flags->format);
  command->footer(
      "Examples:\n"
      "  millrace sql\n"
      "  millrace sql -c 'SELECT * FROM report LIMIT 10'\n"
      "  millrace sql -c 'SUBSCRIBE TO report' --format json\n"
      "  millrace sql --data build/demo -c 'SHOW ALL'\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_sql(env, *flags); }; });
}

/// A report is several tables: no CSV.
void add_report_format(CLI::App& command, std::string& format) {
  command.add_option("--format", format, "table or json")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"table", "json"}).description(""))
      ->capture_default_str();
}

void add_report_flags(CLI::App& command, ReportFlags& flags) {
  add_remote_flags(command, flags.remote);
  command.add_option("--data", flags.data, "read this data directory in this process; no node may be running on it")
      ->type_name("DIR");
}

void add_reports(CLI::App& program, Action& action) {
  auto status = std::make_shared<ReportFlags>();
  CLI::App* command = program.add_subcommand("status", "streams, views, sinks, rates and lag of a node");
  add_report_flags(*command, *status);
  add_report_format(*command, status->format);
  command->footer("Example:\n  millrace status --url http://127.0.0.1:8780\n");
  command->callback([status, &action] { action = [status](Env& env) { return run_status(env, *status); }; });

  auto ledger = std::make_shared<ReportFlags>();
  command = program.add_subcommand(
      "ledger", "the books: what every hop counted, and every difference; exit code 1 unless they are closed");
  add_report_flags(*command, *ledger);
  add_report_format(*command, ledger->format);
  command->footer("Example:\n  millrace ledger --data build/demo\n");
  command->callback([ledger, &action] { action = [ledger](Env& env) { return run_ledger(env, *ledger); }; });
}

void add_dead(CLI::App& program, Action& action) {
  CLI::App* dead =
      program.add_subcommand("dead", "records that did not decode, rows that a sink's destination refused");
  dead->require_subcommand(1);
  auto list = std::make_shared<ReportFlags>();
  CLI::App* command = dead->add_subcommand("list", "how many each stream, table and sink has");
  add_report_flags(*command, *list);
  add_format(*command, list->format);
  command->callback([list, &action] { action = [list](Env& env) { return run_dead_list(env, *list); }; });

  auto show = std::make_shared<DeadShowFlags>();
  command = dead->add_subcommand("show", "those of one stream, table or sink: reason, content, position");
  command->add_option("STREAM", show->stream, "stream, table or sink")->required();
  command->add_option("--limit", show->limit, "at most so many")->capture_default_str();
  add_report_flags(*command, show->report);
  add_format(*command, show->report.format);
  command->callback([show, &action] { action = [show](Env& env) { return run_dead_show(env, *show); }; });
  auto replay = std::make_shared<DeadReplayFlags>();
  command = dead->add_subcommand("replay", "sends those of one sink to its destination again, of a running node");
  command->add_option("SINK", replay->sink, "sink")->required();
  add_remote_flags(*command, replay->remote);
  command->callback([replay, &action] { action = [replay](Env& env) { return run_dead_replay(env, *replay); }; });
  dead->footer("Examples:\n  millrace dead list\n  millrace dead show playback --limit 5\n");
}

}  // namespace

void add_remote_flags(CLI::App& command, RemoteFlags& flags, bool by_default) {
  if (by_default) flags.url = "http://" + environment_variable("MILLRACE_LISTEN").value_or("127.0.0.1:8780");
  command.add_option("--url", flags.url, "the node's HTTP address (environment: MILLRACE_LISTEN)")
      ->type_name("URL")
      ->capture_default_str();
  command.add_option("--token-file", flags.token_file, "file with the token that the node asks for")->type_name("FILE");
}

void add_asking_commands(CLI::App& program, Action& action) {
  add_sql(program, action);
  add_reports(program, action);
  add_dead(program, action);
}

}  // namespace millrace::app
