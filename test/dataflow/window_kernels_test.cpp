#include <algorithm>

#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::WindowKind;

// Columns: partition VARCHAR, value BIGINT, sort key BLOB, default BIGINT, order HUGEINT (hidden).
const std::vector<std::string> kTypes{"VARCHAR", "BIGINT", "BLOB", "BIGINT", "HUGEINT"};

plan::WindowCall call(WindowKind kind, const std::string& result, int argument = -1, int64_t offset = 1,
                      int fallback = -1) {
  plan::WindowCall made;
  made.kind = kind;
  made.argument = argument;
  made.offset = offset;
  made.default_column = fallback;
  made.result = type(result);
  return made;
}

Case make_case() {
  plan::Window window;
  window.partition_columns = {0};
  window.sort_key = 2;
  window.calls = {call(WindowKind::kRowNumber, "BIGINT"),    call(WindowKind::kRank, "BIGINT"),
                  call(WindowKind::kDenseRank, "BIGINT"),    call(WindowKind::kLead, "BIGINT", 1),
                  call(WindowKind::kLag, "BIGINT", 1, 2, 3), call(WindowKind::kFirstValue, "VARCHAR", 0),
                  call(WindowKind::kLead, "BIGINT", 1, -1)};
  std::vector<std::string> output{"VARCHAR", "BIGINT", "BLOB", "BIGINT"};
  for (const auto& each : window.calls) output.push_back(each.result.name());
  output.push_back("HUGEINT");
  Case test;
  test.input(kTypes, false, 4).node(window, output, static_cast<int>(output.size()) - 1);
  return test;
}

Bag expected(const Bag& input) {
  std::map<std::string, std::vector<Row>> partitions;
  for (const auto& [row, count] : input) {
    for (int64_t i = 0; i < count; ++i) partitions[row[0]].push_back(row);
  }
  Bag result;
  for (auto& [key, rows] : partitions) {
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      if (a[2] != b[2]) return a[2] < b[2];
      return std::stoll(a[4]) < std::stoll(b[4]);
    });
    int64_t rank = 0, dense = 0;
    const auto size = std::ssize(rows);
    for (int64_t i = 0; i < size; ++i) {
      auto value_at = [&](int64_t at, const std::string& fallback) {
        return at >= 0 && at < size ? rows[static_cast<size_t>(at)][1] : fallback;
      };
      const Row& row = rows[static_cast<size_t>(i)];
      if (i == 0 || rows[static_cast<size_t>(i - 1)][2] != row[2]) rank = i + 1, ++dense;
      add(result,
          {row[0], row[1], row[2], row[3], std::to_string(i + 1), std::to_string(rank), std::to_string(dense),
           value_at(i + 1, kNull), value_at(i - 2, row[3]), rows[0][0], value_at(i - 1, kNull), row[4]},
          1);
    }
  }
  return result;
}

Row random_row(Random& random, size_t, uint64_t serial) {
  const std::string key = random.chance(8) ? std::string(kNull) : "p" + std::to_string(random.below(4));
  const std::string value = random.chance(5) ? std::string(kNull) : std::to_string(random.below(3));
  const uint64_t order = random.chance(10) ? 3 : serial;  // some rows are equal in all columns
  return {key, value, std::string(1, static_cast<char>('a' + random.below(3))), std::to_string(random.below(2)),
          std::to_string(order)};
}

TEST(WindowKernels, EqualARecomputationAfterEveryStep) {
  // Rows with an equal order that differ elsewhere would make the plain order ambiguous: give those equal columns.
  Property property;
  property.row = [](Random& random, size_t port, uint64_t serial) {
    Row row = random_row(random, port, serial);
    if (row[4] == "3") row = {"p1", "1", "b", "0", "3"};
    return row;
  };
  property.expected = [](const std::vector<Bag>& inputs) { return expected(inputs[0]); };
  EXPECT_GT(run(make_case(), property), 0U);
}

TEST(WindowKernels, OnlyWhatChangedIsEmitted) {
  plan::Window window;
  window.partition_columns = {0};
  window.sort_key = 2;
  window.calls = {call(WindowKind::kLead, "BIGINT", 1)};
  Case test;
  test.input(kTypes, false, 4).node(window, {"VARCHAR", "BIGINT", "BLOB", "BIGINT", "BIGINT", "HUGEINT"}, 5);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  std::vector<std::pair<Row, int64_t>> rows;
  for (int i = 0; i < 100; ++i) rows.push_back({{"p", std::to_string(i), "a", "0", std::to_string(10 * i)}, 1});
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 100U);
  // A row in the middle: its own row, and the one before it gets another successor.
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{"p", "500", "a", "0", "505"}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 103U);
}

TEST(WindowKernels, ALargePartitionIsReadOnceAStep) {
  const Case test = make_case();
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  auto rows = [](int from, int to, int64_t diff) {
    std::vector<std::pair<Row, int64_t>> made;
    for (int i = from; i < to; ++i)
      made.push_back({{"p", std::to_string(i), "a", "0", std::to_string((i * 7919) % 10007)}, diff});
    return made;
  };
  for (int from = 0; from < 8000; from += 2000) {
    ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows(from, from + 2000, 1)), out).ok());
  }
  ASSERT_TRUE(op->finish(out).ok());
  op->tables()[0].table->rows_read = 0;
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows(1000, 2000, -1)), out).ok());
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows(8000, 9000, 1)), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_LE(op->tables()[0].table->rows_read, 8000U + 2000U);
  Bag left;
  for (const auto& [row, diff] : rows(0, 1000, 1)) left[row] = diff;
  for (const auto& [row, diff] : rows(2000, 9000, 1)) left[row] = diff;
  EXPECT_TRUE(out.bag == expected(left));
}

TEST(WindowKernels, AStepReadsOnlyItsGroups) {
  const auto row = [](uint64_t serial, size_t) {
    return Row{std::to_string(serial % kManyGroups), std::to_string(serial), "a", "0", std::to_string(serial)};
  };
  expect_one_more_reads_little(make_case(), row, {{"77", "5", "a", "0", "5"}});
}

}  // namespace
}  // namespace millrace::dataflow::testing
