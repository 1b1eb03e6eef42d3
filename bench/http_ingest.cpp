// HTTP ingest: NDJSON bodies of 200-byte events over keep-alive connections, through the server into a node's log with
// fsync; beside it the server alone, over a node that throws the records away.
//
// Clients run in the same process; their CPU time is taken off, so events_per_core is what a core of the server does.
// Files go to $MILLRACE_BENCH_DIR, else to the system's folder for temporary files.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/real_env.h"
#include "engine/node.h"
#include "server/http_server.h"

namespace millrace::server {
namespace {

constexpr size_t kEventBytes = 200;
constexpr size_t kRequestsATurn = 8;  // of each connection, in one iteration

std::string body_of(size_t bytes) {
  std::string body;
  for (uint64_t i = 0; body.size() + kEventBytes <= bytes || i == 0; ++i) {
    std::string event =
        "{\"id\":" + std::to_string(i) + ",\"item\":\"item " + std::to_string(i % 1000) + "\",\"note\":\"";
    event.append(kEventBytes - 3 - event.size(), static_cast<char>('a' + i % 26));
    body += event + "\"}\n";
  }
  return body;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double process_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

double thread_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

class DiscardingNode : public engine::Node {
 public:
  Status apply_pipeline(std::string_view, const std::string&, const std::map<std::string, std::string>&) override {
    return {};
  }
  Status start() override { return {}; }
  Status stop() override { return {}; }
  Result<engine::StatementResult> execute(std::string_view, CancelToken*) override { return engine::StatementResult{}; }
  Result<std::optional<engine::SubscriptionRequest>> subscription_target(std::string_view) override {
    return std::optional<engine::SubscriptionRequest>();
  }
  Result<std::unique_ptr<engine::Subscription>> subscribe(const engine::SubscriptionRequest&) override {
    return internal_error("nothing here");
  }
  Result<engine::AppendReceipt> append(std::string_view, const std::vector<std::string_view>& records,
                                       const engine::AppendRequest&) override {
    engine::AppendReceipt receipt;
    receipt.accepted = records.size();
    return receipt;
  }
  Status declare(std::string_view, std::string_view, Timestamp, const ledger::IdSum&) override { return {}; }
  Status sync() override { return {}; }
  Status finish_bounded() override { return {}; }
  Result<bool> turn() override { return false; }
  Result<engine::ReplayReceipt> replay_dead(std::string_view) override { return engine::ReplayReceipt{}; }
  Result<engine::SavepointReceipt> create_savepoint(std::string_view) override { return engine::SavepointReceipt{}; }
  engine::NodeStatus status() override { return {}; }
  ledger::Report ledger_report() override { return {}; }
};

/// Sends the request and waits for its answer, which must be a 200.
void send(Connection& connection, const std::string& request) {
  MR_CHECK(connection.write(request).ok(), "the request was not taken");
  std::string answer;
  char bytes[4096];
  while (answer.find("]}\n") == std::string::npos) {
    auto count = connection.read(bytes, sizeof bytes);
    MR_CHECK(count.ok() && *count > 0, "the connection ended");
    answer.append(bytes, *count);
  }
  MR_CHECK(answer.starts_with("HTTP/1.1 200"), answer);
}

/// range(0) connections, bodies of range(1) bytes.
void run(benchmark::State& state, Env& env, Metrics& metrics, engine::Node& node) {
  HttpOptions options;
  options.port = 0;
  auto server = HttpServer::start(env, metrics, node, options).value();
  std::string body = body_of(static_cast<size_t>(state.range(1)));
  std::string request =
      "POST /v1/streams/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  std::vector<std::unique_ptr<Connection>> connections;
  for (int64_t i = 0; i < state.range(0); ++i) {
    connections.push_back(env.network().connect("127.0.0.1", server->port(), Duration::from_seconds(10)).value());
  }
  std::atomic<int64_t> client_cpu_micros = 0;
  double begin = process_cpu_seconds();
  for (auto _ : state) {
    std::vector<std::thread> clients;
    for (auto& connection : connections) {
      clients.emplace_back([&] {
        for (size_t i = 0; i < kRequestsATurn; ++i) send(*connection, request);
        client_cpu_micros += static_cast<int64_t>(thread_cpu_seconds() * 1e6);
      });
    }
    for (auto& client : clients) client.join();
  }
  double server_cpu = process_cpu_seconds() - begin - static_cast<double>(client_cpu_micros) / 1e6;
  auto requests = static_cast<double>(state.iterations()) * static_cast<double>(connections.size()) * kRequestsATurn;
  double events = requests * static_cast<double>(body.size() / kEventBytes);
  state.SetItemsProcessed(static_cast<int64_t>(events));
  state.SetBytesProcessed(static_cast<int64_t>(requests * static_cast<double>(body.size())));
  state.counters["events_per_core"] = events / server_cpu;
  connections.clear();
  server->stop();
}

void http_alone(benchmark::State& state) {
  RealEnv env;
  Metrics metrics;
  DiscardingNode node;
  run(state, env, metrics, node);
}

void http_to_log(benchmark::State& state) {
  const char* base = ::getenv("MILLRACE_BENCH_DIR");
  std::string path =
      (std::filesystem::path(base ? base : std::filesystem::temp_directory_path().string()) / "http_ingest_XXXXXX")
          .string();
  MR_CHECK(::mkdtemp(path.data()) != nullptr, "the folder for the files cannot be made");
  {
    RealEnv env;
    Metrics metrics;
    engine::NodeOptions options;
    options.data_directory = path + "/data";
    auto node = engine::Node::open(env, metrics, options).value();
    MR_CHECK(
        node->apply_pipeline(
                "CREATE STREAM events (id BIGINT, item VARCHAR, note VARCHAR) WITH (format = 'json', partitions = 4);",
                path, {})
            .ok(),
        "the pipeline was refused");
    MR_CHECK(node->start().ok(), "the node does not start");
    run(state, env, metrics, *node);
    MR_CHECK(node->stop().ok(), "the node does not stop");
  }
  std::filesystem::remove_all(path);
}

void cases(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"connections", "bytes"})
      ->Args({1, 1 << 20})
      ->Args({8, 1 << 20})
      ->Args({16, 64 << 10})
      ->Args({16, 2000})
      ->UseRealTime();
}

BENCHMARK(http_alone)->Apply(cases);
BENCHMARK(http_to_log)->Apply(cases);

}  // namespace
}  // namespace millrace::server
