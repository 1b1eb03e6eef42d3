#include "app/node_command.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "app/command_line.h"
#include "app/console.h"
#include "app/progress.h"
#include "app/run_notes.h"
#include "app/stop_signals.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/paths.h"
#include "base/text.h"
#include "server/http_server.h"
#include "server/kafka_server.h"

namespace millrace::app {
namespace {

constexpr Duration kSignalCheck = Duration::from_millis(50);

/// What is refused before anything is opened. 0 when all is well.
int check_flags(const NodeFlags& flags) {
  if (!flags.postgres_listen.empty()) {
    return report_usage("--pg-listen: the PostgreSQL listener is not part of this version", "use `millrace sql`");
  }
  return 0;
}

/// What both listeners share. Null: no users are named.
Result<std::shared_ptr<const server::Users>> read_users(Env& env, const NodeFlags& flags) {
  if (flags.users_file.empty()) return std::shared_ptr<const server::Users>();
  MR_ASSIGN(std::shared_ptr<const server::Users> users, server::Users::read(env, flags.users_file));
  return users;
}

Result<server::HttpOptions> http_options(Env& env, const NodeFlags& flags) {
  MR_ASSIGN(Endpoint endpoint, parse_endpoint("--listen", flags.listen));
  server::HttpOptions options;
  options.host = endpoint.host;
  options.port = endpoint.port;
  options.insecure = flags.insecure;
  MR_ASSIGN(const uint64_t memory_bytes, parse_size("--memory", flags.memory));
  options.body_bytes_in_hand_max = std::clamp<uint64_t>(memory_bytes / 16, 16 << 20, options.body_bytes_in_hand_max);
  options.body_bytes_max = std::min(options.body_bytes_max, options.body_bytes_in_hand_max / 2);
  if (!flags.auth_token_file.empty()) {
    MR_ASSIGN(options.auth_token_hash, server::read_auth_token(env, flags.auth_token_file));
  }
  MR_ASSIGN(options.users, read_users(env, flags));
  MR_TRY(server::check_listen_allowed(options));
  return options;
}

/// Nothing when it is not asked for.
Result<std::optional<server::KafkaOptions>> kafka_options(const NodeFlags& flags,
                                                          std::shared_ptr<const server::Users> users) {
  if (flags.kafka_listen.empty()) return std::optional<server::KafkaOptions>();
  MR_ASSIGN(Endpoint endpoint, parse_endpoint("--kafka-listen", flags.kafka_listen));
  server::KafkaOptions options;
  options.host = endpoint.host;
  options.port = endpoint.port;
  options.insecure = flags.insecure;
  options.users = std::move(users);
  options.tls_certificate_file = flags.kafka_tls_certificate;
  options.tls_key_file = flags.kafka_tls_key;
  if (!flags.kafka_advertise.empty()) {
    MR_ASSIGN(options.advertised, parse_endpoint("--kafka-advertise", flags.kafka_advertise));
  }
  options.auto_create_partitions = flags.kafka_auto_create;
  MR_ASSIGN(const uint64_t memory_bytes, parse_size("--memory", flags.memory));
  options.bytes_in_hand_max = std::clamp<uint64_t>(memory_bytes / 16, 16 << 20, options.bytes_in_hand_max);
  options.request_bytes_max = std::min(options.request_bytes_max, options.bytes_in_hand_max / 2);
  return std::optional(options);
}

/// One process's node with its servers, in the order in which they must go.
struct Running {
  Metrics metrics;
  std::unique_ptr<engine::Node> node;
  std::unique_ptr<server::HttpServer> server;
  std::unique_ptr<server::KafkaServer> kafka;

  Status stop() {
    if (kafka) kafka->stop();
    if (server) server->stop();
    return node->stop();
  }
};

/// Reads everything to its end, on a thread of its own so that a stop signal is heard meanwhile.
Status finish_unless_stopped(Running& running) {
  Status finished;
  std::atomic<bool> done = false;
  std::thread worker([&] {
    finished = running.node->finish_bounded();
    done = true;
  });
  bool stopped = false;
  while (!done && !stopped) stopped = take_stop_signal(kSignalCheck);
  Status status;
  if (stopped) status = running.stop();
  worker.join();
  if (stopped) {
    MR_TRY(std::move(status));
    return user_error(sqlstate::kCancelled, "stopped by a signal before the input was done")
        .with_hint("the same command again continues where it stopped");
  }
  return finished;
}

int run_once(Env& env, Running& running) {
  Duration begin = env.clock().monotonic();
  Status status;
  {
    Progress progress(env, *running.node);
    status = finish_unless_stopped(running);
  }
  engine::NodeStatus reached = running.node->status();
  Status stopped = running.stop();
  if (!status.ok()) return report_failure(status.error());
  if (!stopped.ok()) return report_failure(stopped.error());
  double seconds = static_cast<double>(env.clock().monotonic().micros - begin.micros) / 1e6;
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", seconds);
  double rate = static_cast<double>(reached.rows_in) / (seconds > 0 ? seconds : 1e-6);
  write_message("done: " + format_count(static_cast<int64_t>(reached.rows_in)) + " rows in " + text + " s, " +
                format_count(static_cast<int64_t>(rate)) + " rows/s");
  for (const std::string& note : load_notes(reached)) write_message(note);
  for (const std::string& note : dead_notes(reached)) write_message(note);
  return kExitDone;
}

int serve(Env& env, Running& running) {
  std::string safe_mode = running.node->status().safe_mode;
  if (!safe_mode.empty()) write_message("safe mode, for reading only: " + safe_mode);
  if (running.kafka) write_message("Kafka clients: 127.0.0.1:" + std::to_string(running.kafka->port()));
  write_message("ready: " + running.server->url() + " serves " + running.node->status().data_directory);
  std::string failure;
  {
    Progress progress(env, *running.node);
    std::set<std::string> told;
    while (!take_stop_signal(kSignalCheck) && failure.empty()) {
      engine::NodeStatus status = running.node->status();
      if (!status.recovering) failure = status.failure;
      bool recovers = status.recovering && told.insert(status.failure).second;
      if (recovers) write_message("no events are processed, and it is tried again until it works: " + status.failure);
      for (const std::string& note : load_notes(status)) {
        if (told.insert(note).second) write_message(note);
      }
    }
  }
  Status stopped = running.stop();
  if (!failure.empty()) return report_failure(internal_error(failure));
  if (!stopped.ok()) return report_failure(stopped.error());
  write_message("stopped");
  return kExitDone;
}

/// Opens the data directory. The port is taken once the node can answer.
Status open_node(Env& env, engine::NodeOptions options, Running& running) {
  MR_ASSIGN(running.node, engine::Node::open(env, running.metrics, std::move(options)));
  return {};
}

Status start_serving(Env& env, server::HttpOptions options, std::optional<server::KafkaOptions> kafka,
                     Running& running) {
  MR_TRY(running.node->start());
  if (kafka) {
    MR_ASSIGN(running.kafka, server::KafkaServer::start(env, running.metrics, *running.node, *std::move(kafka)));
  }
  MR_ASSIGN(running.server, server::HttpServer::start(env, running.metrics, *running.node, std::move(options)));
  return {};
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
  MR_ASSIGN(options.low_space_bytes, parse_size("--low-space", flags.low_space));
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
  auto http = http_options(env, flags.node);
  if (!http.ok()) return report_usage(http.error().message, http.error().hint);
  auto kafka = kafka_options(flags.node, http->users);
  if (!kafka.ok()) return report_usage(kafka.error().message, kafka.error().hint);

  auto text = env.files().read_all(flags.pipeline);
  if (!text.ok()) return report_failure(text.error());
  Running running;
  Status status = open_node(env, *options, running);
  if (!status.ok()) return report_failure(status.error());
  status = running.node->apply_pipeline(*text, parent_path(absolute_path(flags.pipeline)), *settings);
  if (!status.ok()) return report_failure(status.error(), *text);
  bool serves = !flags.once || flags.node.listen_given;
  status = serves ? start_serving(env, *http, *kafka, running) : running.node->start();
  if (!status.ok()) return report_failure(status.error());
  return flags.once ? run_once(env, running) : serve(env, running);
}

int start_node(Env& env, const NodeFlags& flags) {
  if (int refused = check_flags(flags)) return refused;
  auto options = node_options(flags);
  if (!options.ok()) return report_usage(options.error().message, options.error().hint);
  auto http = http_options(env, flags);
  if (!http.ok()) return report_usage(http.error().message, http.error().hint);
  auto kafka = kafka_options(flags, http->users);
  if (!kafka.ok()) return report_usage(kafka.error().message, kafka.error().hint);
  Running running;
  Status status = open_node(env, *options, running);
  if (status.ok()) status = start_serving(env, *http, *kafka, running);
  return status.ok() ? serve(env, running) : report_failure(status.error());
}

}  // namespace millrace::app
