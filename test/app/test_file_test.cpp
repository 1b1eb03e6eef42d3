// *.test files: how they are read, and that a wrong expectation is found.
#include "app/test_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/test_command.h"
#include "app/test_half.h"
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
  auto differences = run_case(env, test, test_ways().front(), 1, {});
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
  const std::string program = environment_variable("MILLRACE_BINARY").value_or("");
  for (const TestCase& test : cases_of(kText)) {
    for (const TestWay& way : test_ways()) {
      if (way.killed && program.empty()) continue;  // KilledInTheMiddle says so
      auto differences = run_case(env, test, way, 7, program);
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

/// `millrace test` with a script as the program that it starts and kills; what it prints.
std::string run_with_program(const std::string& text, const std::string& script) {
  RealEnv env;
  const std::string folder = testing::TempDir() + "/millrace-half-" + std::to_string(getpid());
  TestFlags flags{.path = folder + "/a.test", .program = folder + "/program"};
  EXPECT_TRUE(env.files().create_directories(folder).ok());
  EXPECT_TRUE(env.files().write_atomically(flags.path, text).ok());
  EXPECT_TRUE(env.files().write_atomically(flags.program, "#!/bin/sh\n" + script).ok());
  EXPECT_EQ(chmod(flags.program.c_str(), 0700), 0);
  testing::internal::CaptureStdout();
  run_tests(env, flags);
  EXPECT_TRUE(env.files().remove_recursively(folder).ok());
  std::string printed = testing::internal::GetCapturedStdout();
  return printed.substr(printed.find('\n') + 1);
}

TEST(TestFile, KilledInTheMiddle) {
  const std::string program = environment_variable("MILLRACE_BINARY").value_or("");
  if (program.empty()) GTEST_SKIP() << "MILLRACE_BINARY does not name the program that is killed";
  const std::string text =
      "--- sql\nCREATE STREAM s (v INTEGER);\nCREATE MATERIALIZED VIEW a AS SELECT sum(v)::BIGINT AS v FROM s;\n"
      "--- input s\n{\"v\":1}\n{\"v\":2}\n{\"v\":4}\n{\"v\":8}\n--- query\nSELECT * FROM a\n--- expect\nv\n15\n";
  const std::string run = "'" + program + "' \"$@\"";
  // What goes in twice, or does not, is seen, and in which way.
  const std::string failed = "0 passed, 1 failed; each in 5 ways\n";
  EXPECT_EQ(run_with_program(text, run + " < /dev/null > /dev/null\nexec " + run),
            "  killed in the middle, query in line 9:\n    missing:    15\n    unexpected: 18\n" + failed);
  EXPECT_EQ(run_with_program(text, "echo fed; exec cat"),
            "  killed in the middle, query in line 9:\n    missing:    15\n    unexpected: 12\n" + failed);
  EXPECT_EQ(run_with_program(text, "echo wrong; exit 1"), "  killed in the middle:\n    wrong\n" + failed);
  const std::string wrong = "--- sql\nCREATE NONSENSE;\n" + text.substr(text.find("--- query"));
  EXPECT_NE(run_with_program(wrong, "exec " + run).find("killed in the middle: the same\n"), std::string::npos);
}

TEST(TestFile, HalfKeepsEveryByte) {
  TestCase half;
  half.settings = {{"partitions", "2"}};
  half.scripts = {{"CREATE …", "/a"}, {"", ""}};
  half.inputs = {{"s", {std::string("\0\xff\n", 3), ""}}, {"t", {}}};
  auto same = decode_half(encode_half(half));
  ASSERT_TRUE(same.ok()) << render(same.error());
  EXPECT_EQ(same->settings, half.settings);
  EXPECT_EQ(same->scripts[0].text + same->scripts[0].base_directory, "CREATE …/a");
  ASSERT_EQ(same->inputs.size(), 2u);
  EXPECT_EQ(same->inputs[0].records, half.inputs[0].records);
  EXPECT_FALSE(decode_half("nonsense").ok());
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
