// Calls with DISTINCT, boolean calls and variances in their fast form.
#include <cmath>
#include <numeric>
#include <set>

#include "dataflow/aggregate_calls.h"

namespace millrace::dataflow::testing {
namespace {

// Calls over v and s, each different value once.
Case distinct_case(bool append_only, bool global) {
  plan::Aggregate aggregate;
  std::vector<std::string> output;
  if (!global) aggregate.group_columns = {0}, output = {"VARCHAR"};
  aggregate.calls = {
      call(AggregateKind::kCountDistinct, 1, "BIGINT"),    call(AggregateKind::kCountStar, -1, "BIGINT"),
      call(AggregateKind::kCountDistinct, 1, "BIGINT", 3), call(AggregateKind::kCountDistinct, 2, "BIGINT"),
      call(AggregateKind::kSumDistinct, 1, "HUGEINT"),     call(AggregateKind::kAvgDistinct, 1, "DOUBLE", 3),
      call(AggregateKind::kCountDistinct, 2, "BIGINT", 3), call(AggregateKind::kMax, 2, "VARCHAR")};
  for (const auto& each : aggregate.calls) output.push_back(each.result.name());
  return std::move(Case().input(kTypes, append_only).node(aggregate, output));
}

Bag expected_distinct(const Bag& input, bool global) {
  struct Group {
    int64_t rows = 0;
    std::set<int64_t> values, filtered;
    std::set<std::string> texts, filtered_texts;
  };
  std::map<std::string, Group> groups;
  if (global) groups[""];
  for (const auto& [row, n] : input) {
    Group& group = groups[global ? "" : row[0]];
    const bool passes = row[3] == "1";
    group.rows += n;
    if (row[1] != kNull) group.values.insert(std::stoll(row[1]));
    if (row[1] != kNull && passes) group.filtered.insert(std::stoll(row[1]));
    if (row[2] != kNull) group.texts.insert(row[2]);
    if (row[2] != kNull && passes) group.filtered_texts.insert(row[2]);
  }
  Bag result;
  for (const auto& [key, group] : groups) {
    const auto sum = [](const std::set<int64_t>& values) {
      return std::accumulate(values.begin(), values.end(), int64_t{0});
    };
    const auto size = [](const auto& values) { return std::to_string(values.size()); };
    Row row;
    if (!global) row.push_back(key);
    row.insert(row.end(), {size(group.values), std::to_string(group.rows), size(group.filtered), size(group.texts)});
    row.push_back(group.values.empty() ? kNull : std::to_string(sum(group.values)));
    row.push_back(group.filtered.empty() ? kNull
                                         : std::to_string(static_cast<double>(sum(group.filtered)) /
                                                          static_cast<double>(group.filtered.size())));
    row.push_back(size(group.filtered_texts));
    row.push_back(group.texts.empty() ? kNull : *group.texts.rbegin());
    result[row] = 1;
  }
  return result;
}

// The texts of all rows whose f is true. Rows have no order here: that of their bytes, the length first.
Case texts_case(bool append_only, bool global) {
  plan::Aggregate aggregate;
  std::vector<std::string> output;
  if (!global) aggregate.group_columns = {0}, output = {"VARCHAR"};
  aggregate.calls = {call(AggregateKind::kStringAgg, 2, "VARCHAR", 3), call(AggregateKind::kCount, 2, "BIGINT")};
  aggregate.calls[0].separator = "; ";
  for (const auto& each : aggregate.calls) output.push_back(each.result.name());
  return std::move(Case().input(kTypes, append_only).node(aggregate, output));
}

Bag expected_texts(const Bag& input, bool global) {
  struct Group {
    std::multiset<std::pair<size_t, std::string>> texts;
    int64_t count = 0;
  };
  std::map<std::string, Group> groups;
  if (global) groups[""];
  for (const auto& [row, n] : input) {
    Group& group = groups[global ? "" : row[0]];
    if (row[2] == kNull) continue;
    group.count += n;
    for (int64_t copy = 0; copy < n && row[3] == "1"; ++copy) group.texts.insert({row[2].size(), row[2]});
  }
  Bag result;
  for (const auto& [key, group] : groups) {
    std::string joined;
    for (const auto& [length, text] : group.texts) joined += (joined.empty() ? "" : "; ") + text;
    Row row;
    if (!global) row.push_back(key);
    row.insert(row.end(), {group.texts.empty() ? kNull : joined, std::to_string(group.count)});
    result[row] = 1;
  }
  return result;
}

class AggregateStates : public ::testing::TestWithParam<std::tuple<bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(All, AggregateStates, ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST_P(AggregateStates, TextsEqualARecomputationAfterEveryStep) {
  const auto [append_only, global] = GetParam();
  Property property;
  property.row = random_row;
  property.expected = [global](const std::vector<Bag>& inputs) { return expected_texts(inputs[0], global); };
  const uint64_t retracted = run(texts_case(append_only, global), property);
  EXPECT_EQ(retracted > 0, !append_only);
}

TEST_P(AggregateStates, DistinctEqualsARecomputationAfterEveryStep) {
  const auto [append_only, global] = GetParam();
  Property property;
  property.row = random_row;
  property.expected = [global](const std::vector<Bag>& inputs) { return expected_distinct(inputs[0], global); };
  const uint64_t retracted = run(distinct_case(append_only, global), property);
  EXPECT_EQ(retracted == 0, append_only);
}

TEST(AggregateDistinct, KeepsNothingOfAGroupThatIsGone) {
  const Case test = distinct_case(false, false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  const Row row{"a", "1", "s", "1"};
  ASSERT_TRUE(op->push(0, make_batch(schema(kTypes), {{row, 2}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  ASSERT_TRUE(op->push(0, make_batch(schema(kTypes), {{row, -1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, expected_distinct({{row, 1}}, false)) << "one of two equal values went";
  ASSERT_TRUE(op->push(0, make_batch(schema(kTypes), {{row, -1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, Bag());
  for (const state::TableRef& ref : op->tables()) EXPECT_EQ(ref.table->entries(), 0U);
}

TEST(AggregateDistinct, ARetractionOfAValueThatNeverCameIsAnError) {
  const Case test = distinct_case(false, false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  ASSERT_TRUE(
      op->push(0, make_batch(schema(kTypes), {{{"a", "1", "s", "1"}, 2}, {{"a", "2", "s", "1"}, -1}}), out).ok());
  EXPECT_FALSE(op->finish(out).ok());
}

TEST(AggregateDistinct, AStepReadsOnlyItsValuesInAGroupOfAnySize) {
  Case test = distinct_case(false, false);
  const auto row = [](uint64_t serial, size_t) {
    return Row{"one", std::to_string(serial), "s" + std::to_string(serial % 1000), "1"};
  };
  expect_one_more_reads_little(test, row, {{"one", "5", "x", "1"}});
}

/// What a variance of whole numbers is, by its definition.
std::string deviation(const std::map<int64_t, int64_t>& values, bool of_sample, bool root) {
  int64_t count = 0;
  long double sum = 0, squares = 0;
  for (const auto& [value, n] : values) {
    count += n;
    sum += static_cast<long double>(value) * static_cast<long double>(n);
  }
  if (count < (of_sample ? 2 : 1)) return kNull;
  const long double mean = sum / static_cast<long double>(count);
  for (const auto& [value, n] : values) {
    const long double off = static_cast<long double>(value) - mean;
    squares += off * off * static_cast<long double>(n);
  }
  const auto result = static_cast<double>(squares / static_cast<long double>(of_sample ? count - 1 : count));
  return std::to_string(root ? std::sqrt(result) : result);
}

TEST_P(AggregateStates, BooleansAndVariancesEqualARecomputationAfterEveryStep) {
  const auto [append_only, global] = GetParam();
  plan::Aggregate aggregate;
  std::vector<std::string> output;
  if (!global) aggregate.group_columns = {0}, output = {"VARCHAR"};
  aggregate.calls = {call(AggregateKind::kBoolAnd, 3, "BOOLEAN"),   call(AggregateKind::kBoolOr, 3, "BOOLEAN"),
                     call(AggregateKind::kVarSamp, 1, "DOUBLE"),    call(AggregateKind::kVarPop, 1, "DOUBLE"),
                     call(AggregateKind::kStddevSamp, 1, "DOUBLE"), call(AggregateKind::kStddevPop, 1, "DOUBLE")};
  for (const auto& each : aggregate.calls) output.push_back(each.result.name());
  Case test;
  test.input(kTypes, append_only).node(aggregate, output);
  Property property;
  property.row = random_row;
  property.expected = [global](const std::vector<Bag>& inputs) {
    std::map<std::string, std::pair<std::map<int64_t, int64_t>, std::set<std::string>>> groups;
    if (global) groups[""];
    for (const auto& [row, n] : inputs[0]) {
      auto& [values, flags] = groups[global ? "" : row[0]];
      if (row[1] != kNull) values[std::stoll(row[1])] += n;
      if (row[3] != kNull) flags.insert(row[3]);
    }
    Bag result;
    for (const auto& [key, group] : groups) {
      const auto& [values, flags] = group;
      Row row;
      if (!global) row.push_back(key);
      row.push_back(flags.empty() ? kNull : *flags.begin());
      row.push_back(flags.empty() ? kNull : *flags.rbegin());
      for (const bool root : {false, true}) {
        for (const bool of_sample : {true, false}) row.push_back(deviation(values, of_sample, root));
      }
      result[row] = 1;
    }
    return result;
  };
  run(test, property);
}

TEST(AggregateVariance, OfLargeNumbersIsExact) {
  plan::Aggregate aggregate;
  aggregate.calls = {call(AggregateKind::kVarPop, 0, "DOUBLE"), call(AggregateKind::kVarSamp, 1, "DOUBLE")};
  Case test;
  test.input({"BIGINT", "DECIMAL(18,2)"}, false).node(aggregate, {"DOUBLE", "DOUBLE"});
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  const int64_t least = INT64_MIN;
  const auto step = [&](const std::vector<std::pair<Row, int64_t>>& rows) {
    ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
    ASSERT_TRUE(op->finish(out).ok());
  };
  step({{{std::to_string(least), "100"}, 5}, {{std::to_string(INT64_MAX), "300"}, 1}});
  step({{{std::to_string(INT64_MAX), "300"}, -1}, {{std::to_string(least + 3), "300"}, 4}});
  EXPECT_EQ(out.bag, (Bag{{{"2.222222", "1.111111"}, 1}})) << print(out.bag);
}

TEST(AggregateDistinct, DifferentValuesLeaveTheStateWithTheirWindow) {
  for (const bool append_only : {true, false}) {
    plan::Aggregate aggregate;
    aggregate.group_columns = {0};
    aggregate.calls = {call(AggregateKind::kCountDistinct, 1, "BIGINT")};
    aggregate.window = plan::WindowBound{0, Duration{100}, Duration{10}, false};
    Case test;
    test.input({"TIMESTAMP", "VARCHAR", "TIMESTAMP"}, append_only, -1, 2).node(aggregate, {"TIMESTAMP", "BIGINT"});
    SideCollector side;
    auto op = test.make(side);
    Collector out;
    std::vector<std::pair<Row, int64_t>> rows;
    for (int i = 0; i < 300; ++i) rows.push_back({{i % 3 == 0 ? "100" : "0", std::to_string(i % 70), kNull}, 1});
    ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
    ASSERT_TRUE(op->finish(out).ok());
    EXPECT_EQ(out.bag, (Bag{{{"0", "70"}, 1}, {{"100", "70"}, 1}}));
    op = test.restored(*op, side);
    op->advance(Timestamp{110});
    ASSERT_TRUE(op->finish(out).ok());
    EXPECT_EQ(out.bag, (Bag{{{"0", "70"}, 1}, {{"100", "70"}, 1}}));
    EXPECT_EQ(op->tables()[1].table->entries(), 70U) << "of the closed window";
    EXPECT_EQ(op->tables()[2].table->entries(), 1U);
    op->advance(Timestamp{1000});
    ASSERT_TRUE(op->finish(out).ok());
    for (const state::TableRef& ref : op->tables()) EXPECT_EQ(ref.table->entries(), 0U);
  }
}

}  // namespace
}  // namespace millrace::dataflow::testing
