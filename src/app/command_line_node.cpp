#include <CLI/CLI.hpp>

#include <memory>

#include "app/command_line_parts.h"
#include "app/node_command.h"
#include "app/savepoint_command.h"
#include "app/test_command.h"
#include "app/user_command.h"
#include "app/test_half.h"
#include "app/verify_command.h"
#include "base/real_env.h"

namespace millrace::app {
namespace {

constexpr const char* kStartKafkaListen = "127.0.0.1:8792";
constexpr const char* kDefaultData = "./millrace-data";

void add_node_flags(CLI::App& command, NodeFlags& flags) {
  flags.data = environment_variable("MILLRACE_DATA").value_or(kDefaultData);
  flags.listen = environment_variable("MILLRACE_LISTEN").value_or(flags.listen);
  command.add_option("--data", flags.data, "data directory; made when missing (environment: MILLRACE_DATA)")
      ->type_name("DIR")
      ->capture_default_str();
  command.add_option("--listen", flags.listen, "where HTTP listens (environment: MILLRACE_LISTEN)")
      ->type_name("HOST:PORT")
      ->capture_default_str()
      ->each([&flags](const std::string&) { flags.listen_given = true; });
  command.add_option("--kafka-listen", flags.kafka_listen, "where Kafka clients are listened to; default: nowhere")
      ->type_name("HOST:PORT");
  command
      .add_option("--kafka-advertise", flags.kafka_advertise,
                  "the address that Kafka clients are told to use; default: the one they reached us by")
      ->type_name("HOST:PORT");
  command
      .add_option("--kafka-auto-create", flags.kafka_auto_create,
                  "partitions of a topic that a Kafka client asks for and that is not there; 0: it is not made")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024).description(""));
  command.add_option("--pg-listen", flags.postgres_listen, "PostgreSQL protocol; not part of this version")
      ->type_name("HOST:PORT");
  command.add_option("--auth-token-file", flags.auth_token_file, "file with the token that clients must show")
      ->type_name("FILE");
  command.add_option("--users-file", flags.users_file, "file with the users, their passwords' verifiers and their rights")
      ->type_name("FILE");
  command.add_option("--kafka-tls-cert", flags.kafka_tls_certificate, "certificate of the Kafka listener, PEM")
      ->type_name("FILE");
  command.add_option("--kafka-tls-key", flags.kafka_tls_key, "its key, PEM")->type_name("FILE");
  command.add_flag("--insecure", flags.insecure, "listen beyond loopback without asking who it is");
  command.add_option("--workers", flags.workers, "threads that run the pipeline, 1 to 256")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 256).description(""));
  command.add_option("--memory", flags.memory, "memory limit, such as 512MiB or 4GiB")
      ->type_name("SIZE")
      ->capture_default_str();
  command.add_option("--low-space", flags.low_space, "with less free on the data's disk, ingest answers 507; 0: never")
      ->type_name("SIZE")
      ->capture_default_str();
}

void add_run(CLI::App& program, Action& action) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = program.add_subcommand("run", "run a pipeline file");
  command->add_option("PIPELINE", flags->pipeline, "SQL file; paths in it are relative to it")
      ->type_name("FILE")
      ->required();
  add_node_flags(*command, flags->node);
  command->add_option("--set", flags->settings, "for ${NAME} in the file; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--once", flags->once,
                    "read bounded input to its end, deliver to every sink, exit; serves HTTP only with --listen");
  command->footer(
      "Examples:\n"
      "  millrace run shop.sql\n"
      "  millrace run report.sql --set events=events.ndjson --set out=. --once\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_pipeline(env, *flags); }; });
}

void add_start(CLI::App& program, Action& action) {
  auto flags = std::make_shared<NodeFlags>();
  CLI::App* command = program.add_subcommand("start", "continue what a data directory holds");
  add_node_flags(*command, *flags);
  command->footer("Example:\n  millrace start --data build/demo\n");
  command->callback([flags, &action] {
    // With places of its own for one listener, the others are asked for one by one.
    const bool usual = !flags->listen_given && !environment_variable("MILLRACE_LISTEN");
    if (usual && flags->kafka_listen.empty()) flags->kafka_listen = kStartKafkaListen;
    action = [flags](Env& env) { return start_node(env, *flags); };
  });
}

void add_verify(CLI::App& program, Action& action) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* command = program.add_subcommand("verify", "check every byte of a data directory that no node runs on");
  command->add_option("--data", flags->data, "data directory")->required();
  command->add_flag("--repair", flags->repair, "repair what can be repaired without losing anything that was acked");
  command->footer("Example:\n  millrace verify --data millrace-data\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_verify(env, *flags); }; });
}

void add_savepoint(CLI::App& program, Action& action) {
  CLI::App* savepoint = program.add_subcommand("savepoint", "a copy of a data directory, and a directory from a copy");
  savepoint->require_subcommand(1);
  auto create = std::make_shared<SavepointCreateFlags>();
  CLI::App* command = savepoint->add_subcommand("create", "copy a running node's data directory as of a commit");
  command->add_option("--name", create->name, "of the copy, in DATA/savepoints; default: commit-NUMBER");
  add_remote_flags(*command, create->remote);
  command->add_option("--data", create->data, "copy this data directory; no node may be running on it");
  command->callback([create, &action] { action = [create](Env& env) { return run_savepoint_create(env, *create); }; });
  auto restore = std::make_shared<SavepointRestoreFlags>();
  command = savepoint->add_subcommand("restore", "make a new data directory from a savepoint");
  command->add_option("SAVEPOINT", restore->savepoint, "directory that create printed")->required();
  command->add_option("--data", restore->data, "the new data directory; missing or empty")->required();
  command->callback(
      [restore, &action] { action = [restore](Env& env) { return run_savepoint_restore(env, *restore); }; });
  savepoint->footer(
      "Examples:\n"
      "  millrace savepoint create --name before-upgrade\n"
      "  millrace savepoint restore DATA/savepoints/before-upgrade --data DATA2\n");
}

void add_user(CLI::App& program, Action& action) {
  auto flags = std::make_shared<UserFlags>();
  CLI::App* command = program.add_subcommand("user", "print a line for --users-file; the password is read from standard input");
  command->add_option("NAME", flags->name, "as it logs in")->required();
  command->add_option("--read", flags->read, "streams and views that it may read; a star ends the beginning of names")
      ->type_name("NAMES");
  command->add_option("--write", flags->write, "streams and tables that it may write to")->type_name("NAMES");
  command->add_option("--admin", flags->admin, "what it may change and drop too; '*': it may do everything")
      ->type_name("NAMES");
  command->add_option("--produce-rate", flags->produce_rate, "bytes a second that it may produce as a Kafka client")
      ->type_name("SIZE");
  command->add_option("--fetch-rate", flags->fetch_rate, "and that it may fetch")->type_name("SIZE");
  command->footer("Example:\n  millrace user web-1 --write 'orders,clicks' >> users.conf\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_user(env, *flags); }; });
}

void add_test(CLI::App& program, Action& action) {
  auto flags = std::make_shared<TestFlags>();
  CLI::App* command = program.add_subcommand("test", "run *.test files: inputs, SQL and the rows it must give");
  command->add_option("PATH", flags->path, "a file, or a folder that is searched for *.test")->required();
  command->add_option("--seed", flags->seed, "for the random cuts of the input")->capture_default_str();
  command->add_flag("-v,--verbose", flags->verbose, "name every way in which a case runs");
  command->footer("Examples:\n  millrace test examples\n  millrace test examples/shop/shop.test -v\n");
  command->callback([flags, &action] { action = [flags](Env& env) { return run_tests(env, *flags); }; });

  auto folder = std::make_shared<std::string>();
  command = program.add_subcommand(kTestHalfCommand, "what `test` starts and kills")->group("");
  command->add_option("FOLDER", *folder)->required();
  command->callback([folder, &action] { action = [folder](Env& env) { return run_test_half(env, *folder); }; });
}

}  // namespace

void add_node_commands(CLI::App& program, Action& action) {
  add_run(program, action);
  add_start(program, action);
  add_test(program, action);
  add_savepoint(program, action);
  add_user(program, action);
  add_verify(program, action);
}

}  // namespace millrace::app
