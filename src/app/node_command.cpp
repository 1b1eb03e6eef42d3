#include "app/node_command.h"

#include <unistd.h>

#include <atomic>
#include <thread>

#include "app/command_line.h"
#include "app/console.h"
#include "app/progress.h"
#include "app/stop_signals.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/paths.h"
#include "base/text.h"

namespace millrace::app {
namespace {

constexpr Duration kSignalCheck = Duration::from_millis(50);

/// What is refused before anything is opened. 0 when all is well.
int check_flags(const NodeFlags& flags) {
  if (!flags.kafka_listen.empty()) {
    return report_usage("--kafka-listen: the Kafka listener is not part of this version", "send events over HTTP");
  }
  if (!flags.postgres_listen.empty()) {
    return report_usage("--pg-listen: the PostgreSQL listener is not part of this version", "use `millrace sql`");
  }
  auto endpoint = parse_endpoint("--listen", flags.listen);
  if (!endpoint.ok()) return report_usage(endpoint.error().message, endpoint.error().hint);
  if (!endpoint->is_loopback() && flags.auth_token_file.empty() && !flags.insecure) {
    return report_usage("--listen " + endpoint->text() + " is reachable from outside, and nobody would have to show who they are",
                        "name a file that holds a token with --auth-token-file, listen on 127.0.0.1, or say --insecure");
  }
  return 0;
}

/// Reads everything to its end, on a thread of its own so that a stop signal is heard meanwhile.
Status finish_unless_stopped(engine::Node& node) {
  Status finished;
  std::atomic<bool> done = false;
  std::thread worker([&] {
    finished = node.finish_bounded();
    done = true;
  });
  bool stopped = false;
  while (!done && !stopped) stopped = take_stop_signal(kSignalCheck);
  Status status;
  if (stopped) status = node.stop();
  worker.join();
  if (stopped) {
    MR_TRY(std::move(status));
    return user_error(sqlstate::kCancelled, "stopped by a signal before the input was done")
        .with_hint("the same command again continues where it stopped");
  }
  return finished;
}

int run_once(Env& env, engine::Node& node) {
  Duration begin = env.clock().monotonic();
  Status status;
  {
    Progress progress(node);
    status = finish_unless_stopped(node);
  }
  engine::NodeStatus reached = node.status();
  Status stopped = node.stop();
  if (!status.ok()) return report_failure(status.error());
  if (!stopped.ok()) return report_failure(stopped.error());
  double seconds = static_cast<double>(env.clock().monotonic().micros - begin.micros) / 1e6;
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", seconds);
  double rate = static_cast<double>(reached.rows_in) / (seconds > 0 ? seconds : 1e-6);
  write_message("done: " + format_count(static_cast<int64_t>(reached.rows_in)) + " rows in " + text + " s, " +
                format_count(static_cast<int64_t>(rate)) + " rows/s");
  return kExitDone;
}

int serve(engine::Node& node) {
  write_message("ready: " + node.status().data_directory);
  std::string failure;
  {
    Progress progress(node);
    while (!take_stop_signal(kSignalCheck) && failure.empty()) failure = node.status().failure;
  }
  Status stopped = node.stop();
  if (!failure.empty()) return report_failure(internal_error(failure));
  if (!stopped.ok()) return report_failure(stopped.error());
  return kExitDone;
}

}  // namespace

Result<std::map<std::string, std::string>> parse_settings(const std::vector<std::string>& settings) {
  std::map<std::string, std::string> values;
  for (const std::string& setting : settings) {
    size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      return user_error(sqlstate::kInvalidParameter, "--set takes name=value, not: " + shorten(setting));
    }
    values[setting.substr(0, equals)] = setting.substr(equals + 1);
  }
  return values;
}

Result<engine::NodeOptions> node_options(const NodeFlags& flags) {
  engine::NodeOptions options;
  options.data_directory = flags.data;
  options.workers = flags.workers;
  MR_ASSIGN(options.memory_bytes, parse_size("--memory", flags.memory));
  return options;
}

std::string absolute_path(const std::string& path) {
  char buffer[4096];
  if (getcwd(buffer, sizeof buffer) == nullptr) return path;
  return join_path(buffer, path);
}

int run_pipeline(Env& env, const RunFlags& flags) {
  if (int refused = check_flags(flags.node)) return refused;
  auto settings = parse_settings(flags.settings);
  if (!settings.ok()) return report_usage(settings.error().message);
  auto options = node_options(flags.node);
  if (!options.ok()) return report_usage(options.error().message, options.error().hint);
  options->bounded = flags.once;

  auto text = env.files().read_all(flags.pipeline);
  if (!text.ok()) return report_failure(text.error());
  Metrics metrics;
  auto node = engine::Node::open(env, metrics, *options);
  if (!node.ok()) return report_failure(node.error());
  Status applied = (*node)->apply_pipeline(*text, parent_path(absolute_path(flags.pipeline)), *settings);
  if (!applied.ok()) return report_failure(applied.error(), *text);
  Status started = (*node)->start();
  if (!started.ok()) return report_failure(started.error());
  return flags.once ? run_once(env, **node) : serve(**node);
}

int start_node(Env& env, const NodeFlags& flags) {
  if (int refused = check_flags(flags)) return refused;
  auto options = node_options(flags);
  if (!options.ok()) return report_usage(options.error().message, options.error().hint);
  Metrics metrics;
  auto node = engine::Node::open(env, metrics, *options);
  if (!node.ok()) return report_failure(node.error());
  Status started = (*node)->start();
  if (!started.ok()) return report_failure(started.error());
  return serve(**node);
}

}  // namespace millrace::app
