// DuckDB alone runs the views of a pipeline file once over rows that lie in its tables: the limit of bench_engagement
// on the same SQL and the same rows. Prints one JSON object; loading (our decoder, DuckDB's appender) is timed apart.
//
//   build/release/bench/bench_duckdb_batch PIPELINE.sql EVENTS.ndjson CATALOGUE.ndjson [THREADS] [name=value]…
//
// A stream or table becomes a table, a view a table of its rows, a sink is left out. Every view is computed once, like
// in the pipeline, and nothing is kept on disk.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>

#include <duckdb.hpp>

#include "base/text.h"
#include "batch/batch.h"
#include "formats/decoder.h"

namespace {

using namespace millrace;

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(1);
}

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(std::string("cannot read ") + path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

rusage own_usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

double cpu_seconds() {
  const rusage usage = own_usage();
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Adds what passes between start() and stop(), in wall-clock and CPU time of the process.
struct Stopwatch {
  double wall = 0, cpu = 0;
  void start() { wall -= wall_seconds(), cpu -= cpu_seconds(); }
  void stop() { wall += wall_seconds(), cpu += cpu_seconds(); }
};

std::string put_variables_in(const std::string& sql, const std::map<std::string, std::string>& variables) {
  static const std::regex pattern(R"(\$\{(\w+):-([^}]*)\})");
  std::string out;
  auto from = sql.cbegin();
  for (std::sregex_iterator match(sql.begin(), sql.end(), pattern), end; match != end; ++match) {
    out.append(from, (*match)[0].first);
    const auto given = variables.find((*match)[1]);
    out += given != variables.end() ? given->second : (*match)[2].str();
    from = (*match)[0].second;
  }
  return out.append(from, sql.cend());
}

/// The statements without comments; texts with a semicolon inside are not expected in a pipeline that is measured.
std::vector<std::string> split_statements(const std::string& sql) {
  std::vector<std::string> statements;
  std::stringstream stream(std::regex_replace(sql, std::regex("--[^\n]*"), ""));
  for (std::string statement; std::getline(stream, statement, ';');) {
    const size_t start = statement.find_first_not_of(" \n\t");
    if (start != std::string::npos) statements.push_back(statement.substr(start));
  }
  return statements;
}

class BatchRun {
 public:
  BatchRun(int64_t threads) : connection_(database_) { execute("SET threads = " + std::to_string(threads)); }

  void execute(const std::string& sql) {
    auto result = connection_.Query(sql);
    if (result->HasError()) fail(result->GetError() + "\nin: " + sql);
  }

  int64_t count(const std::string& table) {
    auto result = connection_.Query("SELECT count(*) FROM " + table);
    if (result->HasError()) fail(result->GetError());
    return result->GetValue(0, 0).GetValue<int64_t>();
  }

  /// Fills a table from lines of JSON; what does not decode is left out and counted.
  void fill(const std::string& table, const std::string& bytes) {
    batch::Schema schema;
    auto columns = connection_.Query("SELECT * FROM " + table + " LIMIT 0");
    for (size_t i = 0; i < columns->names.size(); ++i)
      schema.fields.push_back({columns->names[i], batch::Type(columns->types[i])});
    auto decoder = std::move(formats::make_decoder("json", schema, {})).value();
    duckdb::Appender appender(connection_, table);
    std::vector<uint32_t> decoded;
    std::vector<formats::DecodeError> errors;
    std::vector<std::string_view> lines = split_view(bytes, '\n');
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
    lines_ += lines.size();
    for (size_t first = 0; first < lines.size(); first += batch::kBatchRows) {
      batch::Batch rows(schema);
      decoded.clear();
      const auto some = std::span(lines).subspan(first, std::min(batch::kBatchRows, lines.size() - first));
      if (!decoder->decode(some, rows, decoded, errors).ok()) fail("the decoder failed");
      appender.AppendDataChunk(rows.chunk());
    }
    appender.Close();
    dead_ += errors.size();
  }

  size_t lines_ = 0;
  size_t dead_ = 0;

 private:
  duckdb::DuckDB database_{nullptr};
  duckdb::Connection connection_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) fail("usage: bench_duckdb_batch PIPELINE.sql EVENTS.ndjson CATALOGUE.ndjson [THREADS] [name=value]...");
  const int64_t threads = argc > 4 ? std::atoll(argv[4]) : 1;
  std::map<std::string, std::string> variables;
  for (int i = 5; i < argc; ++i) {
    const std::string setting = argv[i];
    variables[setting.substr(0, setting.find('='))] = setting.substr(setting.find('=') + 1);
  }
  const std::string events = read_file(argv[2]);
  const std::string catalogue = read_file(argv[3]);
  BatchRun run(threads);
  Stopwatch load, query;
  const std::string view = "CREATE MATERIALIZED VIEW ";
  for (const std::string& statement : split_statements(put_variables_in(read_file(argv[1]), variables))) {
    if (statement.starts_with("CREATE SINK ")) continue;
    if (statement.starts_with(view)) {
      query.start();
      run.execute("CREATE TABLE " + statement.substr(view.size()));
      query.stop();
      continue;
    }
    const size_t name = statement.find(' ', 7) + 1;
    const std::string table = statement.substr(name, statement.find_first_of(" (", name) - name);
    run.execute("CREATE TABLE " + statement.substr(name, statement.rfind(") WITH (") + 1 - name));
    load.start();
    run.fill(table, statement.starts_with("CREATE STREAM ") ? events : catalogue);
    load.stop();
  }
  const auto lines = static_cast<double>(run.lines_);
  const auto bytes = static_cast<double>(events.size() + catalogue.size());
  std::printf(
      "{\"threads\":%lld,\"rows\":%.0f,\"dead\":%zu,\"report_rows\":%lld,\"load_seconds\":%.3f,\"load_cpu_seconds\":%."
      "3f,"
      "\"query_seconds\":%.3f,\"query_cpu_seconds\":%.3f,\"rows_per_query_cpu_second\":%.0f,"
      "\"mb_per_query_cpu_second\":%.1f,\"rows_per_cpu_second\":%.0f,\"peak_memory_mb\":%ld}\n",
      static_cast<long long>(threads), lines, run.dead_, static_cast<long long>(run.count("report")), load.wall,
      load.cpu, query.wall, query.cpu, lines / query.cpu, bytes / 1e6 / query.cpu, lines / (query.cpu + load.cpu),
      own_usage().ru_maxrss / 1024);
  return 0;
}
