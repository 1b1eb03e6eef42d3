#include <algorithm>

#include "batch/binding.h"
#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::JoinType;

// Left: key BIGINT, at BLOB (the sort key), x BIGINT. Right: the same, and the order column.
const std::vector<std::string> kLeft{"BIGINT", "BLOB", "BIGINT"};
const std::vector<std::string> kRight{"BIGINT", "BLOB", "BIGINT", "HUGEINT"};

bool is_match(const Row& left, const Row& right, bool strict) {
  if (left[0] == kNull || left[0] != right[0] || left[1] == kNull || right[1] == kNull) return false;
  return strict ? right[1] < left[1] : right[1] <= left[1];
}

/// The last one by (sort key, order).
bool is_behind(const Row& a, const Row& b) { return a[1] != b[1] ? a[1] > b[1] : std::stoll(a[3]) > std::stoll(b[3]); }

Bag expected(const std::vector<Bag>& inputs, JoinType kind, bool strict) {
  Bag result;
  for (const auto& [left, n] : inputs[0]) {
    const Row* best = nullptr;
    for (const auto& [right, m] : inputs[1]) {
      if (is_match(left, right, strict) && (!best || is_behind(right, *best))) best = &right;
    }
    if (kind == JoinType::kSemi || kind == JoinType::kAnti) {
      if ((best != nullptr) == (kind == JoinType::kSemi)) add(result, {left[2], left[0]}, n);
    } else if (best || kind == JoinType::kLeft) {
      add(result, {left[2], left[0], best ? (*best)[2] : kNull}, n);
    }
  }
  return result;
}

Case make_case(JoinType kind, bool strict) {
  plan::AsofJoin join;
  join.type = kind;
  join.left_keys = join.right_keys = {0};
  join.null_equals_null = {false};
  join.left_sort_key = join.right_sort_key = 1;
  join.strict = strict;
  join.left_output = {2, 0};
  std::vector<std::string> output{"BIGINT", "BIGINT"};
  if (kind == JoinType::kInner || kind == JoinType::kLeft) {
    join.right_output = {2};
    output.push_back("BIGINT");
  }
  Case test;
  test.input(kLeft, false).input(kRight, false, 3).node(join, output);
  return test;
}

class AsofJoin : public ::testing::TestWithParam<std::tuple<JoinType, bool>> {};

TEST_P(AsofJoin, EqualsARecomputationAfterEveryStep) {
  const auto [kind, strict] = GetParam();
  Property property;
  property.row = [](Random& random, size_t port, uint64_t serial) {
    Row row{random.chance(9) ? std::string(kNull) : std::to_string(random.below(3)),
            random.chance(12) ? std::string(kNull) : "t" + std::to_string(10 + random.below(12)),
            std::to_string(random.below(5))};
    if (port == 1) row.push_back(std::to_string(serial));
    return row;
  };
  property.expected = [=](const std::vector<Bag>& inputs) { return expected(inputs, kind, strict); };
  EXPECT_GT(run(make_case(kind, strict), property), 0U);
}
INSTANTIATE_TEST_SUITE_P(All, AsofJoin,
                         ::testing::Combine(::testing::Values(JoinType::kInner, JoinType::kLeft, JoinType::kSemi,
                                                              JoinType::kAnti),
                                            ::testing::Bool()));

TEST(AsofJoin, AStepReadsOnlyTheRowsThatSeeTheChange) {
  const auto row = [](uint64_t serial, size_t port) {
    Row made{std::to_string(serial % kManyGroups), "t" + std::to_string(10000000 + serial), "5"};
    if (port == 1) made.push_back(std::to_string(serial));
    return made;
  };
  expect_one_more_reads_little(make_case(JoinType::kLeft, false), row,
                               {{"77", "t10500000", "5"}, {"77", "t10500000", "5", "1"}});
}

}  // namespace
}  // namespace millrace::dataflow::testing
