#include "batch/expression.h"

#include <gtest/gtest.h>

#include "batch/binding.h"

namespace millrace::batch {
namespace {

constexpr const char* kColumns =
    "x INTEGER, s VARCHAR, d DOUBLE, ts TIMESTAMP, l INTEGER[], st STRUCT(a INTEGER, b VARCHAR)";
constexpr const char* kRows =
    R"(VALUES (1, 'Alpha beta 12', 1.5, TIMESTAMP '2025-03-04 05:06:07', [1, 2, 3], {'a': 1, 'b': 'one'}),
  (-7, '2025-01-02', -0.25, TIMESTAMP '1969-12-31 23:59:59', [], {'a': NULL, 'b': 'a string beyond twelve bytes'}),
  (NULL, NULL, NULL, NULL, NULL, NULL), (40, '40', 1e9, TIMESTAMP '2024-02-29 00:00:00', [NULL, 5], {'a': 5, 'b': NULL}))";

TEST(Expression, TellsWhatItReads) {
  BindingDatabase database(kColumns);
  auto list = database.expressions("x, d + x * 2, s::INTEGER, 7, upper(s)");
  EXPECT_EQ(list[0].column_index(), 0);
  EXPECT_EQ(list[1].column_index(), -1);
  EXPECT_EQ(list[1].columns_read(), (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(list[3].columns_read(), std::vector<uint32_t>{});
  EXPECT_EQ(list[0].type(), Type(TypeId::kInteger));
  EXPECT_EQ(list[1].type(), Type(TypeId::kDouble));
  EXPECT_FALSE(list[0].can_throw());
  EXPECT_TRUE(list[2].can_throw());
  EXPECT_FALSE(list[4].can_throw());
  Expression column = Expression::column(3, Type(TypeId::kTimestamp), "ts");
  EXPECT_EQ(column.column_index(), 3);
  EXPECT_EQ(column.type(), Type(TypeId::kTimestamp));
  EXPECT_FALSE(static_cast<bool>(Expression()));
}

TEST(ExpressionRunner, ProjectsAndTakesDiffsOver) {
  BindingDatabase database(kColumns);
  Batch input = std::move(database.rows(kRows)[0]);
  input.set_diffs({1, -1, 1, -3});
  ExpressionRunner runner(database.session(), database.expressions("x + 1, s, 'constant', upper(s), l[1]"));
  std::vector<RowError> errors;
  Batch output = runner.project(input, errors);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(output.row_text(0), "[+1] 2, Alpha beta 12, constant, ALPHA BETA 12, 1");
  EXPECT_EQ(output.row_text(1), "[-1] -6, 2025-01-02, constant, 2025-01-02, NULL");
  EXPECT_EQ(output.row_text(2), "[+1] NULL, NULL, constant, NULL, NULL");
  EXPECT_EQ(output.diff(3), -3);
  EXPECT_EQ(output.column(1).data_, input.column(1).data_);
}

/// Every output of a run still says the same after the runner ran again: results must not lie in its intermediate
/// buffers.
TEST(ExpressionRunner, OutputsSurviveTheNextRun) {
  BindingDatabase database(kColumns);
  const char* list =
      "{'p': x + 1, 'q': upper(s)}, [x + 1, x + 2], coalesce(x + 1, 0), (x + 1)::INTEGER, CASE WHEN x > 0 THEN s || "
      "'!' ELSE upper(s) END, "
      "list_transform(l, e -> e + x), struct_extract({'p': x * 2}, 'p'), upper(s)::BLOB, map([coalesce(s, '-') || "
      "'?'], [x + 1]), "
      "coalesce(substr(s || ' and more text', 1, 20), '-'), if(x > 0, st, {'a': x + 1, 'b': s || '-'}), ts + INTERVAL "
      "1 DAY, x + 1 IS NULL";
  ExpressionRunner runner(database.session(), database.expressions(list));
  std::vector<RowError> errors;
  std::vector<Batch> outputs;
  std::vector<std::vector<std::string>> texts;
  for (int i = 0; i < 4; ++i) {
    Batch input = std::move(database.rows("SELECT x + " + std::to_string(i * 1000) + ", s || ' " + std::to_string(i) +
                                          "', d, ts + INTERVAL 1 YEAR * " + std::to_string(i) + ", l || [" +
                                          std::to_string(i) + "], st FROM (" + kRows + ") v(x, s, d, ts, l, st)")[0]);
    outputs.push_back(runner.project(input, errors));
    texts.emplace_back();
    for (size_t row = 0; row < outputs.back().rows(); ++row) texts.back().push_back(outputs.back().row_text(row));
  }
  ASSERT_TRUE(errors.empty()) << errors[0].message;
  for (size_t i = 0; i < outputs.size(); ++i) {
    for (size_t row = 0; row < outputs[i].rows(); ++row) EXPECT_EQ(outputs[i].row_text(row), texts[i][row]);
  }
  EXPECT_NE(texts[0][0], texts[1][0]);
}

TEST(ExpressionRunner, RowsThatThrowAreFoundAndLeftOut) {
  BindingDatabase database("s VARCHAR, x INTEGER");
  Batch input =
      std::move(database.rows("SELECT CASE WHEN i IN (3, 700, 701, 1999) THEN 'no number ' || i ELSE i::VARCHAR END, i "
                              "FROM range(2000) r(i)")[0]);
  std::vector<int64_t> diffs(2000, 1);
  diffs[4] = -5;
  input.set_diffs(diffs);
  ExpressionRunner runner(database.session(), database.expressions("s::INTEGER * 2, x"));
  for (int run = 0; run < 2; ++run) {
    std::vector<RowError> errors;
    Batch output = runner.project(input, errors);
    ASSERT_EQ(errors.size(), 4u);
    EXPECT_EQ(errors[0].row, 3u);
    EXPECT_EQ(errors[1].row, 700u);
    EXPECT_EQ(errors[2].row, 701u);
    EXPECT_EQ(errors[3].row, 1999u);
    EXPECT_EQ(errors[1].message, "Could not convert string 'no number 700' to INT32 when casting from source column s");
    ASSERT_EQ(output.rows(), 1996u);
    EXPECT_EQ(output.row_text(3), "[-5] 8, 4");
    EXPECT_EQ(output.row_text(1995), "[+1] 3996, 1998");
  }
}

TEST(ExpressionRunner, EveryRowMayThrow) {
  BindingDatabase database("s VARCHAR");
  Batch input = std::move(database.rows("SELECT 'x' || i FROM range(2048) r(i)")[0]);
  ExpressionRunner runner(database.session(), database.expressions("s::INTEGER"));
  std::vector<RowError> errors;
  EXPECT_TRUE(runner.project(input, errors).empty());
  ASSERT_EQ(errors.size(), 2048u);
  for (uint32_t row = 0; row < 2048; ++row) ASSERT_EQ(errors[row].row, row);
}

TEST(ExpressionRunner, FiltersInOrder) {
  BindingDatabase database("x INTEGER, y INTEGER");
  Batch input = std::move(database.rows("VALUES (1, 0), (NULL, 1), (3, 2147483647), (4, 5), (5, 2147483647)")[0]);
  input.set_diffs({1, 1, 1, -1, 1});
  std::vector<RowError> errors;
  // y + 1 overflows in rows 2 and 4, but row 2 does not get that far.
  ExpressionRunner runner(database.session(), database.expressions("x <> 3, y + 1 > 1"));
  Batch output = runner.filter(input, errors);
  ASSERT_EQ(output.rows(), 1u);
  EXPECT_EQ(output.row_text(0), "[-1] 4, 5");
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].row, 4u);
  EXPECT_NE(errors[0].message.find("Overflow"), std::string::npos);
}

TEST(ExpressionRunner, FilterShapes) {
  BindingDatabase database("x INTEGER, b BOOLEAN");
  std::vector<Batch> input =
      database.rows("SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE i % 2 = 0 END FROM range(2048) r(i)");
  std::vector<RowError> errors;
  auto passing = [&](const std::string& predicates) {
    return ExpressionRunner(database.session(), database.expressions(predicates)).filter(input[0], errors).rows();
  };
  EXPECT_EQ(passing("b"), 682u);
  EXPECT_EQ(passing("true"), 2048u);
  EXPECT_EQ(passing("false"), 0u);
  EXPECT_EQ(passing("NULL::BOOLEAN"), 0u);
  EXPECT_EQ(passing("true, b, true"), 682u);
  EXPECT_EQ(passing("x >= 10, x < 20, x % 2 = 0"), 5u);
  EXPECT_EQ(passing("x IN (1, 2, 3) OR b IS NULL AND x < 10"), 6u);
  EXPECT_EQ(passing("x BETWEEN 5 AND 7"), 3u);
  EXPECT_TRUE(errors.empty());
}

TEST(ExpressionRunner, TakesEmptyAndSlicedInput) {
  BindingDatabase database("x INTEGER, s VARCHAR");
  ExpressionRunner runner(database.session(), database.expressions("x * 2, s || '!'"));
  Batch input = std::move(database.rows("SELECT i, 's' || i FROM range(100) r(i)")[0]);
  std::vector<RowError> errors;
  const uint32_t rows[] = {99, 0, 99};
  Batch output = runner.project(input.select(rows), errors);
  EXPECT_EQ(output.row_text(0), "[+1] 198, s99!");
  EXPECT_EQ(output.row_text(1), "[+1] 0, s0!");
  EXPECT_TRUE(runner.project(input.select({}), errors).empty());
}

TEST(Expression, MovesToOtherColumns) {
  BindingDatabase database("x INTEGER, y INTEGER, z INTEGER");
  Expression expression = database.expressions("x * 100 + list_sum(list_transform([z], e -> e + x))")[0];
  Expression moved = expression.with_columns({1, 2, 0});
  EXPECT_EQ(expression.columns_read(), (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(moved.columns_read(), (std::vector<uint32_t>{0, 1}));
  std::vector<Batch> input = database.rows("VALUES (1, 2, 3)");
  std::vector<RowError> errors;
  EXPECT_EQ(ExpressionRunner(database.session(), {expression}).project(input[0], errors).row_text(0), "[+1] 104");
  EXPECT_EQ(ExpressionRunner(database.session(), {moved}).project(input[0], errors).row_text(0), "[+1] 203");
}

class StoredExpression : public testing::TestWithParam<const char*> {};

TEST_P(StoredExpression, ComesBackAndDoesTheSame) {
  BindingDatabase database(kColumns);
  std::vector<Expression> list = database.expressions(GetParam());
  std::vector<Expression> again;
  for (const Expression& expression : list) {
    auto bytes = expression.serialize();
    ASSERT_TRUE(bytes.ok()) << bytes.error().message;
    auto back = Expression::deserialize(*bytes, database.session());
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->text(), expression.text());
    EXPECT_EQ(back->type(), expression.type());
    EXPECT_EQ(back->columns_read(), expression.columns_read());
    again.push_back(*back);
  }
  Batch input = std::move(database.rows(kRows)[0]);
  std::vector<RowError> errors;
  std::vector<RowError> errors_again;
  ExpressionRunner runner(database.session(), list);
  ExpressionRunner runner_again(database.session(), again);
  Batch output = runner.project(input, errors);
  Batch output_again = runner_again.project(input, errors_again);
  ASSERT_EQ(output.rows(), output_again.rows());
  EXPECT_EQ(errors.size(), errors_again.size());
  for (size_t row = 0; row < output.rows(); ++row) EXPECT_EQ(output.row_text(row), output_again.row_text(row));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, StoredExpression,
    testing::Values(
        "x, s, l, st", "x + 1, -d, x * 2 - 3, x // 2, x % 3, x / 2", "try_cast(s AS DATE), try_cast(s AS INTEGER)",
        "CASE WHEN x > 0 THEN 'p' WHEN x < 0 THEN 'n' ELSE s END, coalesce(x, 0), nullif(x, 1), x IS NULL",
        "s LIKE 'A%', s ILIKE '%BETA%', s NOT LIKE '_', s SIMILAR TO '.*2', s GLOB '2*'",
        "regexp_matches(s, '[0-9]+'), regexp_extract(s, '([a-z]+) ([0-9]+)', 2), regexp_replace(s, '[aeiou]', '*', "
        "'g')",
        "regexp_extract(s, '(\\d+)-(\\d+)', ['y', 'm']), regexp_extract_all(s, '[a-z]+'), regexp_split_to_array(s, ' "
        "')",
        "strftime(ts, '%Y-%m-%d %H'), try_strptime(s, '%Y-%m-%d'), try_strptime(s, ['%d.%m.%Y', '%Y-%m-%d'])",
        "date_trunc('hour', ts), date_part('dow', ts), extract(epoch FROM ts), ts + INTERVAL 5 MINUTE, "
        "date_diff('day', ts, TIMESTAMP '2025-01-01')",
        "list_transform(l, e -> e * 2 + x), list_filter(l, e -> e > 1), list_reduce([1, 2, x], (a, b) -> a + b)",
        "list_transform(l, (e, i) -> e + i), [e + 1 FOR e IN l IF e > 1], list_transform([l, l], m -> "
        "list_transform(m, e -> e + len(m)))",
        "l[1], l[-1], l[1:2], len(l), list_contains(l, 5), list_sort(l, 'DESC'), list_aggregate(l, 'sum'), "
        "list_distinct(l)",
        "st.a, st.b, struct_pack(x := x, y := s), {'p': l, 'q': {'r': d}}, row(x, s)",
        "map(['k'], [x]), map {'a': x}['a'], [x, 1]",
        "s || '-' || x, concat(s, x, d), concat_ws(',', s, x), format('{} {}', s, x), printf('%d', x), split_part(s, ' "
        "', 2)",
        "substr(s, 2, 3), trim(s), lpad(s, 20, '*'), upper(s), length(s), replace(s, 'a', 'b'), strpos(s, 'b'), "
        "hash(s), md5(s)",
        "x::DOUBLE, d::DECIMAL(12,3), x::VARCHAR, ts::DATE, x::HUGEINT * 5, CAST(d AS BIGINT), l::BIGINT[], "
        "st::STRUCT(a BIGINT, b VARCHAR)",
        "'{\"a\": [1, {\"b\": 2}]}'::JSON -> '$.a[1].b', json_extract_string(concat('{\"k\":', x, '}'), '$.k'), "
        "to_json(st)",
        "x IN (1, 2, 40), s IN ('40', 'b'), x NOT IN (1), x BETWEEN 0 AND 10, x IS DISTINCT FROM 1, NOT (x > 1 AND d < "
        "5 OR s IS NULL)",
        "round(d, 1), floor(d), abs(x), greatest(x, 3), least(d, 1), pow(d, 2), ln(abs(d) + 1), sign(x), "
        "d::DECIMAL(18,2) * 3",
        "epoch_ms(ts), to_timestamp(d), make_timestamp(0), time_bucket(INTERVAL 1 HOUR, ts), age(ts, TIMESTAMP "
        "'2020-01-01'), to_days(x), to_minutes(x)",
        "ts AT TIME ZONE 'UTC', (ts AT TIME ZONE 'Europe/Berlin')::VARCHAR, date_trunc('day', ts::TIMESTAMPTZ)",
        "x::VARCHAR::ENUM('1', '40', '-7'), encode(s), x::BIT, 'a string constant beyond twelve bytes', NULL, INTERVAL "
        "3 MONTH, 1.25::DECIMAL(5,2)",
        "if(x > 0, {'a': x}, NULL), try(x // 0), error(NULL), current_setting('TimeZone'), typeof(x), alias(x), "
        "unicode(s)"));

TEST(Expression, CorruptBytesAreRefused) {
  BindingDatabase database(kColumns);
  std::string bytes = *database.expressions("regexp_replace(upper(s), 'A', 'b', 'g')")[0].serialize();
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(Expression::deserialize(std::string_view(bytes).substr(0, length), database.session()).ok()) << length;
  }
}

}  // namespace
}  // namespace millrace::batch
