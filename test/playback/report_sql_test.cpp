// examples/engagement/report.sql over generated and given runs, in DuckDB: the report is the published one, row for
// row, and each of the usual mistakes gives another.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "connectors/playback/titles.h"
#include "playback/playback_run.h"
#include "playback/report_oracle.h"

namespace millrace::connectors::playback {
namespace {

std::vector<std::string> published(std::string_view titles_csv) {
  const auto titles = read_titles(titles_csv);
  EXPECT_TRUE(titles.ok()) << (titles.ok() ? "" : render(titles.error()));
  std::vector<std::string> rows;
  for (const Title& title : *titles)
    rows.push_back(title.kind + "," + title.title + "," + title.available_globally + "," + title.release_date + "," +
                   title.runtime_label + "," + std::to_string(title.hours_viewed) + "," + std::to_string(title.views));
  std::sort(rows.begin(), rows.end());
  return rows;
}

/// What a pipeline must get right, taken from an oracle that has run.
struct Results {
  std::vector<std::string> report, title_time, title_week;
  bool operator==(const Results&) const = default;
};

Results results_of(ReportOracle& oracle) {
  Results results;
  results.report = oracle.rows(
      "SELECT kind, title, available_globally, release_date, runtime_label, hours_viewed, views FROM report");
  std::sort(results.report.begin(), results.report.end());
  results.title_time = oracle.rows("SELECT title_id, credited_ms FROM title_time ORDER BY ALL");
  results.title_week = oracle.rows("SELECT title_id, week_start_ms, credited_ms FROM title_week ORDER BY ALL");
  return results;
}

std::vector<std::string> lines_below_header(std::string_view csv) {
  const auto lines = split_lines(csv);
  return {lines.begin() + 1, lines.end()};
}

Results truth_of(std::string_view titles_csv, std::string_view truth, std::string_view truth_week) {
  return {published(titles_csv), lines_below_header(truth), lines_below_header(truth_week)};
}

/// Says where two lists part instead of printing thousands of rows.
void expect_equal_rows(const std::vector<std::string>& got, const std::vector<std::string>& wanted, const char* what) {
  const auto [left, right] = std::mismatch(got.begin(), got.end(), wanted.begin(), wanted.end());
  if (left == got.end() && right == wanted.end()) return;
  ADD_FAILURE() << what << ": " << got.size() << " rows for " << wanted.size() << ", first "
                << (left == got.end() ? "(none)" : *left) << " for " << (right == wanted.end() ? "(none)" : *right);
}

void expect_equal(const Results& got, const Results& wanted) {
  expect_equal_rows(got.report, wanted.report, "report");
  expect_equal_rows(got.title_time, wanted.title_time, "title_time");
  expect_equal_rows(got.title_week, wanted.title_week, "title_week");
}

std::map<std::string, std::string> variables_of(const Options& options) {
  return {{"unit_ms", std::to_string(options.unit_ms)},
          {"window_start_ms", std::to_string(options.window_start_ms)},
          {"window_end_ms", std::to_string(options.window_end_ms)}};
}

/// Generates, runs report.sql in DuckDB, and compares everything that the generator promises.
void check_report(const Options& options) {
  const GeneratedRun run = run_generator(options);
  ReportOracle oracle;
  oracle.run(project_file("examples/engagement/report.sql"), run.events, run.catalogue, variables_of(options));
  expect_equal(results_of(oracle), truth_of(options.titles_csv, run.truth, run.truth_week));
  EXPECT_EQ(oracle.dead(), run.manifest.malformed);
  EXPECT_EQ(oracle.rows("SELECT count(*) FROM events").at(0), std::to_string(run.manifest.unique_events));
  EXPECT_EQ(oracle.rows("SELECT count(*) FROM report").at(0), std::to_string(run.manifest.rows));
  EXPECT_EQ(oracle.rows("SELECT coalesce(sum(events), 0) FROM unmatched").at(0),
            std::to_string(run.manifest.unknown_title_events));
}

Options example_options(uint64_t seed, int64_t unit_ms) {
  Options options = small_options(seed, unit_ms);
  options.titles_csv = project_file("examples/engagement/titles.csv");
  return options;
}

TEST(ReportSql, SmallTitles) {
  for (const uint64_t seed : {1, 2, 3}) check_report(small_options(seed, 100'001));
}

TEST(ReportSql, TheExample) { check_report(example_options(1, 20'000)); }

TEST(ReportSql, TheExampleHoldsAHundredShowsAndAHundredFilmsWithOrdinaryRuntimes) {
  const auto titles = read_titles(project_file("examples/engagement/titles.csv"));
  ASSERT_TRUE(titles.ok()) << render(titles.error());
  EXPECT_EQ(titles->size(), 200u);
  EXPECT_EQ(std::count_if(titles->begin(), titles->end(), [](const Title& t) { return t.kind == "Show"; }), 100);
  EXPECT_TRUE(std::none_of(titles->begin(), titles->end(), [](const Title& t) { return t.effective_runtime; }));
}

TEST(ReportSql, EachUsualMistakeIsNoticed) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "engagement_wrong";
  const char* source = std::getenv("MILLRACE_SOURCE_DIR");
  const std::string script = (source ? std::string(source) + "/" : std::string()) + "test/e2e/engagement_wrong.py";
  ASSERT_EQ(std::system(("python3 '" + script + "' --out '" + folder.string() + "'").c_str()), 0);
  const Options options = example_options(1, 5'000);
  const GeneratedRun run = run_generator(options);
  const Results truth = truth_of(options.titles_csv, run.truth, run.truth_week);
  size_t wrong = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path());
    ReportOracle oracle;
    oracle.run(std::string(std::istreambuf_iterator<char>(file), {}), run.events, run.catalogue, variables_of(options));
    const Results results = results_of(oracle);
    EXPECT_FALSE(results.report == truth.report) << entry.path().stem() << " gives the published report";
    const bool publishes = entry.path().stem() == "rounded_down" || entry.path().stem() == "no_threshold";
    EXPECT_EQ(results.title_time == truth.title_time, publishes) << entry.path().stem();
    ++wrong;
  }
  EXPECT_EQ(wrong, 11u);
  std::filesystem::remove_all(folder);
}

/// The folder of real figures beside the project, which is not part of it.
std::filesystem::path shared_data() {
  const char* source = std::getenv("MILLRACE_SOURCE_DIR");
  return std::filesystem::path(source ? source : ".") / "../shared/data";
}

std::string read_gzip(const std::filesystem::path& path) {
  std::string text;
  gzFile file = gzopen(path.c_str(), "rb");
  char buffer[1 << 16];
  for (int count; file && (count = gzread(file, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(count));
  if (file) gzclose(file);
  return text;
}

std::string read_plain(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

struct Half {
  const char* name;
  int64_t start_ms;
  int64_t end_ms;
  uint64_t seed;
};

constexpr Half k2025H1 = {"2025H1", kHalfStartMs, kHalfEndMs, 1};

std::string titles_of(const Half& half) {
  const std::string all = read_gzip(shared_data() / "netflix_engagement/engagement_all.csv.gz");
  std::string csv;
  for (const std::string_view line : split_lines(all))
    if (csv.empty() || line.starts_with(half.name)) csv += std::string(line) + "\n";
  return csv;
}

class RealHalf : public testing::TestWithParam<Half> {};

TEST_P(RealHalf, IsReproducedRowForRow) {
  if (!std::filesystem::exists(shared_data() / "netflix_engagement")) GTEST_SKIP() << "../shared/data is not there";
  Options options;
  options.titles_csv = titles_of(GetParam());
  options.seed = GetParam().seed;
  options.window_start_ms = GetParam().start_ms;
  options.window_end_ms = GetParam().end_ms;
  check_report(options);
}

INSTANTIATE_TEST_SUITE_P(Published, RealHalf,
                         testing::Values(Half{"2023H2", 1'688'169'600'000, 1'704'067'200'000, 2},
                                         Half{"2024H1", 1'704'067'200'000, 1'719'792'000'000, 3},
                                         Half{"2024H2", 1'719'792'000'000, 1'735'689'600'000, 4}, k2025H1),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ReportSql, TheRunOfTheFirstGenerator) {
  const auto folder = shared_data() / "playback_2025H1";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "../shared/data is not there";
  ReportOracle oracle;
  oracle.run(project_file("examples/engagement/report.sql"), read_gzip(folder / "events.ndjson.gz"),
             read_plain(folder / "catalogue.ndjson"), {{"unit_ms", "3600"}});
  const auto manifest = nlohmann::json::parse(read_plain(folder / "manifest.json"));
  EXPECT_EQ(oracle.dead(), manifest["malformed"]);
  EXPECT_EQ(oracle.rows("SELECT count(*) FROM events").at(0), manifest["unique_events"].dump());
  expect_equal(results_of(oracle),
               truth_of(titles_of(k2025H1), read_plain(folder / "truth.csv"), read_plain(folder / "truth_week.csv")));
}

}  // namespace
}  // namespace millrace::connectors::playback
