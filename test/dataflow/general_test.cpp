// The general forms: DuckDB recomputes touched groups. Expected values are computed by hand, not by DuckDB.
#include <algorithm>
#include <set>

#include "batch/binding.h"
#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

batch::BindingDatabase& database() {
  // Column 0 is the group number; then key, v, order as the operators feed them.
  static batch::BindingDatabase made("g BIGINT, key VARCHAR, v BIGINT, o HUGEINT");
  return made;
}

plan::AggregateCall general(const std::string& text, const std::string& result) {
  plan::AggregateCall call;
  call.kind = plan::AggregateKind::kGeneral;
  call.text = text;
  call.result = type(result);
  return call;
}

// Columns: key VARCHAR, v BIGINT, order HUGEINT.
const std::vector<std::string> kTypes{"VARCHAR", "BIGINT", "HUGEINT"};

Row random_row(Random& random, size_t, uint64_t serial) {
  const std::string key = random.chance(8) ? std::string(kNull) : "k" + std::to_string(random.below(5));
  return {key, random.chance(6) ? std::string(kNull) : std::to_string(random.below(7)), std::to_string(serial)};
}

/// The same with running results beside the one that is computed anew, and one more.
Case mixed_case(bool global) {
  using plan::AggregateKind;
  plan::Aggregate aggregate;
  std::vector<std::string> output;
  if (!global) aggregate.group_columns = {0}, output = {"VARCHAR"};
  aggregate.calls = {{AggregateKind::kCountDistinct, 1, -1, type("BIGINT"), "count(DISTINCT v)"},
                     {AggregateKind::kCountStar, -1, -1, type("BIGINT"), "count(*)"},
                     general("string_agg(v)", "VARCHAR"),
                     {AggregateKind::kMax, 0, -1, type("VARCHAR"), "max(key)"}};
  aggregate.general_columns = {0, 1, 2};
  aggregate.general = database().aggregate("string_agg(v::VARCHAR, ',' ORDER BY o)");
  for (const auto& call : aggregate.calls) output.push_back(call.result.name());
  Case test;
  test.input(kTypes, false, 2).node(aggregate, output);
  return test;
}

Case aggregate_case(bool global) {
  plan::Aggregate aggregate;
  std::vector<std::string> output;
  if (!global) aggregate.group_columns = {0}, output = {"VARCHAR"};
  aggregate.calls = {general("count(DISTINCT v)", "BIGINT"), general("count(*)", "BIGINT"),
                     general("string_agg(v)", "VARCHAR")};
  aggregate.general_columns = {0, 1, 2};
  aggregate.general = database().aggregate("count(DISTINCT v), count(*), string_agg(v::VARCHAR, ',' ORDER BY o)");
  for (const auto& call : aggregate.calls) output.push_back(call.result.name());
  Case test;
  test.input(kTypes, false, 2).node(aggregate, output);
  return test;
}

Bag expected_aggregate(const Bag& input, bool global, bool mixed) {
  struct Group {
    std::set<std::string> values;
    int64_t rows = 0;
    std::map<int64_t, std::string> texts;
    std::string most = kNull;
  };
  std::map<std::string, Group> groups;
  if (global) groups[""];
  for (const auto& [row, count] : input) {
    Group& group = groups[global ? "" : row[0]];
    group.rows += count;
    if (row[0] != kNull && (group.most == kNull || row[0] > group.most)) group.most = row[0];
    if (row[1] == kNull) continue;
    group.values.insert(row[1]);
    group.texts[std::stoll(row[2])] = row[1];
  }
  Bag result;
  for (const auto& [key, group] : groups) {
    std::string text;
    for (const auto& [order, value] : group.texts) text += (text.empty() ? "" : ",") + value;
    Row row{key, std::to_string(group.values.size()), std::to_string(group.rows), text.empty() ? kNull : text};
    if (mixed) row.push_back(group.most);
    if (global) row.erase(row.begin());
    result[row] = 1;
  }
  return result;
}

class AggregateGeneral : public ::testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(AggregateGeneral, EqualsARecomputationAfterEveryStep) {
  const auto [global, mixed] = GetParam();
  Property property;
  property.seeds = 25;
  property.row = random_row;
  property.expected = [global = global, mixed = mixed](const std::vector<Bag>& inputs) {
    return expected_aggregate(inputs[0], global, mixed);
  };
  EXPECT_GT(run(mixed ? mixed_case(global) : aggregate_case(global), property), 0U);
}
INSTANTIATE_TEST_SUITE_P(All, AggregateGeneral, ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST(AggregateGeneral, AFragmentOfAllCallsComputesAllAsInOlderPlans) {
  Case test = aggregate_case(false);
  auto& calls = std::get<plan::Aggregate>(test.top.operation).calls;
  calls[0].kind = plan::AggregateKind::kCountDistinct;
  calls[0].argument = 1;
  calls[1].kind = plan::AggregateKind::kCountStar;
  SideCollector side;
  EXPECT_EQ(test.make(side)->tables().size(), 2U);
  Property property;
  property.seeds = 5;
  property.row = random_row;
  property.expected = [](const std::vector<Bag>& inputs) { return expected_aggregate(inputs[0], false, false); };
  EXPECT_GT(run(test, property), 0U);
}

TEST(AggregateGeneral, ARunningResultThatOverflowsFailsItsGroup) {
  plan::Aggregate aggregate;
  aggregate.group_columns = {0};
  aggregate.calls = {{plan::AggregateKind::kSum, 2, -1, type("HUGEINT"), "sum(o)"}, general("string_agg(v)", "VARCHAR")};
  aggregate.general_columns = {0, 1, 2};
  aggregate.general = database().aggregate("string_agg(v::VARCHAR, ',' ORDER BY o)");
  Case test;
  test.input(kTypes, false, 2).node(aggregate, {"VARCHAR", "HUGEINT", "VARCHAR"});
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  const std::string large = "170141183460469231731687303715884105727";  // 2^127 - 1
  const auto step = [&](const std::vector<std::pair<Row, int64_t>>& rows) {
    ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
    ASSERT_TRUE(op->finish(out).ok());
  };
  step({{{"a", "1", large}, 1}, {{"a", "2", "1"}, 1}, {{"b", "3", "7"}, 1}});
  EXPECT_EQ(out.bag, (Bag{{{"b", "7", "3"}, 1}}));
  EXPECT_EQ(side.failed, (Bag{{{"a"}, 1}}));
  op = test.restored(*op, side);
  step({{{"a", "2", "1"}, -1}});
  EXPECT_EQ(out.bag, (Bag{{{"a", large, "1"}, 1}, {{"b", "7", "3"}, 1}}));
  EXPECT_TRUE(side.failed.empty());
}

TEST(AggregateGeneral, AGroupThatFailsIsAbsentUntilItIsWellAgain) {
  plan::Aggregate aggregate;
  aggregate.group_columns = {0};
  aggregate.calls = {general("sum(DISTINCT v)", "HUGEINT"), general("error", "BIGINT")};
  aggregate.general_columns = {0, 1, 2};
  aggregate.general =
      database().aggregate("sum(DISTINCT v), max(CASE WHEN v > 100 THEN error('too large')::BIGINT ELSE v END)");
  Case test;
  test.input(kTypes, false, 2).node(aggregate, {"VARCHAR", "HUGEINT", "BIGINT"});
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  std::vector<std::pair<Row, int64_t>> rows;
  for (int i = 0; i < 20; ++i) rows.push_back({{"k" + std::to_string(i), "5", std::to_string(i)}, 1});
  rows.push_back({{"k7", "500", "99"}, 1});
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag.size(), 19U);
  EXPECT_EQ(side.failed, (Bag{{{"k7"}, 1}}));
  EXPECT_NE(side.last_message.find("too large"), std::string::npos) << side.last_message;
  op = test.restored(*op, side);
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{"k7", "500", "99"}, -1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag.size(), 20U);
  EXPECT_TRUE(side.failed.empty());
}

TEST(AggregateGeneral, AStepReadsOnlyItsGroups) {
  const auto row = [](uint64_t serial, size_t) {
    return Row{std::to_string(serial % kManyGroups), std::to_string(serial % 1000), std::to_string(serial)};
  };
  expect_one_more_reads_little(aggregate_case(false), row, {{"77", "5", "5"}});
}

Case window_case() {
  plan::Window window;
  window.partition_columns = {0};
  window.sort_key = -1;
  plan::WindowCall call;
  call.kind = plan::WindowKind::kGeneral;
  call.result = type("HUGEINT");
  window.calls = {call};
  window.general = database().window("sum(v) OVER (ORDER BY o ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)");
  Case test;
  test.input(kTypes, false, 2).node(window, {"VARCHAR", "BIGINT", "HUGEINT", "HUGEINT"}, 3);
  return test;
}

Bag expected_window(const Bag& input) {
  std::map<std::string, std::map<int64_t, std::string>> partitions;
  for (const auto& [row, count] : input) partitions[row[0]][std::stoll(row[2])] = row[1];
  Bag result;
  for (const auto& [key, rows] : partitions) {
    std::string previous = kNull;
    for (const auto& [order, value] : rows) {
      std::string sum = kNull;
      if (previous != kNull || value != kNull) {
        sum = std::to_string((previous == kNull ? 0 : std::stoll(previous)) + (value == kNull ? 0 : std::stoll(value)));
      }
      result[{key, value, sum, std::to_string(order)}] = 1;
      previous = value;
    }
  }
  return result;
}

TEST(WindowGeneral, EqualsARecomputationAfterEveryStep) {
  Property property;
  property.seeds = 25;
  property.row = random_row;
  property.expected = [](const std::vector<Bag>& inputs) { return expected_window(inputs[0]); };
  EXPECT_GT(run(window_case(), property), 0U);
}

TEST(WindowGeneral, APartitionThatFailsIsAbsentUntilItIsWellAgain) {
  plan::Window window;
  window.partition_columns = {0};
  plan::WindowCall call;
  call.result = type("BIGINT");
  window.calls = {call};
  window.general =
      database().window("max(CASE WHEN v > 100 THEN error('too large')::BIGINT ELSE v END) OVER (ORDER BY o)");
  Case test;
  test.input(kTypes, false, 2).node(window, {"VARCHAR", "BIGINT", "BIGINT", "HUGEINT"}, 3);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  auto step = [&](const std::vector<std::pair<Row, int64_t>>& rows) {
    ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
    ASSERT_TRUE(op->finish(out).ok());
  };
  step({{{"a", "1", "1"}, 1}, {{"b", "2", "2"}, 1}});
  step({{{"a", "500", "3"}, 1}});
  EXPECT_EQ(out.bag, (Bag{{{"b", "2", "2", "2"}, 1}}));
  step({{{"a", "600", "4"}, 1}});
  EXPECT_EQ(side.failed, (Bag{{{"a"}, 1}}));
  op = test.restored(*op, side);
  step({{{"a", "500", "3"}, -1}, {{"a", "600", "4"}, -1}});
  EXPECT_EQ(out.bag, (Bag{{{"a", "1", "1", "1"}, 1}, {{"b", "2", "2", "2"}, 1}}));
  EXPECT_TRUE(side.failed.empty());
}

TEST(WindowGeneral, AStepReadsOnlyItsGroups) {
  const auto row = [](uint64_t serial, size_t) {
    return Row{std::to_string(serial % kManyGroups), std::to_string(serial % 1000), std::to_string(serial)};
  };
  expect_one_more_reads_little(window_case(), row, {{"77", "5", "5"}});
}

}  // namespace
}  // namespace millrace::dataflow::testing
