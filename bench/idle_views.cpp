// What a step of one event costs: alone, with 20 views beside it that it does not touch, and for each general operator
// that it does touch. CPU microseconds of the whole process an event, one event a step: append, step and commit.
//
//   build/release/bench/bench_idle_views [EVENTS]      steps of each case; 500
//
// Prints one JSON object a case.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/metrics.h"
#include "base/real_env.h"
#include "engine/node.h"

namespace {

using namespace millrace;

constexpr const char* kStreams = R"(
  CREATE STREAM touched (k BIGINT, v BIGINT);
  CREATE STREAM quiet (k BIGINT, v BIGINT);
  CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v) AS total FROM touched GROUP BY k;)";
constexpr int kIdleViews = 20;
constexpr int kQuietRows = 20000;  // in each idle view's state
constexpr int kKeys = 1000;

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

double cpu_micros() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto micros = [](const timeval& time) { return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec); };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

std::string event(int number) {
  return "{\"k\":" + std::to_string(number % kKeys) + ",\"v\":" + std::to_string(number) + "}";
}

/// A fast form and a general one in turn.
std::string idle_view(int number) {
  const std::string name = "idle" + std::to_string(number);
  const char* call = number % 2 == 0 ? "sum(v)" : "median(v)";
  return "CREATE MATERIALIZED VIEW " + name + " AS SELECT k, " + call + " AS result FROM quiet GROUP BY k;";
}

struct Case {
  const char* name;
  int idle_views;
  int general_views;  ///< that read what is touched
};

void run(const Case& which, int events) {
  RealEnv env;
  Metrics metrics;
  const std::string directory =
      (std::filesystem::temp_directory_path() / ("millrace_bench_idle_" + std::to_string(getpid()))).string();
  std::filesystem::remove_all(directory);
  engine::NodeOptions options;
  options.data_directory = directory;
  auto node = must(engine::Node::open(env, metrics, options));
  std::string pipeline = kStreams;
  for (int i = 0; i < which.idle_views; ++i) pipeline += idle_view(i);
  for (int i = 0; i < which.general_views; ++i) {
    pipeline += "CREATE MATERIALIZED VIEW general" + std::to_string(i) + " AS SELECT k, median(v + " +
                std::to_string(i) + ") AS m FROM touched GROUP BY k;";
  }
  must(node->apply_pipeline(pipeline, directory, {}));
  for (int i = 0; i < kQuietRows; ++i) (void)must(node->append("quiet", {event(i)}, {}));
  for (int i = 0; i < 5 * kKeys; ++i) (void)must(node->append("touched", {event(i)}, {}));
  must(node->start());
  must(node->sync());
  const uint64_t commits = node->status().commits;
  const double began = cpu_micros();
  for (int i = 0; i < events; ++i) {
    (void)must(node->append("touched", {event(i)}, {}));
    must(node->sync());
  }
  const double spent = cpu_micros() - began;
  std::printf("{\"case\":\"%s\",\"events\":%d,\"commits\":%llu,\"cpu_micros_per_event\":%.1f}\n", which.name, events,
              static_cast<unsigned long long>(node->status().commits - commits), spent / events);
  must(node->stop());
  node.reset();
  std::filesystem::remove_all(directory);
}

}  // namespace

int main(int argc, char** argv) {
  const int events = argc > 1 ? std::atoi(argv[1]) : 500;
  const Case cases[] = {{"one view", 0, 0},
                        {"20 idle views beside it", kIdleViews, 0},
                        {"1 general operator touched", 0, 1},
                        {"5 general operators touched", 0, 5}};
  for (const Case& which : cases) run(which, events);
  return 0;
}
