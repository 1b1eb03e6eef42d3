#include "playback/report_oracle.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "playback/playback_run.h"

namespace millrace::connectors::playback {
namespace {

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

std::vector<std::string> split_statements(const std::string& sql) {
  const std::string bare = std::regex_replace(sql, std::regex("--[^\n]*"), "");
  std::vector<std::string> statements;
  std::stringstream stream(bare);
  for (std::string statement; std::getline(stream, statement, ';');) {
    const size_t start = statement.find_first_not_of(" \n\t");
    if (start != std::string::npos) statements.push_back(statement.substr(start));
  }
  return statements;
}

}  // namespace

std::string project_file(const std::string& path) {
  const char* source = std::getenv("MILLRACE_SOURCE_DIR");
  std::ifstream file((source ? std::string(source) + "/" : std::string()) + path, std::ios::binary);
  if (!file) ADD_FAILURE() << "no file " << path << "; run from the project's folder or set MILLRACE_SOURCE_DIR";
  return std::string(std::istreambuf_iterator<char>(file), {});
}

ReportOracle::ReportOracle() {
  EXPECT_EQ(duckdb_open(nullptr, &database_), DuckDBSuccess);
  EXPECT_EQ(duckdb_connect(database_, &connection_), DuckDBSuccess);
}

ReportOracle::~ReportOracle() {
  duckdb_disconnect(&connection_);
  duckdb_close(&database_);
}

void ReportOracle::execute(const std::string& sql) {
  duckdb_result result;
  if (duckdb_query(connection_, sql.c_str(), &result) != DuckDBSuccess)
    ADD_FAILURE() << duckdb_result_error(&result) << "\nin: " << sql;
  duckdb_destroy_result(&result);
}

std::vector<std::string> ReportOracle::rows(const std::string& query) {
  std::vector<std::string> found;
  duckdb_result result;
  if (duckdb_query(connection_, query.c_str(), &result) != DuckDBSuccess) ADD_FAILURE() << duckdb_result_error(&result);
  for (idx_t row = 0; row < duckdb_row_count(&result); ++row) {
    std::string line;
    for (idx_t column = 0; column < duckdb_column_count(&result); ++column) {
      char* text = duckdb_value_varchar(&result, column, row);
      line += (column > 0 ? "," : "") + std::string(text ? text : "");
      duckdb_free(text);
    }
    found.push_back(line);
  }
  duckdb_destroy_result(&result);
  return found;
}

void ReportOracle::fill_events(std::string_view ndjson) {
  duckdb_appender appender;
  ASSERT_EQ(duckdb_appender_create(connection_, nullptr, "playback", &appender), DuckDBSuccess);
  const auto text = [&](const std::string& value) {
    duckdb_append_varchar_length(appender, value.data(), value.size());
  };
  for (const std::string_view line : split_lines(ndjson)) {
    const auto event = read_event(line);
    if (!event) {
      ++dead_;
      continue;
    }
    for (const auto* value : {&event->event_id, &event->type, &event->state, &event->session_id}) text(*value);
    duckdb_append_int32(appender, static_cast<int32_t>(event->seq));
    for (int i = 0; i < 2; ++i) duckdb_append_null(appender);  // account_id, profile_id
    text(event->title_id);
    duckdb_append_null(appender);  // video_id
    text(event->play_kind);
    for (int i = 0; i < 2; ++i) duckdb_append_null(appender);  // device, country
    for (const int64_t value : {event->session_epoch_ms, event->mono_ms, event->client_ts})
      duckdb_append_int64(appender, value);
    duckdb_append_null(appender);  // position_ms
    for (const int64_t value : {event->played_ms, event->server_ts}) duckdb_append_int64(appender, value);
    ASSERT_EQ(duckdb_appender_end_row(appender), DuckDBSuccess) << duckdb_appender_error(appender);
  }
  ASSERT_EQ(duckdb_appender_destroy(&appender), DuckDBSuccess);
}

void ReportOracle::fill_catalogue(std::string_view ndjson) {
  duckdb_appender appender;
  ASSERT_EQ(duckdb_appender_create(connection_, nullptr, "catalogue", &appender), DuckDBSuccess);
  for (const std::string_view line : split_lines(ndjson)) {
    const auto title = nlohmann::json::parse(line.begin(), line.end());
    for (const char* name : {"title_id", "title", "kind", "available_globally", "release_date", "runtime_label"}) {
      const std::string value = title.at(name);
      duckdb_append_varchar_length(appender, value.data(), value.size());
    }
    duckdb_append_double(appender, title.at("runtime_h").get<double>());
    ASSERT_EQ(duckdb_appender_end_row(appender), DuckDBSuccess) << duckdb_appender_error(appender);
  }
  ASSERT_EQ(duckdb_appender_destroy(&appender), DuckDBSuccess);
}

void ReportOracle::run(const std::string& sql, const std::string& events, const std::string& catalogue,
                       const std::map<std::string, std::string>& variables) {
  for (const std::string& statement : split_statements(put_variables_in(sql, variables))) {
    const std::string view = "CREATE MATERIALIZED VIEW ";
    if (statement.starts_with("CREATE SINK ")) continue;
    if (statement.starts_with(view)) {
      execute("CREATE TABLE " + statement.substr(view.size()));
      continue;
    }
    const bool is_stream = statement.starts_with("CREATE STREAM ");
    const size_t name = statement.find(' ', 7) + 1;
    execute("CREATE TABLE " + statement.substr(name, statement.rfind(") WITH (") + 1 - name));
    is_stream ? fill_events(events) : fill_catalogue(catalogue);
  }
}

}  // namespace millrace::connectors::playback
