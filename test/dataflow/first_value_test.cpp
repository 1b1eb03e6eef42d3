// first, last, any_value, arg_min and arg_max in their fast form.
#include "dataflow/aggregate_calls.h"

namespace millrace::dataflow::testing {
namespace {

// Columns: key VARCHAR, v BIGINT, sort key BLOB, order HUGEINT, f BOOLEAN.
const std::vector<std::string> kSorted{"VARCHAR", "BIGINT", "BLOB", "HUGEINT", "BOOLEAN"};

Row random_sorted_row(Random& random, size_t, uint64_t serial) {
  const auto maybe = [&](std::string text) { return random.chance(6) ? std::string(kNull) : text; };
  return {maybe("key " + std::to_string(random.below(4))), maybe(std::to_string(random.below(3))),
          std::string(1, static_cast<char>('a' + random.below(4))), std::to_string(serial ^ 5),
          std::to_string(random.below(2))};
}

plan::AggregateCall first(AggregateKind kind, int argument, const std::string& result, int sort_key, int filter = -1) {
  plan::AggregateCall made = call(kind, argument, result, filter);
  made.sort_key = sort_key;
  return made;
}

Case firsts(bool append_only, bool global) {
  plan::Aggregate aggregate;
  std::vector<std::string> output;
  if (!global) aggregate.group_columns = {0}, output = {"VARCHAR"};
  aggregate.calls = {first(AggregateKind::kFirst, 1, "BIGINT", -1), first(AggregateKind::kLast, 1, "BIGINT", -1, 4),
                     call(AggregateKind::kCountStar, -1, "BIGINT"), first(AggregateKind::kFirst, 0, "VARCHAR", 2, 4),
                     first(AggregateKind::kLast, 1, "BIGINT", 2)};
  for (const auto& each : aggregate.calls) output.push_back(each.result.name());
  return std::move(Case().input(kSorted, append_only, 3).node(aggregate, output));
}

/// Column `argument` of the best of the rows, NULL when there is none.
std::string best(const std::vector<Row>& rows, size_t argument, bool sorted, bool last, bool filtered) {
  const Row* best = nullptr;
  const auto before = [sorted](const Row& a, const Row& b) {
    if (sorted && a[2] != b[2]) return a[2] < b[2];
    return std::stoll(a[3]) < std::stoll(b[3]);
  };
  for (const Row& row : rows) {
    if (filtered && row[4] != "1") continue;
    if (!best || (last ? before(*best, row) : before(row, *best))) best = &row;
  }
  return best ? (*best)[argument] : std::string(kNull);
}

Bag expected_firsts(const Bag& input, bool global) {
  std::map<std::string, std::vector<Row>> groups;
  if (global) groups[""];
  for (const auto& [row, n] : input) groups[global ? "" : row[0]].push_back(row);
  Bag result;
  for (const auto& [key, rows] : groups) {
    int64_t count = 0;
    for (const Row& row : rows) count += input.at(row);
    Row row;
    if (!global) row.push_back(key);
    row.insert(row.end(), {best(rows, 1, false, false, false), best(rows, 1, false, true, true), std::to_string(count),
                           best(rows, 0, true, false, true), best(rows, 1, true, true, false)});
    result[row] = 1;
  }
  return result;
}

class FirstValue : public ::testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(FirstValue, EqualsARecomputationAfterEveryStep) {
  const auto [append_only, global] = GetParam();
  Property property;
  property.row = random_sorted_row;
  property.expected = [global](const std::vector<Bag>& inputs) { return expected_firsts(inputs[0], global); };
  EXPECT_EQ(run(firsts(append_only, global), property) == 0, append_only);
}
INSTANTIATE_TEST_SUITE_P(All, FirstValue, ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST(FirstValue, KeepsNothingOfAGroupThatIsGone) {
  const Case test = firsts(false, false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  const Row row{"a", "1", "k", "7", "1"};
  for (const int64_t diff : {1, -1}) {
    ASSERT_TRUE(op->push(0, make_batch(schema(kSorted), {{row, diff}}), out).ok());
    ASSERT_TRUE(op->finish(out).ok());
  }
  EXPECT_EQ(out.bag, Bag());
  for (const state::TableRef& ref : op->tables()) EXPECT_EQ(ref.table->entries(), 0U);
}

TEST(FirstValue, ARetractionOfARowThatNeverCameIsAnError) {
  const Case test = firsts(false, false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  const std::vector<std::pair<Row, int64_t>> rows{{{"a", "1", "k", "7", "1"}, 2}, {{"a", "1", "j", "6", "1"}, -1}};
  ASSERT_TRUE(op->push(0, make_batch(schema(kSorted), rows), out).ok());
  EXPECT_FALSE(op->finish(out).ok());
}

TEST(FirstValue, AStepReadsOnlyItsGroupsAndLittleOfThem) {
  const auto row = [](uint64_t serial, size_t) {
    return Row{std::to_string(serial % 10), std::to_string(serial), "a", std::to_string(serial), "1"};
  };
  for (const bool append_only : {true, false})
    expect_one_more_reads_little(firsts(append_only, false), row, {{"7", "5", "a", "5000000", "1"}});
}

}  // namespace
}  // namespace millrace::dataflow::testing
