#include <algorithm>
#include <utility>

#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

// Columns: key VARCHAR, payload BIGINT, sort key BLOB, order HUGEINT.
const std::vector<std::string> kTypes{"VARCHAR", "BIGINT", "BLOB", "HUGEINT"};

Row random_row(Random& random, size_t, uint64_t serial) {
  const std::string key = random.chance(8) ? std::string(kNull) : "key " + std::to_string(random.below(12));
  return {key, std::to_string(random.below(3)), std::string(1, static_cast<char>('a' + random.below(4))),
          std::to_string(serial ^ 5)};
}

Bag first_rows(const Bag& input, bool sorted) {
  std::map<std::string, Row> best;
  auto before = [sorted](const Row& a, const Row& b) {
    if (sorted && a[2] != b[2]) return a[2] < b[2];
    return std::stoll(a[3]) < std::stoll(b[3]);
  };
  for (const auto& [row, count] : input) {
    auto [at, inserted] = best.emplace(row[0], row);
    if (!inserted && before(row, at->second)) at->second = row;
  }
  Bag result;
  for (const auto& [key, row] : best) result[row] = 1;
  return result;
}

Case distinct_on(bool append_only, bool sorted) {
  plan::DistinctOn distinct;
  distinct.key_columns = {0};
  distinct.sort_key = sorted ? 2 : -1;
  Case test;
  test.input(kTypes, append_only, 3).node(distinct, kTypes, 3);
  return test;
}

class DistinctOn : public ::testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(DistinctOn, KeepsTheFirstRowOfEachKey) {
  const auto [append_only, sorted] = GetParam();
  Property property;
  property.row = random_row;
  property.expected = [sorted](const std::vector<Bag>& inputs) { return first_rows(inputs[0], sorted); };
  EXPECT_EQ(run(distinct_on(append_only, sorted), property) == 0, append_only);
}
INSTANTIATE_TEST_SUITE_P(All, DistinctOn, ::testing::Combine(::testing::Bool(), ::testing::Bool()));

Case distinct(bool append_only) {
  plan::DistinctOn distinct;
  distinct.key_columns = {0, 1};
  Case test;
  test.input({"VARCHAR", "BIGINT"}, append_only).node(distinct, {"VARCHAR", "BIGINT"});
  return test;
}

class Distinct : public ::testing::TestWithParam<bool> {};

TEST_P(Distinct, KeepsEachRowOnce) {
  Property property;
  property.row = [](Random& random, size_t port, uint64_t serial) {
    Row row = random_row(random, port, serial);
    row.resize(2);
    return row;
  };
  property.expected = [](const std::vector<Bag>& inputs) {
    Bag result;
    for (const auto& [row, count] : inputs[0]) result[row] = 1;
    return result;
  };
  run(distinct(GetParam()), property);
}
INSTANTIATE_TEST_SUITE_P(All, Distinct, ::testing::Bool());

TEST(Distinct, AStepReadsOnlyItsGroups) {
  const auto row = [](uint64_t serial, size_t) {
    return Row{std::to_string(serial % kManyGroups), std::to_string(serial), "a", std::to_string(serial)};
  };
  const std::vector<Row> last{{"77", "5", "a", "5"}};
  expect_one_more_reads_little(distinct_on(true, false), row, last);
  expect_one_more_reads_little(distinct_on(false, true), row, last);
}

// One key that all rows share: a row in front of the others, one behind them, and the first taken away again.
TEST(Distinct, AKeyWithManyRowsIsNotReadThrough) {
  for (const bool append_only : {true, false}) {
    const Case test = distinct_on(append_only, true);
    SideCollector side;
    auto made = test.make(side);
    Collector out;
    const auto row = [](int at) { return Row{"k", "1", std::to_string(1000000 + at), std::to_string(at)}; };
    const auto step = [&](const std::vector<std::pair<Row, int64_t>>& rows) {
      for (const auto& table : made->tables()) table.table->rows_read = 0;
      EXPECT_TRUE(made->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
      EXPECT_TRUE(made->finish(out).ok());
      uint64_t read = 0;
      for (const auto& table : made->tables()) read += table.table->rows_read;
      return read;
    };
    std::vector<std::pair<Row, int64_t>> rows;
    for (int at = 1; at <= 20000; ++at) {
      rows.push_back({row(at), 1});
      if (rows.size() == 2000) step(std::exchange(rows, {}));
    }
    EXPECT_LE(step({{row(30000), 1}}), 8U);
    EXPECT_EQ(out.bag, (Bag{{row(1), 1}}));
    EXPECT_LE(step({{row(0), 1}}), 8U);
    EXPECT_EQ(out.bag, (Bag{{row(0), 1}}));
    if (append_only) continue;
    EXPECT_LE(step({{row(0), -1}}), 8U);
    EXPECT_EQ(out.bag, (Bag{{row(1), 1}}));
  }
}

TEST(Distinct, AStepReadsOnlyItsRow) {
  const auto row = [](uint64_t serial, size_t) { return Row{std::to_string(serial % kManyGroups), "5"}; };
  for (const bool append_only : {true, false}) {
    expect_one_more_reads_little(distinct(append_only), row, {{"77", "5"}});
  }
}

}  // namespace
}  // namespace millrace::dataflow::testing
