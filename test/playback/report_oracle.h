// DuckDB runs examples/engagement/report.sql once over a whole input, as the oracle for the pipeline of the same name.
#pragma once

#include <duckdb.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::connectors::playback {

/// The text of a file of the project; fails the test when it is not there.
std::string project_file(const std::string& path);

class ReportOracle {
 public:
  ReportOracle();
  ~ReportOracle();
  ReportOracle(const ReportOracle&) = delete;
  ReportOracle& operator=(const ReportOracle&) = delete;

  /// Runs the statements in order: a stream or table is created and filled from the NDJSON (what is no event is skipped
  /// and counted), a view becomes a table, a sink is left out. Variables are put in, else their defaults.
  void run(const std::string& sql, const std::string& events, const std::string& catalogue,
           const std::map<std::string, std::string>& variables);
  /// The rows, each as its fields joined by commas.
  std::vector<std::string> rows(const std::string& query);
  uint64_t dead() const { return dead_; }

 private:
  void execute(const std::string& sql);
  void fill_events(std::string_view ndjson);
  void fill_catalogue(std::string_view ndjson);

  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
  uint64_t dead_ = 0;
};

}  // namespace millrace::connectors::playback
