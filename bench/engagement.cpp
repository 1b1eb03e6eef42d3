// The whole engagement pipeline in one process: log append, decode, all views, commits, ledger. As one JSON object.
//
//   build/release/bench/bench_engagement PIPELINE.sql EVENTS.ndjson CATALOGUE.ndjson [WORKERS] [STEP_MB] [name=value]…
#include <fcntl.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/metrics.h"
#include "base/process_memory.h"
#include "base/real_env.h"
#include "base/text.h"
#include "engine/node.h"
#include "formats/encoder.h"

namespace {

using namespace millrace;

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", render(status.error()).c_str());
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", render(result.error()).c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Sends a file's lines in requests of about a megabyte; returns how many.
uint64_t send_file(engine::Node& node, std::string_view stream, const std::string& bytes) {
  uint64_t sent = 0;
  std::vector<std::string_view> records;
  size_t in_request = 0;
  auto flush = [&] {
    if (records.empty()) return;
    sent += must(node.append(stream, records, {})).accepted;
    records.clear();
    in_request = 0;
  };
  for (std::string_view line : split_view(bytes, '\n')) {
    if (line.empty()) continue;
    records.push_back(line);
    in_request += line.size();
    if (in_request >= (1 << 20)) flush();
  }
  flush();
  return sent;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s PIPELINE.sql EVENTS.ndjson CATALOGUE.ndjson [WORKERS] [STEP_MB] [name=value]...\n",
                 argv[0]);
    return 2;
  }
  limit_free_memory();  // as the program does
  RealEnv env;
  Metrics metrics;
  std::string directory = (std::filesystem::temp_directory_path() / "millrace_bench_engagement").string();
  std::filesystem::remove_all(directory);
  engine::NodeOptions options;
  options.data_directory = directory;
  options.workers = argc > 4 ? static_cast<uint32_t>(std::atoi(argv[4])) : 1;
  if (argc > 5) options.step_bytes_max = static_cast<uint64_t>(std::atoi(argv[5])) << 20;
  std::map<std::string, std::string> variables;
  for (int i = 6; i < argc; ++i) {
    std::string setting = argv[i];
    variables[setting.substr(0, setting.find('='))] = setting.substr(setting.find('=') + 1);
  }
  auto node = must(engine::Node::open(env, metrics, options));
  must(node->apply_pipeline(must(env.files().read_all(argv[1])), ".", variables));
  std::string events = must(env.files().read_all(argv[2]));
  std::string catalogue = must(env.files().read_all(argv[3]));

  auto seconds_since = [&](Duration start) {
    return static_cast<double>(env.clock().monotonic().micros - start.micros) / 1e6;
  };
  Duration start = env.clock().monotonic();
  double cpu = cpu_seconds();
  uint64_t rows = send_file(*node, "catalogue", catalogue);
  rows += send_file(*node, "playback", events);
  double log_seconds = seconds_since(start);
  double log_cpu = cpu_seconds() - cpu;
  must(node->sync());
  double seconds = seconds_since(start);
  double all_cpu = cpu_seconds() - cpu;
  Duration checkpoint_start = env.clock().monotonic();
  auto report = must(
      node->execute("SELECT kind, rank, title, hours_viewed, views FROM report ORDER BY kind, rank, title LIMIT 3"));
  std::string top;
  for (const auto& batch : report.batches) formats::encode_csv(report.schema, batch, ',', top);
  for (const char* query :
       {"SELECT count(*) FROM report", "SELECT count(*), sum(credited_ms)::BIGINT FROM title_time",
        "SELECT count(*) FROM title_week", "SELECT count(*) FROM unmatched", "SELECT count(*) FROM playback_dead"}) {
    auto answer = must(node->execute(query));
    for (const auto& batch : answer.batches) formats::encode_csv(answer.schema, batch, ',', top);
  }
  bool closed = node->ledger_report().closed;
  must(node->stop());
  double stop_seconds = seconds_since(checkpoint_start);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto bytes = static_cast<double>(events.size() + catalogue.size());
  std::printf(
      "{\"workers\":%u,\"rows\":%llu,\"seconds\":%.3f,\"log_seconds\":%.3f,\"log_cpu_seconds\":%.3f,\"cpu_seconds\":%."
      "3f,"
      "\"rows_per_second\":%.0f,\"rows_per_cpu_second\":%.0f,\"mb_per_second\":%.1f,\"stop_seconds\":%.3f,\"peak_"
      "memory_mb\":%ld,"
      "\"books_closed\":%s}\n",
      options.workers, static_cast<unsigned long long>(rows), seconds, log_seconds, log_cpu, all_cpu,
      static_cast<double>(rows) / seconds, static_cast<double>(rows) / all_cpu, bytes / 1e6 / seconds, stop_seconds,
      usage.ru_maxrss / 1024, closed ? "true" : "false");
  std::fprintf(stderr, "%s", top.c_str());
  std::filesystem::remove_all(directory);
  return 0;
}
