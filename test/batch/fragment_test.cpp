#include "batch/fragment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "batch/binding.h"

namespace millrace::batch {
namespace {

constexpr const char* kColumns = "g BIGINT, x INTEGER, y INTEGER, s VARCHAR, d DOUBLE, ok BOOLEAN, ts TIMESTAMP";

/// 3,000 rows in 100 groups, with NULLs in every column but the group and no two rows of a group with equal y.
constexpr const char* kRows =
    R"(SELECT i % 100, CASE WHEN i % 7 = 0 THEN NULL ELSE (i * 37) % 11 END, (i * 7919) % 100003,
  CASE WHEN i % 5 = 0 THEN NULL ELSE 'a string that is long ' || (i % 13) END, CASE WHEN i % 11 = 0 THEN NULL ELSE i / 8.0 END,
  CASE WHEN i % 3 = 0 THEN NULL ELSE i % 2 = 0 END, TIMESTAMP '2025-01-01' + INTERVAL 1 MINUTE * i FROM range(3000) r(i))";

/// The fragment over the rows gives what DuckDB gives for the same text as a query, straight and through serialization.
void expect_as_query(BindingDatabase& database, const Fragment& fragment, const std::string& sql) {
  std::vector<Batch> input = database.rows(kRows);
  database.load(input);
  std::vector<std::string> expected = database.query(sql);
  ASSERT_FALSE(expected.empty());
  std::sort(expected.begin(), expected.end());
  auto result = run_fragment(database.session(), fragment, input);
  ASSERT_TRUE(result.ok()) << result.error().message << "\n" << sql;
  EXPECT_EQ(sorted_rows(*result), expected) << sql;

  auto bytes = fragment.serialize();
  ASSERT_TRUE(bytes.ok()) << bytes.error().message << "\n" << sql;
  auto again = Fragment::deserialize(*bytes, database.session());
  ASSERT_TRUE(again.ok()) << again.error().message << "\n" << sql;
  EXPECT_EQ(again->text(), fragment.text());
  EXPECT_EQ(std::vector<Type>(again->output_types().begin(), again->output_types().end()),
            std::vector<Type>(fragment.output_types().begin(), fragment.output_types().end()));
  auto repeated = run_fragment(database.session(), *again, input);
  ASSERT_TRUE(repeated.ok()) << repeated.error().message << "\n" << sql;
  EXPECT_EQ(sorted_rows(*repeated), expected) << "after serialization: " << sql;
}

class AggregateFragment : public testing::TestWithParam<const char*> {};

TEST_P(AggregateFragment, GivesWhatTheQueryGives) {
  BindingDatabase database(kColumns);
  std::string list = GetParam();
  expect_as_query(database, database.aggregate(list), "SELECT g, " + list + " FROM t GROUP BY g");
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AggregateFragment,
    testing::Values("sum(x), count(*), count(x), min(s), max(d), avg(x)", "sum(DISTINCT x), count(DISTINCT s)",
                    "sum(x) FILTER (WHERE ok), count(*) FILTER (WHERE y > 50000)",
                    "count(DISTINCT x) FILTER (WHERE ok), sum(DISTINCT x)", "string_agg(s, ',' ORDER BY y)",
                    "list(x ORDER BY y DESC)", "count(DISTINCT x + y % 5)",
                    "string_agg(DISTINCT s, ';' ORDER BY s DESC)",
                    "list(x ORDER BY ok NULLS FIRST, y) FILTER (WHERE x > 3)", "quantile_cont(d, 0.3), median(x)",
                    "quantile_disc(y, [0.1, 0.9])", "arg_max(s, y), arg_min(x, y)", "arg_max(y, y, 3)", "mode(x % 2)",
                    "stddev(d), var_pop(d), corr(d, y)", "bool_and(ok), bool_or(ok)",
                    "first(s ORDER BY y), last(s ORDER BY y)", "histogram(x)", "max(y, 2), min(s, 2)",
                    "bit_xor(y), product(x)", "sum(x + 1), sum(x * y)", "list({'a': x, 'b': s} ORDER BY y)", "max(ts)",
                    "any_value(g), array_agg(s ORDER BY y)", "sum(CASE WHEN s LIKE '%1' THEN x END)",
                    "string_agg(strftime(ts, '%H:%M'), ' ' ORDER BY y)"));

class WindowFragment : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(WindowFragment, GivesWhatTheQueryGives) {
  BindingDatabase database(kColumns);
  auto [function, over] = GetParam();
  const std::string call = function;
  const std::string inside = over;
  expect_as_query(database, database.window(call + " OVER (" + inside + ")"),
                  "SELECT *, " + call + " OVER (PARTITION BY g " + inside + ") FROM t");
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, WindowFragment,
    testing::Values(std::pair("row_number()", "ORDER BY y"), std::pair("rank()", "ORDER BY x"),
                    std::pair("dense_rank()", "ORDER BY x DESC NULLS FIRST"), std::pair("percent_rank()", "ORDER BY x"),
                    std::pair("cume_dist()", "ORDER BY x"), std::pair("ntile(4)", "ORDER BY y"),
                    std::pair("lead(x, 2, -1)", "ORDER BY y"), std::pair("lag(s)", "ORDER BY y"),
                    std::pair("lag(x, 1, y)", "ORDER BY y"), std::pair("lead(x IGNORE NULLS)", "ORDER BY y"),
                    std::pair("first_value(s)", "ORDER BY y"), std::pair("last_value(s IGNORE NULLS)", "ORDER BY y"),
                    std::pair("nth_value(s, 3)", "ORDER BY y ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"),
                    std::pair("sum(x)", "ORDER BY y ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING"),
                    std::pair("avg(x)", "ORDER BY y RANGE BETWEEN 5000 PRECEDING AND CURRENT ROW"),
                    std::pair("count(*)",
                              "ORDER BY ts RANGE BETWEEN INTERVAL 3 HOUR PRECEDING AND INTERVAL 1 HOUR FOLLOWING"),
                    std::pair("max(d)", "ORDER BY y ROWS BETWEEN 3 PRECEDING AND 3 FOLLOWING EXCLUDE CURRENT ROW"),
                    std::pair("sum(x)", "ORDER BY x GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES"),
                    std::pair("sum(x) FILTER (WHERE ok)", "ORDER BY y"), std::pair("count(DISTINCT x)", "ORDER BY y"),
                    std::pair("list(x)", "ORDER BY y ROWS 2 PRECEDING"),
                    std::pair("string_agg(s, ',' ORDER BY y DESC)", "ORDER BY y"), std::pair("median(d)", "ORDER BY y"),
                    std::pair("min(s)", "")));

TEST(Fragment, SeveralWindowsKeepTheirColumns) {
  BindingDatabase database(kColumns);
  Fragment fragment = database.window(
      "sum(x) OVER (ORDER BY y), row_number() OVER (ORDER BY y DESC), lag(s) OVER (ORDER BY ts), sum(x) OVER (ORDER BY "
      "y)");
  expect_as_query(
      database, fragment,
      "SELECT *, sum(x) OVER (PARTITION BY g ORDER BY y), row_number() OVER (PARTITION BY g ORDER BY y DESC), "
      "lag(s) OVER (PARTITION BY g ORDER BY ts), sum(x) OVER (PARTITION BY g ORDER BY y) FROM t");
}

TEST(Fragment, AnOverflowIsAnErrorAndTheSessionGoesOn) {
  BindingDatabase database("g BIGINT, x HUGEINT");
  Fragment fragment = database.aggregate("sum(x)");
  auto failed = run_fragment(database.session(), fragment,
                             database.rows("VALUES (1, 170141183460469231731687303715884105727), (1, 1), (2, 5)"));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, "22003");
  EXPECT_NE(failed.error().message.find("verflow"), std::string::npos) << failed.error().message;

  auto passed = run_fragment(database.session(), fragment, database.rows("VALUES (2, 5), (2, 6)"));
  ASSERT_TRUE(passed.ok()) << passed.error().message;
  EXPECT_EQ(sorted_rows(*passed), std::vector<std::string>{"[+1] 2, 11"});
}

TEST(Fragment, AnAggregateOverNothingIsOneRowAndAWindowNone) {
  BindingDatabase database(kColumns);
  Fragment fragment = database.aggregate("sum(x), count(*), count(DISTINCT s), list(x ORDER BY y)");
  const std::vector<std::string> expected{"[+1] 0, NULL, 0, 0, NULL"};
  auto aggregate = run_fragment(database.session(), fragment, {});
  ASSERT_TRUE(aggregate.ok()) << aggregate.error().message;
  EXPECT_EQ(sorted_rows(*aggregate), expected);
  std::vector<Batch> empty;
  empty.emplace_back(database.types());
  aggregate = run_fragment(database.session(), fragment, empty);
  ASSERT_TRUE(aggregate.ok()) << aggregate.error().message;
  EXPECT_EQ(sorted_rows(*aggregate), expected);

  auto window = run_fragment(database.session(), database.window("lag(x) OVER (ORDER BY y)"), {});
  ASSERT_TRUE(window.ok());
  EXPECT_TRUE(window->empty());
}

TEST(Fragment, UnorderedListsFollowTheInput) {
  BindingDatabase database("g BIGINT, x INTEGER");
  auto input = database.rows("SELECT i % 3, i FROM range(9000) r(i)");
  auto result = run_fragment(database.session(), database.aggregate("list(x)"), input);
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->size(), 1u);
  ColumnView groups = (*result)[0].column(0);
  ColumnView lists = (*result)[0].column(1);
  ColumnView values = lists.child();
  ASSERT_EQ((*result)[0].rows(), 3u);
  for (size_t row = 0; row < 3; ++row) {
    const ListRange& range = lists.at<ListRange>(row);
    ASSERT_EQ(range.length, 3000u);
    for (size_t i = 0; i < range.length; ++i) {
      ASSERT_EQ(values.at<int32_t>(range.offset + i), groups.at<int64_t>(row) + static_cast<int64_t>(3 * i));
    }
  }
}

TEST(Fragment, CorruptBytesAreRefused) {
  BindingDatabase database(kColumns);
  auto bytes = database.aggregate("sum(x), string_agg(s, ',' ORDER BY y)").serialize();
  ASSERT_TRUE(bytes.ok());
  for (size_t length = 0; length < bytes->size(); length += 7) {
    EXPECT_FALSE(Fragment::deserialize(bytes->substr(0, length), database.session()).ok()) << length;
  }
}

}  // namespace
}  // namespace millrace::batch
