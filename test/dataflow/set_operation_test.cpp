#include <algorithm>

#include "batch/binding.h"
#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::SetKind;

const std::vector<std::string> kTypes{"BIGINT", "VARCHAR"};

int64_t times(SetKind kind, int64_t left, int64_t right) {
  switch (kind) {
    case SetKind::kIntersect: return left > 0 && right > 0 ? 1 : 0;
    case SetKind::kIntersectAll: return std::min(left, right);
    case SetKind::kExcept: return left > 0 && right == 0 ? 1 : 0;
    default: return std::max<int64_t>(0, left - right);
  }
}

Case make_case(SetKind kind) {
  Case test;
  test.input(kTypes, false).input(kTypes, false).node(plan::SetOperation{kind}, kTypes);
  return test;
}

class SetOperation : public ::testing::TestWithParam<SetKind> {};

TEST_P(SetOperation, EqualsARecomputationAfterEveryStep) {
  Property property;
  property.row = [](Random& random, size_t, uint64_t) {
    return Row{random.chance(6) ? std::string(kNull) : std::to_string(random.below(4)),
               random.chance(6) ? std::string(kNull) : "t" + std::to_string(random.below(3))};
  };
  property.expected = [kind = GetParam()](const std::vector<Bag>& inputs) {
    Bag result;
    for (const auto& [row, left] : inputs[0]) {
      const auto right = inputs[1].find(row);
      const int64_t count = times(kind, left, right == inputs[1].end() ? 0 : right->second);
      if (count != 0) add(result, row, count);
    }
    return result;
  };
  EXPECT_GT(run(make_case(GetParam()), property), 0U);
}
INSTANTIATE_TEST_SUITE_P(All, SetOperation,
                         ::testing::Values(SetKind::kIntersect, SetKind::kIntersectAll, SetKind::kExcept,
                                           SetKind::kExceptAll));

TEST(SetOperation, AStepReadsOnlyItsRows) {
  const auto row = [](uint64_t serial, size_t) { return Row{std::to_string(serial % kManyGroups), "t"}; };
  expect_one_more_reads_little(make_case(SetKind::kExceptAll), row, {{"77", "t"}, {"77", "t"}});
}

TEST(Constant, GivesItsRowsOnceAndNotAgainAfterARestart) {
  static batch::BindingDatabase database("key BIGINT");
  Case test;
  test.node(plan::Constant{database.expressions("1, 'a', 2, 'b'"), 2}, {"INTEGER", "VARCHAR"});
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  EXPECT_TRUE(op->owes_rows());
  ASSERT_TRUE(op->finish(out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, (Bag{{{"1", "a"}, 1}, {{"2", "b"}, 1}}));
  auto again = test.restored(*op, side);
  EXPECT_FALSE(again->owes_rows());
  ASSERT_TRUE(again->finish(out).ok());
  EXPECT_EQ(out.rows, 2U);
}

}  // namespace
}  // namespace millrace::dataflow::testing
