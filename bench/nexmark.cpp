// One query of Nexmark over stored events, by Millrace or by DuckDB alone. Prints one JSON object.
//
//   build/release/bench/bench_nexmark millrace|duckdb QUERY [EVENTS] [WORKERS] [INPUT] [SINK]
//
// Millrace: the events lie in the log of a new data directory, and the view is there. What is timed is all from there
// on: reading, decoding, the query, the view's rows, commits with their syncs, checkpoints, the ledger. With a SINK
// (1), also the changelog and a sink that drops all rows. INPUT says how the events lie there: "json" (the default) as
// JSON in one stream, "made" in one stream and "three" in three streams as names of events (format nexmark), whose rows
// are made when they are read.
// DuckDB: the events lie in three tables in memory, as columns; what is timed is CREATE TABLE … AS the same SELECT.
// Both have the same events, and threads (WORKERS, 1).
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include <duckdb.hpp>

#include "base/metrics.h"
#include "base/process_memory.h"
#include "base/real_env.h"
#include "base/text.h"
#include "connectors/nexmark/decoder.h"
#include "connectors/nexmark/rows.h"
#include "engine/node.h"

namespace {

using namespace millrace;
namespace nexmark = connectors::nexmark;

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", render(result.error()).c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", render(status.error()).c_str());
  std::exit(1);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

long peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

struct Run {
  std::string query;  ///< "q0"
  uint64_t events = 1000000;
  uint32_t workers = 1;
  std::string input = "json";
  bool with_sink = false;
};

struct Measured {
  double wall = 0;
  double cpu = 0;
  uint64_t rows = 0;
  uint64_t commits = 0;
  uint64_t state_bytes = 0;
  double step_p50_ms = 0;  // of steps, their commits and checkpoints included; right within a quarter
  double step_p99_ms = 0;
};

std::string example(const std::string& name) {
  const char* source = std::getenv("MILLRACE_SOURCE_DIR");
  const std::string path = std::string(source ? source : ".") + "/examples/nexmark/" + name + ".sql";
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "cannot read %s; MILLRACE_SOURCE_DIR names the source's folder\n", path.c_str());
    std::exit(1);
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string select_of(const std::string& query) {
  const std::string text = example(query);
  const std::string before = "CREATE MATERIALIZED VIEW " + query + " AS";
  const size_t begin = text.find(before) + before.size();
  return text.substr(begin, text.find(';', begin) - begin);
}

constexpr const char* kSideInput = "INSERT INTO side_input SELECT i, 'value-' || i FROM range(10000) r(i)";

constexpr const char* kQ12OfThree =
    "CREATE MATERIALIZED VIEW q12 AS SELECT bidder, count(*) AS bid_count, window_start, window_end "
    "FROM tumble(bid, _append_time, INTERVAL 10 SECOND) GROUP BY ALL";

/// Appends a run's events of the form to a stream, as lines or as records that name them.
void send(engine::Node& node, const char* stream, const Run& run, nexmark::Form form, bool as_json) {
  const nexmark::Options events;  // 10,000 events a second of event time
  auto generator = must(nexmark::Generator::create(events));
  std::string bytes;
  std::vector<size_t> ends;
  auto flush = [&] {
    std::vector<std::string_view> records;
    size_t begin = 0;
    for (size_t end : ends) {
      records.push_back(std::string_view(bytes).substr(begin, end - begin));
      begin = end + as_json;  // behind the newline
    }
    if (!records.empty()) (void)must(node.append(stream, records, {}));
    bytes.clear();
    ends.clear();
  };
  for (uint64_t id = 0; id < run.events; ++id) {
    if (!has(form, nexmark::Generator::type_of(id))) continue;
    if (as_json) {
      const size_t begin = bytes.size();
      bytes.resize(begin + nexmark::kLineMax);
      bytes.resize(static_cast<size_t>(write_event(generator, id, form, bytes.data() + begin) - bytes.data()));
    } else {
      append_record(events, id, bytes);
    }
    ends.push_back(bytes.size() - as_json);
    if (bytes.size() >= (1 << 20)) flush();
  }
  flush();
}

Measured run_millrace(const Run& run) {
  RealEnv env;
  Metrics metrics;
  const std::string directory =
      (std::filesystem::temp_directory_path() / ("millrace_bench_nexmark_" + std::to_string(getpid()))).string();
  std::filesystem::remove_all(directory);
  engine::NodeOptions options;
  options.data_directory = directory;
  options.workers = run.workers;
  options.memory_bytes = 8ULL << 30;
  if (run.input != "json") options.step_bytes_max = 2 << 20;  // about as many events a step as in 16 MiB of JSON
  auto node = must(engine::Node::open(env, metrics, options));
  const bool three = run.input == "three";
  const std::map<std::string, std::string> settings = {{"events", "0"},
                                                       {"format", run.input == "json" ? "json" : "nexmark"}};
  must(node->apply_pipeline(example(three ? "three_streams" : "streams"), directory, settings));
  must(node->apply_pipeline(three && run.query == "q12" ? kQ12OfThree : example(run.query), directory, {}));
  if (run.query == "q13") (void)must(node->execute(kSideInput));
  if (run.with_sink)
    (void)must(
        node->execute("CREATE SINK hole FROM " + run.query + " WITH (connector = 'blackhole', mode = 'changes')"));
  if (run.input == "json") {
    send(*node, "nexmark", run, nexmark::Form::kAll, true);
  } else if (run.input == "made") {
    send(*node, "nexmark", run, nexmark::Form::kAll, false);
  } else {
    send(*node, "person", run, nexmark::Form::kPerson, false);
    send(*node, "auction", run, nexmark::Form::kAuction, false);
    send(*node, "bid", run, nexmark::Form::kBid, false);
  }
  Measured measured{-wall_seconds(), -cpu_seconds()};
  must(node->start());
  must(node->sync());
  measured.wall += wall_seconds();
  measured.cpu += cpu_seconds();
  const engine::NodeStatus status = node->status();
  measured.commits = status.commits;
  measured.state_bytes = status.state_bytes;
  const Histogram& steps = metrics.histogram("millrace_step_seconds", "", {}, Unit::kSeconds);
  measured.step_p50_ms = static_cast<double>(steps.quantile(0.5)) / 1e3;
  measured.step_p99_ms = static_cast<double>(steps.quantile(0.99)) / 1e3;
  for (const auto& view : status.views) {
    if (view.name == run.query) measured.rows = view.rows;
  }
  must(node->stop());
  node.reset();
  std::filesystem::remove_all(directory);
  return measured;
}

/// The queries whose text DuckDB does not know: the same with its own functions.
const std::map<std::string, std::string> kForDuckDB = {
    {"q5", R"(WITH counts AS (
         SELECT auction, count(*) AS num, w
         FROM (SELECT auction, time_bucket(INTERVAL 2 SECOND, dateTime) - i * INTERVAL 2 SECOND AS w
               FROM bid, (SELECT unnest(range(5)) AS i)) GROUP BY auction, w)
       SELECT c.auction, c.num FROM counts c JOIN (SELECT max(num) AS maxn, w FROM counts GROUP BY w) m
         ON c.w = m.w AND c.num >= m.maxn)"},
    {"q7", R"(SELECT b.auction, b.price, b.bidder, b.dateTime, b.extra
       FROM bid b JOIN (SELECT max(price) AS maxprice, time_bucket(INTERVAL 10 SECOND, dateTime) AS w FROM bid GROUP BY w) m
         ON b.price = m.maxprice
       WHERE b.dateTime >= m.w AND b.dateTime <= m.w + INTERVAL 10 SECOND)"},
    {"q8", R"(SELECT p.id, p.name, p.w
       FROM (SELECT DISTINCT id, name, time_bucket(INTERVAL 10 SECOND, dateTime) AS w FROM person) p
       JOIN (SELECT DISTINCT seller, time_bucket(INTERVAL 10 SECOND, dateTime) AS w FROM auction) a
         ON p.id = a.seller AND p.w = a.w)"},
    {"q11", R"(SELECT bidder, count(*), min(dateTime), max(dateTime) + INTERVAL 10 SECOND
       FROM (SELECT bidder, dateTime, sum(new) OVER (PARTITION BY bidder ORDER BY dateTime ROWS UNBOUNDED PRECEDING) AS s
             FROM (SELECT bidder, dateTime, CASE WHEN dateTime < lag(dateTime) OVER (PARTITION BY bidder ORDER BY dateTime)
                          + INTERVAL 10 SECOND THEN 0 ELSE 1 END AS new FROM bid))
       GROUP BY bidder, s)"},
    {"q12", R"(SELECT bidder, count(*), time_bucket(INTERVAL 10 SECOND, dateTime) AS w, w + INTERVAL 10 SECOND
       FROM bid GROUP BY 1, 3)"},
};

void execute(duckdb::Connection& connection, const std::string& sql) {
  auto result = connection.Query(sql);
  if (!result->HasError()) return;
  std::fprintf(stderr, "%s\nin: %s\n", result->GetError().c_str(), sql.c_str());
  std::exit(1);
}

Measured run_duckdb(const Run& run) {
  duckdb::DuckDB database(nullptr);
  duckdb::Connection connection(database);
  execute(connection, "SET threads = " + std::to_string(run.workers));
  const nexmark::Options events;  // 10,000 events a second of event time
  auto generator = std::make_shared<const nexmark::Generator>(must(nexmark::Generator::create(events)));
  for (auto [name, form] : {std::pair("person", nexmark::Form::kPerson), std::pair("auction", nexmark::Form::kAuction),
                            std::pair("bid", nexmark::Form::kBid)}) {
    nexmark::RowWriter rows(generator, form);
    std::string columns;
    for (const batch::Field& field : rows.schema().fields)
      columns += (columns.empty() ? "" : ", ") + field.name + " " + field.type.name();
    execute(connection, std::string("CREATE TABLE ") + name + " (" + columns + ")");
    duckdb::Appender appender(connection, name);
    for (uint64_t number = 0; number < run.events;) {
      batch::Batch batch = rows.next(number, run.events);
      if (!batch.empty()) appender.AppendDataChunk(batch.chunk());
    }
    appender.Close();
  }
  execute(connection, "CREATE TABLE side_input (key BIGINT PRIMARY KEY, value VARCHAR)");
  execute(connection, kSideInput);
  auto other = kForDuckDB.find(run.query);
  const std::string select = other == kForDuckDB.end() ? select_of(run.query) : other->second;
  Measured measured{-wall_seconds(), -cpu_seconds()};
  execute(connection, "CREATE TABLE result AS " + select);
  measured.wall += wall_seconds();
  measured.cpu += cpu_seconds();
  measured.rows = connection.Query("SELECT count(*) FROM result")->GetValue(0, 0).GetValue<uint64_t>();
  return measured;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string engine = argc > 1 ? argv[1] : "";
  if (argc < 3 || (engine != "millrace" && engine != "duckdb")) {
    std::fprintf(stderr, "usage: %s millrace|duckdb QUERY [EVENTS] [WORKERS] [json|made|three] [SINK]\n", argv[0]);
    return 2;
  }
  Run run;
  run.query = argv[2];
  limit_free_memory();  // as the program does
  if (argc > 3) run.events = std::strtoull(argv[3], nullptr, 10);
  if (argc > 4) run.workers = static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10));
  if (argc > 5) run.input = argv[5];
  run.with_sink = argc > 6 && std::string_view(argv[6]) != "0";
  const Measured measured = engine == "duckdb" ? run_duckdb(run) : run_millrace(run);
  std::printf(
      "{\"engine\":\"%s\",\"query\":\"%s\",\"events\":%llu,\"workers\":%u,\"input\":\"%s\",\"sink\":%d,"
      "\"wall_seconds\":%.6f,\"cpu_seconds\":%.6f,\"rows\":%llu,\"commits\":%llu,\"step_p50_ms\":%.3f,"
      "\"step_p99_ms\":%.3f,\"state_bytes\":%llu,\"peak_memory_kib\":%ld}\n",
      engine.c_str(), run.query.c_str(), static_cast<unsigned long long>(run.events), run.workers, run.input.c_str(),
      run.with_sink, measured.wall, measured.cpu, static_cast<unsigned long long>(measured.rows),
      static_cast<unsigned long long>(measured.commits), measured.step_p50_ms, measured.step_p99_ms,
      static_cast<unsigned long long>(measured.state_bytes), peak_memory_kib());
  return 0;
}
