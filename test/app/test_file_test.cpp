// *.test files: how they are read, and that a wrong expectation is found.
#include "app/test_file.h"

#include <gtest/gtest.h>

#include "app/test_runner.h"
#include "base/real_env.h"

namespace millrace::app {
namespace {

constexpr const char* kText =
    "# comment\n"
    "--- sql\nCREATE STREAM s (k INTEGER, v INTEGER);\n-- SQL comments stay\n"
    "CREATE MATERIALIZED VIEW a AS SELECT k, sum(v)::BIGINT AS v FROM s GROUP BY k;\n"
    "--- input s\n{\"k\":1,\"v\":2}\n{\"k\":1,\"v\":3}\n{\"k\":2,\"v\":4}\n"
    "--- case one\n--- query\nSELECT * FROM a\n--- expect\nk,v\n2,4\n1,5\n"
    "--- case two\n--- input s\n{\"k\":3,\"v\":0}\n--- query\nSELECT * FROM a ORDER BY k DESC\n--- expect json\n"
    "{\"k\":3,\"v\":0}\n{\"v\":4,\"k\":2}\n{\"k\":1, \"v\":5}\n";

std::vector<TestCase> cases_of(std::string_view text) {
  RealEnv env;
  auto cases = parse_test_file(text, ".", env);
  EXPECT_TRUE(cases.ok()) << render(cases.error());
  return cases.ok() ? *cases : std::vector<TestCase>();
}

std::string run_first_way(const TestCase& test) {
  RealEnv env;
  auto differences = run_case(env, test, test_ways().front(), 1);
  if (!differences.ok()) return render(differences.error());
  std::string text;
  for (const TestDifference& difference : *differences) text += difference.text;
  return text;
}

TEST(TestFile, SharesWhatStandsBeforeTheFirstCase) {
  auto cases = cases_of(kText);
  ASSERT_EQ(cases.size(), 2u);
  EXPECT_EQ(cases[0].name, "one");
  EXPECT_EQ(cases[0].inputs.size(), 1u);
  EXPECT_EQ(cases[1].inputs.size(), 2u);
  EXPECT_EQ(cases[1].queries.at(0).line, 20u);
  EXPECT_EQ(cases[1].queries.at(0).expect, Expect::kJson);
}

TEST(TestFile, EveryWayPasses) {
  RealEnv env;
  for (const TestCase& test : cases_of(kText)) {
    for (const TestWay& way : test_ways()) {
      auto differences = run_case(env, test, way, 7);
      ASSERT_TRUE(differences.ok()) << render(differences.error());
      for (const TestDifference& difference : *differences) ADD_FAILURE() << way.name << ": " << difference.text;
    }
  }
}

TEST(TestFile, FindsWhatIsWrong) {
  auto cases = cases_of(kText);
  TestCase wrong = cases[0];
  wrong.queries[0].expected = {"k,v", "1,6", "2,4", "2,4"};
  EXPECT_EQ(run_first_way(wrong), "missing:    1,6\nmissing:    2,4\nunexpected: 1,5\n");
  wrong.queries[0].expected = {"k,w"};
  EXPECT_EQ(run_first_way(wrong), "columns expected: k,w\ncolumns found:    k,v");
  wrong = cases[1];
  std::swap(wrong.queries[0].expected[0], wrong.queries[0].expected[1]);
  EXPECT_NE(run_first_way(wrong).find("the order differs"), std::string::npos);
  wrong.queries[0].expect = Expect::kError;
  EXPECT_NE(run_first_way(wrong).find("found: no error"), std::string::npos);
  wrong = cases[0];
  wrong.queries[0].sql = "SELECT * FROM nowhere";
  EXPECT_NE(run_first_way(wrong).find("nowhere"), std::string::npos);
  wrong.scripts[0].text = "CREATE NONSENSE";
  EXPECT_NE(run_first_way(wrong), "");
  wrong.script_error = "NONSENSE";
  EXPECT_EQ(run_first_way(wrong), "");
  wrong.script_error = "something else";
  EXPECT_NE(run_first_way(wrong), "");
}

TEST(TestFile, RefusesWhatItDoesNotUnderstand) {
  RealEnv env;
  for (const char* text :
       {"", "text", "--- nonsense\n", "--- query\nSELECT 1\n", "--- expect\na\n", "--- query\nSELECT 1\n--- expect\n",
        "--- query\n--- expect\na\n", "--- case\n", "--- set x\n", "--- input\n", "--- pipeline nowhere.sql\n",
        "--- query\nSELECT 1\n--- expect xml\n1\n", "--- query\nSELECT 1\n--- expect\na\n--- case x\n"}) {
    EXPECT_FALSE(parse_test_file(text, ".", env).ok()) << text;
  }
}

TEST(TestFile, OnlyAnOuterOrderCounts) {
  EXPECT_TRUE(is_ordered("SELECT 1 ORDER BY 1"));
  EXPECT_FALSE(is_ordered("SELECT row_number() OVER (ORDER BY a) FROM (SELECT 1 AS a ORDER BY 1)"));
  EXPECT_FALSE(is_ordered("SELECT 'ORDER BY'"));
}

}  // namespace
}  // namespace millrace::app
