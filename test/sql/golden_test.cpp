// Every *.test file of this folder and the folders in it, in five ways that must agree; and that the runner sees what
// is wrong. MILLRACE_GOLDEN=text runs the files whose path holds the text.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/hash.h"
#include "golden_file.h"
#include "golden_run.h"

namespace millrace::golden {
namespace {

namespace filesystem = std::filesystem;

filesystem::path source_directory() {
  const char* text = std::getenv("MILLRACE_SOURCE_DIR");
  return text ? text : ".";
}

std::string read(const filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Pages without an example are left out.
std::vector<std::string> files_below(const char* folder, const char* extension) {
  std::vector<std::string> paths;
  const char* only = std::getenv("MILLRACE_GOLDEN");
  for (const auto& entry : filesystem::recursive_directory_iterator(source_directory() / folder)) {
    std::string path = filesystem::relative(entry.path(), source_directory()).string();
    if (entry.path().extension() == ".md" && read(entry.path()).find("```sql") == std::string::npos) continue;
    if (entry.path().extension() == extension && (!only || path.find(only) != std::string::npos)) paths.push_back(path);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string name_of(std::string path) {
  for (char& c : path) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return path;
}

/// A file and the number of a way.
using Parameter = std::tuple<std::string, size_t>;

class Golden : public ::testing::TestWithParam<Parameter> {};

TEST_P(Golden, IsTrue) {
  const auto& [path, number] = GetParam();
  const std::string text = read(source_directory() / path);
  auto steps = path.ends_with(".md") ? parse_documentation(text) : parse_golden(text);
  ASSERT_TRUE(steps.ok()) << path << ": " << steps.error().message;
  GoldenRun run(*steps, ways()[number], hash_bytes(path) + number);
  std::string wrong = run.run();
  EXPECT_EQ(wrong, "") << path << ", " << ways()[number].name << ", " << wrong;
}

std::string parameter_name(const ::testing::TestParamInfo<Parameter>& info) {
  return name_of(std::get<0>(info.param)) + "_" + ways()[std::get<1>(info.param)].name;
}

INSTANTIATE_TEST_SUITE_P(Files, Golden,
                         ::testing::Combine(::testing::ValuesIn(files_below("test/sql", ".test")),
                                            ::testing::Range(size_t{0}, ways().size())),
                         parameter_name);
INSTANTIATE_TEST_SUITE_P(Documentation, Golden,
                         ::testing::Combine(::testing::ValuesIn(files_below("docs", ".md")),
                                            ::testing::Range(size_t{0}, ways().size())),
                         parameter_name);

std::string run_text(const std::string& text, size_t way, Counts* counts = nullptr) {
  auto steps = parse_golden(text);
  if (!steps.ok()) return steps.error().message;
  GoldenRun run(*steps, ways()[way], 7);
  std::string wrong = run.run();
  if (counts) *counts = run.counts();
  return wrong;
}

constexpr const char* kSmall =
    "statement ok\nCREATE STREAM s (k INTEGER, v DOUBLE)\n\n"
    "statement ok\nCREATE MATERIALIZED VIEW v AS SELECT k, sum(v) AS t FROM s GROUP BY k\n\n"
    "statement ok\nINSERT INTO s VALUES (1, 0.1), (1, 0.2), (2, NULL)\n\n"
    "input s\n{\"k\":3,\"v\":5}\n{\"k\":3,\"v\":6}\n\n"
    "query IR rowsort\nSELECT * FROM v\n----\n1 0.3\n2 NULL\n";

TEST(GoldenRunner, EveryWayDoesWhatItSays) {
  for (size_t way = 0; way < ways().size(); ++way) {
    Counts counts;
    EXPECT_EQ(run_text(std::string(kSmall) + "3 11\n", way, &counts), "") << ways()[way].name;
    EXPECT_EQ(counts.queries, 1U);
    EXPECT_EQ(counts.restarts > 0, ways()[way].restarts);
    EXPECT_EQ(counts.deaths > 0, ways()[way].killed);
  }
}

TEST(GoldenRunner, AWrongExpectationIsSeen) {
  for (size_t way = 0; way < ways().size(); ++way) {
    for (const char* row : {"3 11.00001\n", "3 NULL\n", "3 11\n3 11\n", "", "3\n", "3 11 1\n", "4 11\n"})
      EXPECT_NE(run_text(std::string(kSmall) + row, way).find("line 14: "), std::string::npos) << row;
  }
  EXPECT_NE(run_text("statement error\nCREATE STREAM s (k INTEGER)\n", 0), "");
  EXPECT_NE(run_text("statement error no such words\nCREATE STREAM s (k NUMBERS)\n", 0), "");
  EXPECT_EQ(run_text("statement error NUMBERS\nCREATE STREAM s (k NUMBERS)\n", 0), "");
  EXPECT_NE(run_text("statement ok\nCREATE STREAM s (k NUMBERS)\n", 0), "");
  EXPECT_NE(run_text("query II\nSELECT 1\n----\n1\n", 0), "");
  EXPECT_NE(run_text("query I nosort\nSELECT unnest([2, 1])\n----\n1\n2\n", 0), "");
  EXPECT_EQ(run_text("query I rowsort\nSELECT unnest([2, 1])\n----\n1\n2\n", 0), "");
}

TEST(GoldenRunner, WhatIsNoStepIsRefused) {
  for (const char* text : {"statement\nSELECT 1\n", "statement ok\n\n", "query\nSELECT 1\n----\n1\n", "selct\n",
                           "query X\nSELECT 1\n----\n1\n", "query I\nSELECT 1\n1\n", "advance 3 bananas\n"})
    EXPECT_FALSE(parse_golden(text).ok()) << text;
}

TEST(GoldenRunner, InsertsAreCut) {
  EXPECT_EQ(
      split_insert("INSERT INTO t (a, b) VALUES (1, f(2, 3)), (4, '),(')", 1),
      (std::vector<std::string>{"INSERT INTO t (a, b) VALUES (1, f(2, 3))", "INSERT INTO t (a, b) VALUES (4, '),(')"}));
  EXPECT_EQ(split_insert("INSERT INTO t VALUES (1), (2), (3)", 2).size(), 2U);
  for (const char* whole :
       {"INSERT INTO t SELECT 1", "INSERT INTO t VALUES (1), (2) ON CONFLICT DO NOTHING", "SELECT 1"})
    EXPECT_EQ(split_insert(whole, 1), std::vector<std::string>{whole});
}

TEST(GoldenRunner, ExamplesOfDocumentationAreFound) {
  auto steps = parse_documentation(
      "# A\n\n```sql\nCREATE STREAM s (k INTEGER);\n```\n\n```text\nno\n```\n"
      "```ndjson s\n{\"k\":1}\n```\n```sql\nSELECT 1 AS a, 2 AS b;\nSELECT k, 'x y' AS t FROM s;\n```\n"
      "```rows\nk | t\n1 | x y\n```\n```sql error\nSELECT nothing\n```\n");
  ASSERT_TRUE(steps.ok()) << steps.error().message;
  ASSERT_EQ(steps->size(), 5U);
  GoldenRun run(*steps, ways()[0], 1);
  EXPECT_EQ(run.run(), "");
  (*steps)[3].expected[1] = "1 | x z";
  GoldenRun again(*steps, ways()[0], 1);
  EXPECT_NE(again.run(), "");
}

}  // namespace
}  // namespace millrace::golden
