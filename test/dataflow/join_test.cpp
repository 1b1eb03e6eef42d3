#include <algorithm>

#include "batch/binding.h"
#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::JoinType;

// Left: key BIGINT, a VARCHAR, x BIGINT. Right: b VARCHAR, key BIGINT, y BIGINT.
const std::vector<std::string> kLeft{"BIGINT", "VARCHAR", "BIGINT"};
const std::vector<std::string> kRight{"VARCHAR", "BIGINT", "BIGINT"};

Row random_row(Random& random, size_t port, uint64_t) {
  const std::string key = random.chance(6) ? std::string(kNull) : std::to_string(random.below(6));
  const std::string number = random.chance(8) ? std::string(kNull) : std::to_string(random.below(6));
  const std::string text = "t" + std::to_string(random.below(4));
  return port == 0 ? Row{key, text, number} : Row{text, key, number};
}

/// x < y over the columns of both sides.
batch::Expression residual_expression() {
  static batch::BindingDatabase database("key BIGINT, a VARCHAR, x BIGINT, b VARCHAR, right_key BIGINT, y BIGINT");
  return database.expressions("x < y")[0];
}

bool matches(const Row& left, const Row& right, bool null_safe, bool residual) {
  if (left[0] != right[1] || (left[0] == kNull && !null_safe)) return false;
  if (!residual) return true;
  return left[2] != kNull && right[2] != kNull && std::stoll(left[2]) < std::stoll(right[2]);
}

bool gives_pairs(JoinType kind) {
  return kind != JoinType::kSemi && kind != JoinType::kAnti && kind != JoinType::kMark;
}

Bag expected(const std::vector<Bag>& inputs, JoinType kind, bool null_safe, bool residual) {
  Bag result;
  std::map<Row, int64_t> right_matches;
  auto row_of = [](const Row* left, const Row* right) {
    return Row{left ? (*left)[2] : kNull, left ? (*left)[0] : kNull, right ? (*right)[2] : kNull,
               right ? (*right)[0] : kNull};
  };
  for (const auto& [left, n] : inputs[0]) {
    int64_t found = 0;
    for (const auto& [right, m] : inputs[1]) {
      if (!matches(left, right, null_safe, residual)) continue;
      found += m;
      right_matches[right] += n;
      if (gives_pairs(kind)) add(result, row_of(&left, &right), n * m);
    }
    if (found == 0 && (kind == JoinType::kLeft || kind == JoinType::kFull)) add(result, row_of(&left, nullptr), n);
    if (kind == JoinType::kMark) add(result, {left[2], left[0], found > 0 ? "1" : "0"}, n);
    if (kind == JoinType::kSemi && found > 0) add(result, {left[2], left[0]}, n);
    if (kind == JoinType::kAnti && found == 0) add(result, {left[2], left[0]}, n);
  }
  for (const auto& [right, m] : inputs[1]) {
    if (right_matches[right] == 0 && (kind == JoinType::kRight || kind == JoinType::kFull))
      add(result, row_of(nullptr, &right), m);
  }
  return result;
}

Case make_case(JoinType kind, bool null_safe, bool residual) {
  plan::Join join;
  join.type = kind;
  join.left_keys = {0};
  join.right_keys = {1};
  join.null_equals_null = {null_safe};
  join.left_output = {2, 0};
  std::vector<std::string> output{"BIGINT", "BIGINT"};
  if (kind == JoinType::kMark) output.push_back("BOOLEAN");
  if (gives_pairs(kind)) {
    join.right_output = {2, 0};
    output.insert(output.end(), {"BIGINT", "VARCHAR"});
  }
  if (residual) join.residual = {residual_expression()};
  Case test;
  test.input(kLeft, false).input(kRight, false).node(join, output);
  return test;
}

class Join : public ::testing::TestWithParam<std::tuple<JoinType, bool, bool>> {};

TEST_P(Join, EqualsARecomputationAfterEveryStep) {
  const auto [kind, null_safe, residual] = GetParam();
  Property property;
  property.rows_max = 15;
  property.row = random_row;
  property.expected = [=](const std::vector<Bag>& inputs) { return expected(inputs, kind, null_safe, residual); };
  EXPECT_GT(run(make_case(kind, null_safe, residual), property), 0U);
}
INSTANTIATE_TEST_SUITE_P(All, Join,
                         ::testing::Combine(::testing::Values(JoinType::kInner, JoinType::kLeft, JoinType::kRight,
                                                              JoinType::kFull, JoinType::kSemi, JoinType::kAnti,
                                                              JoinType::kMark),
                                            ::testing::Bool(), ::testing::Bool()));

/// No keys: x < y alone decides.
TEST(Join, WithoutKeysEqualsARecomputationAfterEveryStep) {
  for (const JoinType kind : {JoinType::kInner, JoinType::kLeft, JoinType::kRight, JoinType::kFull, JoinType::kSemi,
                              JoinType::kAnti, JoinType::kMark}) {
    Case test = make_case(kind, false, true);
    auto& join = std::get<plan::Join>(test.top.operation);
    join.left_keys.clear(), join.right_keys.clear(), join.null_equals_null.clear();
    Property property;
    property.seeds = 50;
    property.rows_max = 10;
    property.row = [](Random& random, size_t port, uint64_t serial) {
      Row row = random_row(random, port, serial);
      row[port] = "1";  // the key column plays no part
      return row;
    };
    property.expected = [=](const std::vector<Bag>& inputs) { return expected(inputs, kind, false, true); };
    EXPECT_GT(run(test, property), 0U);
  }
}

TEST(Join, ManyPairsAreCutIntoBatches) {
  const Case test = make_case(JoinType::kInner, false, false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  std::vector<std::pair<Row, int64_t>> left, right;
  for (int i = 0; i < 100; ++i) left.push_back({{"1", "t", std::to_string(i)}, 1});
  for (int i = 0; i < 100; ++i) right.push_back({{"t", "1", std::to_string(i)}, 1});
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, left), out).ok());
  ASSERT_TRUE(op->push(1, make_batch(test.inputs[1]->output, right), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag.size(), 10000U);
  EXPECT_EQ(out.rows, 10000U);
}

TEST(Join, ReplacingADimensionRowTouchesItsPairsOnly) {
  const Case test = make_case(JoinType::kLeft, false, false);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  ASSERT_TRUE(op->push(1, make_batch(test.inputs[1]->output, {{{"old", "1", "1"}, 1}}), out).ok());
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{"1", "t", "5"}, 1}, {{"2", "t", "6"}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  const uint64_t before = out.rows;
  ASSERT_TRUE(
      op->push(1, make_batch(test.inputs[1]->output, {{{"old", "1", "1"}, -1}, {{"new", "1", "1"}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows - before, 2U) << "no row with NULLs came and went";
  EXPECT_EQ(out.bag, (Bag{{{"5", "1", "1", "new"}, 1}, {{"6", "2", kNull, kNull}, 1}}));
}

TEST(Join, AStepReadsOnlyItsGroups) {
  const auto row = [](uint64_t serial, size_t port) {
    const std::string key = std::to_string(serial % kManyGroups), number = std::to_string(serial);
    return port == 0 ? Row{key, "t", number} : Row{"t", key, number};
  };
  for (const JoinType kind : {JoinType::kInner, JoinType::kFull, JoinType::kAnti, JoinType::kMark}) {
    expect_one_more_reads_little(make_case(kind, false, false), row, {{"77", "t", "5"}, {"t", "77", "5"}});
  }
}

}  // namespace
}  // namespace millrace::dataflow::testing
