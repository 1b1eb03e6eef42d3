// How long an event takes: until it is acked (durable), and until a subscriber sees it in a view. Open loop: events are
// due at fixed times, at half of what the node took in a closed loop just before, and a late send counts as latency.
// Beside it, one write + fdatasync of the same size. As one JSON object; times in milliseconds.
//
//   build/release/bench/bench_latency [PRODUCERS] [SECONDS] [WORKERS]
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/real_env.h"
#include "engine/node.h"
#include "latencies.h"

namespace {

using namespace millrace;
using bench::Latencies;

constexpr const char* kPipeline = R"(
  CREATE STREAM s (id BIGINT, due BIGINT, pad VARCHAR) WITH (partitions = 4);
  CREATE MATERIALIZED VIEW seen AS SELECT id, due FROM s WHERE id >= 0;
  CREATE MATERIALIZED VIEW totals AS SELECT id % 1000 AS k, count(*) AS n FROM s GROUP BY 1;)";
constexpr size_t kRecordBytes = 200;

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", render(status.error()).c_str());
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) must(Status(std::move(result).error()));
  return std::move(result).value();
}

void print(const char* name, Latencies& of) {
  std::printf("\"%s_p50_ms\":%.3f,\"%s_p99_ms\":%.3f,", name, of.at(0.5), name, of.at(0.99));
}

std::string record(int64_t id, int64_t due) {
  std::string text = "{\"id\":" + std::to_string(id) + ",\"due\":" + std::to_string(due) + ",\"pad\":\"";
  text.append(kRecordBytes - std::min(kRecordBytes, text.size() + 2), 'x');
  return text + "\"}";
}

/// Runs the producers for so long; `events_per_second` 0: each sends as soon as it is answered.
class Load {
 public:
  Load(Env& env, engine::Node& node, uint32_t producers) : env_(env), node_(node), acks_(producers) {}

  double run(double events_per_second, double seconds) {
    std::vector<std::thread> threads;
    std::atomic<uint64_t> sent{0};
    int64_t start = env_.clock().monotonic().micros;
    auto end = start + static_cast<int64_t>(seconds * 1e6);
    for (size_t p = 0; p < acks_.size(); ++p) {
      acks_[p].micros.clear();
      threads.emplace_back([&, p] {
        double gap = events_per_second > 0 ? 1e6 * static_cast<double>(acks_.size()) / events_per_second : 0;
        double next = static_cast<double>(start) + gap * static_cast<double>(p) / static_cast<double>(acks_.size());
        while (true) {
          int64_t now = env_.clock().monotonic().micros;
          int64_t due = gap > 0 ? static_cast<int64_t>(next) : now;
          if (due >= end) return;
          if (due > now) env_.clock().sleep_for(Duration{due - now});
          std::string line = record(gap > 0 ? 1 : -1, due);
          must(node_.append("s", {line}, {}));
          acks_[p].micros.push_back(env_.clock().monotonic().micros - due);
          ++sent;
          next += gap;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return static_cast<double>(sent) * 1e6 / static_cast<double>(env_.clock().monotonic().micros - start);
  }

  Latencies acks() const {
    Latencies all;
    for (const Latencies& part : acks_) all.micros.insert(all.micros.end(), part.micros.begin(), part.micros.end());
    return all;
  }

 private:
  Env& env_;
  engine::Node& node_;
  std::vector<Latencies> acks_;
};

}  // namespace

int main(int argc, char** argv) {
  auto producers = static_cast<uint32_t>(argc > 1 ? std::atoi(argv[1]) : 16);
  double seconds = argc > 2 ? std::atof(argv[2]) : 5;
  RealEnv env;
  Metrics metrics;
  std::string directory = (std::filesystem::temp_directory_path() / "millrace_bench_latency").string();
  std::filesystem::remove_all(directory);
  engine::NodeOptions options;
  options.data_directory = directory;
  options.workers = argc > 3 ? static_cast<uint32_t>(std::atoi(argv[3])) : 1;
  auto node = must(engine::Node::open(env, metrics, options));
  must(node->apply_pipeline(kPipeline, ".", {}));
  must(node->start());
  Latencies disk = bench::sync_alone(env, directory + "/probe", kRecordBytes + 100);

  Load load(env, *node, producers);
  double most = load.run(0, seconds / 2);
  must(node->sync());
  auto subscription = must(node->subscribe({.view = "seen"}));
  std::atomic<bool> done{false};
  Latencies visible;
  std::thread reader([&] {
    while (true) {
      batch::Batch rows = must(subscription->next(Duration::from_millis(200)));
      int64_t now = env.clock().monotonic().micros;
      for (size_t row = 0; row < rows.rows(); ++row) visible.micros.push_back(now - rows.column(1).at<int64_t>(row));
      if (rows.empty() && done) return;
    }
  });
  double rate = load.run(most / 2, seconds);
  must(node->sync());
  done = true;
  reader.join();
  Latencies acks = load.acks();
  std::printf("{\"producers\":%u,\"workers\":%u,\"closed_loop_per_second\":%.0f,\"events_per_second\":%.0f,", producers,
              options.workers, most, rate);
  print("fdatasync", disk);
  print("ack", acks);
  print("visible", visible);
  std::printf("\"acked\":%zu,\"seen\":%zu}\n", acks.micros.size(), visible.micros.size());
  must(node->stop());
  std::filesystem::remove_all(directory);
  return 0;
}
