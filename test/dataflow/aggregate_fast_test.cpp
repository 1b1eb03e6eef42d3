#include "dataflow/aggregate_calls.h"

namespace millrace::dataflow::testing {
namespace {

struct Plain {
  int64_t rows = 0, count = 0, sum = 0, filtered = 0, filtered_sum = 0, filtered_count = 0;
  std::map<int64_t, int64_t> values;
  std::map<std::string, int64_t> texts;
};

std::map<std::string, Plain> plain_groups(const Bag& input, bool global) {
  std::map<std::string, Plain> groups;
  if (global) groups[""];
  for (const auto& [row, n] : input) {
    Plain& group = groups[global ? "" : row[0]];
    const bool passes = row[3] == "1";
    group.rows += n;
    if (passes) group.filtered += n;
    if (row[2] != kNull) group.texts[row[2]] += n;
    if (row[1] == kNull) continue;
    const int64_t value = std::stoll(row[1]);
    group.count += n;
    group.sum += value * n;
    group.values[value] += n;
    if (passes) group.filtered_sum += value * n, group.filtered_count += n;
  }
  return groups;
}

Bag expected(const Bag& input, bool global) {
  Bag result;
  for (const auto& [key, group] : plain_groups(input, global)) {
    Row row;
    if (!global) row.push_back(key);
    auto or_null = [](bool present, std::string text) { return present ? text : std::string(kNull); };
    row.push_back(std::to_string(group.rows));
    row.push_back(std::to_string(group.filtered));
    row.push_back(std::to_string(group.count));
    row.push_back(or_null(group.count > 0, std::to_string(group.sum)));
    row.push_back(or_null(group.filtered_count > 0, std::to_string(group.filtered_sum)));
    row.push_back(
        or_null(group.count > 0, std::to_string(static_cast<double>(group.sum) / static_cast<double>(group.count))));
    row.push_back(group.count > 0 ? std::to_string(group.values.begin()->first) : kNull);
    row.push_back(group.count > 0 ? std::to_string(group.values.rbegin()->first) : kNull);
    row.push_back(group.texts.empty() ? kNull : group.texts.begin()->first);
    row.push_back(group.texts.empty() ? kNull : group.texts.rbegin()->first);
    result[row] = 1;
  }
  return result;
}

Case make_case(bool append_only, bool global) {
  plan::Aggregate aggregate;
  std::vector<std::string> output;
  if (!global) aggregate.group_columns = {0}, output = {"VARCHAR"};
  aggregate.calls = {call(AggregateKind::kCountStar, -1, "BIGINT"), call(AggregateKind::kCountStar, -1, "BIGINT", 3),
                     call(AggregateKind::kCount, 1, "BIGINT"),      call(AggregateKind::kSum, 1, "HUGEINT"),
                     call(AggregateKind::kSum, 1, "HUGEINT", 3),    call(AggregateKind::kAvg, 1, "DOUBLE"),
                     call(AggregateKind::kMin, 1, "BIGINT"),        call(AggregateKind::kMax, 1, "BIGINT"),
                     call(AggregateKind::kMin, 2, "VARCHAR"),       call(AggregateKind::kMax, 2, "VARCHAR")};
  for (const auto& each : aggregate.calls) output.push_back(each.result.name());
  return std::move(Case().input(kTypes, append_only).node(aggregate, output));
}

class AggregateFast : public ::testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(AggregateFast, EqualsARecomputationAfterEveryStep) {
  const auto [append_only, global] = GetParam();
  Property property;
  property.row = random_row;
  property.expected = [global](const std::vector<Bag>& inputs) { return expected(inputs[0], global); };
  const uint64_t retracted = run(make_case(append_only, global), property);
  EXPECT_EQ(retracted == 0, append_only);
}
INSTANTIATE_TEST_SUITE_P(All, AggregateFast, ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST(AggregateFastExtremes, OfAllWidths) {
  for (const std::string name :
       {"SMALLINT", "INTEGER", "HUGEINT", "UBIGINT", "DOUBLE", "DATE", "DECIMAL(9,2)", "TIMESTAMP"}) {
    plan::Aggregate aggregate;
    aggregate.calls = {call(AggregateKind::kMin, 0, name), call(AggregateKind::kMax, 0, name)};
    Case test;
    test.input({name}, false).node(aggregate, {name, name});
    const bool is_double = name == "DOUBLE", is_unsigned = name == "UBIGINT";
    Property property;
    property.seeds = 20;
    property.row = [&](Random& random, size_t, uint64_t) {
      return Row{std::to_string(static_cast<int64_t>(random.below(300)) - (is_unsigned ? 0 : 150)) +
                 (is_double ? ".000000" : "")};
    };
    property.expected = [](const std::vector<Bag>& inputs) {
      if (inputs[0].empty()) return Bag{{{kNull, kNull}, 1}};
      auto less = [](const auto& a, const auto& b) { return std::stod(a.first[0]) < std::stod(b.first[0]); };
      const auto [low, high] = std::minmax_element(inputs[0].begin(), inputs[0].end(), less);
      return Bag{{{low->first[0], high->first[0]}, 1}};
    };
    run(test, property);
  }
}

TEST(AggregateFast, AnEmptyInputWithoutGroupByGivesOneRow) {
  const Case test = make_case(true, true);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, expected({}, true)) << print(out.bag);
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 1U);
  auto again = test.restored(*op, side);
  ASSERT_TRUE(again->finish(out).ok());
  EXPECT_EQ(out.rows, 1U);
}

TEST(AggregateFast, OnlyTheOwnerOfTheEmptyKeyShowsTheGlobalRow) {
  const Case test = make_case(true, true);
  SideCollector side;
  OperatorContext context{&session(), &side};
  context.owns_global_group = false;
  auto made = make_operator(test.top, {test.inputs[0].get()}, context);
  ASSERT_TRUE(made.ok());
  Collector out;
  ASSERT_TRUE((*made)->finish(out).ok());
  EXPECT_EQ(out.rows, 0U);
}

TEST(AggregateFast, AChangeThatCancelsEmitsNothing) {
  const Case test = make_case(false, false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  ASSERT_TRUE(op->push(0, make_batch(schema(kTypes), {{{"a", "1", "s", "1"}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 1U);
  ASSERT_TRUE(
      op->push(0, make_batch(schema(kTypes), {{{"a", "1", "s", "1"}, -1}, {{"a", "1", "s", "1"}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 1U);
}

TEST(AggregateFastExtremes, ARetractionThatComesFirstHidesNoValue) {
  plan::Aggregate aggregate;
  aggregate.calls = {call(AggregateKind::kMin, 0, "BIGINT")};
  Case test;
  test.input({"BIGINT"}, false).node(aggregate, {"BIGINT"});
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  ASSERT_TRUE(op->push(0, make_batch(schema({"BIGINT"}), {{{"5"}, 1}, {{"3"}, -1}, {{"9"}, 1}, {{"3"}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, (Bag{{{"5"}, 1}}));
}

TEST(AggregateFast, ARetractionOfNothingIsAnError) {
  const Case test = make_case(false, false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  ASSERT_TRUE(op->push(0, make_batch(schema(kTypes), {{{"a", "1", "s", "1"}, -1}}), out).ok());
  EXPECT_FALSE(op->finish(out).ok());
}

TEST(AggregateFast, AnOverflowingSumMarksItsGroupUntilItFitsAgain) {
  plan::Aggregate aggregate;
  aggregate.group_columns = {0};
  aggregate.calls = {call(AggregateKind::kSum, 1, "HUGEINT")};
  Case test;
  test.input({"VARCHAR", "HUGEINT"}, false).node(aggregate, {"VARCHAR", "HUGEINT"});
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  const std::string largest = "170141183460469231731687303715884105727";
  auto step = [&](const std::vector<std::pair<Row, int64_t>>& rows) {
    ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
    ASSERT_TRUE(op->finish(out).ok());
  };
  step({{{"a", largest}, 1}, {{"b", "5"}, 1}});
  EXPECT_EQ(out.bag, (Bag{{{"a", largest}, 1}, {{"b", "5"}, 1}}));
  step({{{"a", "1"}, 3}});
  EXPECT_EQ(out.bag, (Bag{{{"b", "5"}, 1}}));
  EXPECT_EQ(side.failed, (Bag{{{"a"}, 1}}));
  op = test.restored(*op, side);
  step({{{"a", "1"}, -3}, {{"a", "-7"}, 2}, {{"a", "-7"}, -2}});
  EXPECT_EQ(out.bag, (Bag{{{"a", largest}, 1}, {{"b", "5"}, 1}}));
  EXPECT_TRUE(side.failed.empty());
  step({{{"a", largest}, 6}, {{"a", largest}, -7}, {{"a", "-" + largest}, 3}});
  EXPECT_EQ(side.failed, (Bag{{{"a"}, 1}}));
}

// Windows of 100 µs: the group column is the window's start, column 2 the watermark before the row.
Case windowed(bool emit_on_close) {
  plan::Aggregate aggregate;
  aggregate.group_columns = {0};
  aggregate.calls = {call(AggregateKind::kCountStar, -1, "BIGINT"), call(AggregateKind::kMax, 1, "VARCHAR")};
  aggregate.window = plan::WindowBound{0, Duration{100}, Duration{10}, emit_on_close};
  Case test;
  test.input({"TIMESTAMP", "VARCHAR", "TIMESTAMP"}, true, -1, 2).node(aggregate, {"TIMESTAMP", "BIGINT", "VARCHAR"});
  return test;
}

TEST(AggregateWindows, LateIsAFunctionOfTheRowsOwnWatermark) {
  const Case test = windowed(false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  // The window [0, 100) is open until its partition's watermark reaches 110.
  ASSERT_TRUE(
      op->push(0,
               make_batch(
                   test.inputs[0]->output,
                   {{{"0", "a", kNull}, 1}, {{"0", "b", "109"}, 1}, {{"0", "c", "110"}, 1}, {{"100", "d", "110"}, 1}}),
               out)
          .ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, (Bag{{{"0", "2", "b"}, 1}, {{"100", "1", "d"}, 1}}));
  EXPECT_EQ(side.late, (Bag{{{"0", "c", "110"}, 1}}));
  EXPECT_EQ(op->stats.rows_late, 1U);
}

TEST(AggregateWindows, AClosedWindowStaysInTheResultAndLeavesTheState) {
  const Case test = windowed(false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  ASSERT_TRUE(
      op->push(0, make_batch(test.inputs[0]->output, {{{"0", "a", kNull}, 1}, {{"100", "b", kNull}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  op = test.restored(*op, side);
  op->advance(Timestamp{110});
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, (Bag{{{"0", "1", "a"}, 1}, {{"100", "1", "b"}, 1}}));
  EXPECT_EQ(op->tables()[0].table->entries(), 1U);
  EXPECT_EQ(op->tables()[1].table->entries(), 1U) << "the closed window's text is still kept";
  // From a partition that was idle: the window is closed for it too.
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{"0", "z", "50"}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(side.late, (Bag{{{"0", "z", "50"}, 1}}));
  EXPECT_EQ(out.rows, 2U);
}

TEST(AggregateWindows, EmitOnCloseGivesEachWindowOnce) {
  const Case test = windowed(true);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  ASSERT_TRUE(
      op->push(0, make_batch(test.inputs[0]->output, {{{"0", "a", kNull}, 1}, {{"100", "b", kNull}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 0U);
  op = test.restored(*op, side);
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{"0", "c", "90"}, 1}}), out).ok());
  op->advance(Timestamp{109});
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 0U);
  op->advance(Timestamp{110});
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, (Bag{{{"0", "2", "c"}, 1}}));
  op->advance(Timestamp{INT64_MAX});
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, (Bag{{{"0", "2", "c"}, 1}, {{"100", "1", "b"}, 1}}));
  EXPECT_EQ(op->tables()[0].table->entries(), 0U);
  EXPECT_EQ(out.retractions, 0U);
}

TEST(AggregateFast, AStepReadsOnlyItsGroups) {
  Case test = make_case(false, false);
  const auto row = [](uint64_t serial, size_t) {
    return Row{std::to_string(serial % kManyGroups), std::to_string(serial), "s" + std::to_string(serial), "1"};
  };
  expect_one_more_reads_little(test, row, {{"77", "5", "x", "1"}});
}

}  // namespace
}  // namespace millrace::dataflow::testing
