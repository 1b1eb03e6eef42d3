#include <CLI/CLI.hpp>

#include <memory>

#include "app/command_line.h"
#include "app/command_line_parts.h"
#include "app/console.h"
#include "app/stream_commands.h"

namespace millrace::app {
namespace {

void add_produce(CLI::App& program, Action& action) {
  auto flags = std::make_shared<ProduceFlags>();
  CLI::App* command =
      program.add_subcommand("produce", "send lines to a stream; each chunk is stored once, however often it is sent");
  command->add_option("STREAM", flags->stream, "stream or table")->required();
  command->add_option("FILE", flags->file, "one record a line; standard input without it");
  command->add_flag("--validate", flags->validate,
                    "reject lines that do not fit the schema, instead of keeping them as dead letters");
  add_remote_flags(*command, flags->remote);
  command->footer("Examples:\n  millrace produce orders orders.ndjson\n  tail -f app.log | millrace produce logs\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_produce(env, *flags); }; });
}

void add_tail(CLI::App& program, Action& action) {
  auto flags = std::make_shared<TailFlags>();
  CLI::App* command = program.add_subcommand("tail", "show committed changes of a view as they come, until Ctrl-C");
  command->add_option("NAME", flags->name, "view, table or stream")->required();
  command->add_option("--from", flags->from, "now; beginning: what is there first; or the _position of a row that came before")
      ->type_name("WHERE")
      ->capture_default_str();
  command->add_option("--format", flags->format, "table, csv or json")->type_name("FORMAT")->capture_default_str();
  add_remote_flags(*command, flags->remote);
  command->footer("Example:\n  millrace tail revenue --format json\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_tail(env, *flags); }; });
}

void add_generate_nexmark(CLI::App& generate, Action& action) {
  auto flags = std::make_shared<GenerateNexmarkFlags>();
  CLI::App* command = generate.add_subcommand("nexmark", "events of the Nexmark benchmark, one a line");
  auto& options = flags->nexmark.options;
  command->add_option("--type", flags->nexmark.type, "all events in one stream, or one type of them")
      ->check(CLI::IsMember({"all", "person", "auction", "bid"}))
      ->capture_default_str();
  command->add_option("--events", flags->nexmark.events, "of all types together: 2 % persons, 6 % auctions, 92 % bids")
      ->capture_default_str();
  command->add_option("--rate", options.rate, "events a second of event time")->capture_default_str();
  command->add_option("--seed", options.seed, "equal seeds give equal bytes")->capture_default_str();
  command->add_option("--base-time", flags->nexmark.base_time, "time of the first event")->type_name("TIME");
  command->add_option("--group-size", options.group, "so many in a row come out of order among each other")
      ->capture_default_str();
  command->add_option("--out", flags->nexmark.out_path, "file; standard output without it")->type_name("FILE");
  command->add_option("--stream", flags->stream, "with --url: the stream that gets the events")->capture_default_str();
  command->add_option("--url", flags->remote.url, "send the events to a node")->type_name("URL");
  command->add_option("--token-file", flags->remote.token_file, "file with the token that the node asks for")
      ->type_name("FILE");
  command->footer("Example:\n  millrace generate nexmark --events 100000 --type bid > bids.ndjson\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_generate_nexmark(env, *flags); }; });
}

void add_generate_playback(CLI::App& generate, Action& action) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* command = generate.add_subcommand(
      "playback", "playback events that a correct pipeline turns back into the report of --titles");
  auto& options = flags->playback.options;
  options.window_start_ms = 1735689600000;
  options.window_end_ms = 1751328000000;
  options.unit_ms = 200000;
  command
      ->add_option("--titles", flags->playback.titles_path,
                   "CSV: kind,title,available_globally,release_date,runtime,hours_viewed,views")
      ->type_name("FILE")
      ->required();
  command->add_option("--out", flags->playback.out_dir, "folder for events, catalogue, truth and manifest")
      ->type_name("DIR");
  command->add_option("--seed", options.seed, "equal seeds give equal bytes")->capture_default_str();
  command->add_option("--unit-ms", options.unit_ms, "ms of play for 100,000 published hours; smaller: fewer events")
      ->capture_default_str();
  command->add_option("--window-start-ms", options.window_start_ms, "the half-year's start, ms since 1970")
      ->capture_default_str();
  command->add_option("--window-end-ms", options.window_end_ms, "and its end")->capture_default_str();
  command->add_option("--decoy-titles", options.decoy_titles, "titles that stay under the line")->capture_default_str();
  command->add_option("--unknown-sessions", options.unknown_sessions, "sessions of titles that the catalogue lacks")
      ->capture_default_str();
  command->add_option("--malformed-lines", options.malformed_lines, "lines that are no event")->capture_default_str();
  command->add_flag_callback(
      "--no-faults", [&options] { options.faults = false; }, "deliver in time, in order, once, and well-formed");
  command->add_option("--stream", flags->stream, "with --url: the stream that gets the events")->capture_default_str();
  command->add_option("--url", flags->remote.url, "send the events to a node instead of a file")->type_name("URL");
  command->add_option("--token-file", flags->remote.token_file, "file with the token that the node asks for")
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  millrace generate playback --titles examples/engagement/titles.csv --out events\n"
      "  millrace generate playback --titles titles.csv --url http://127.0.0.1:8780 --out truth\n"
      "  millrace generate playback --titles titles.csv > events.ndjson\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_generate_playback(env, *flags); }; });
}

void add_generate(CLI::App& program, Action& action) {
  CLI::App* generate = program.add_subcommand("generate", "made-up input with known answers");
  generate->require_subcommand(1);
  add_generate_playback(*generate, action);
  add_generate_nexmark(*generate, action);
}

void add_infer(CLI::App& program, Action& action) {
  auto flags = std::make_shared<InferFlags>();
  CLI::App* command = program.add_subcommand("infer", "print the CREATE STREAM for a file of JSON or CSV");
  command->add_option("FILE", flags->file, "the file; its first 4 MiB are read")->required();
  command->add_option("--name", flags->name, "of the stream; without it, from the file's name");
  command->add_option("--format", flags->format, "json or csv; without it, from the file")
      ->check(CLI::IsMember({"json", "csv"}));
  command->footer("Example:\n  millrace infer orders.ndjson > shop.sql\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_infer(env, *flags); }; });
}

}  // namespace

void add_stream_commands(CLI::App& program, Action& action) {
  add_produce(program, action);
  add_tail(program, action);
  add_generate(program, action);
  add_infer(program, action);
}

void add_later_commands(CLI::App& program, Action& action) {
  for (const char* name : {"deploy"}) {
    CLI::App* command = program.add_subcommand(name, "not part of this version");
    command->allow_extras()->fallthrough(false);
    command->callback([name, &action] {
      action = [name](Env&) { return report_usage(std::string(name) + " is not part of this version"); };
    });
  }
}

}  // namespace millrace::app
