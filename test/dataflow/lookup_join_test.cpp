#include <algorithm>
#include <array>

#include "batch/binding.h"
#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::JoinType;

const std::vector<std::string> kSide{"BIGINT", "BIGINT"};

Case make_case(JoinType kind, bool with_residual) {
  static batch::BindingDatabase database("k BIGINT, x BIGINT, rk BIGINT, y BIGINT");
  plan::LookupJoin lookup;
  lookup.join.type = kind;
  lookup.join.left_keys = lookup.join.right_keys = {0};
  lookup.join.null_equals_null = {false};
  if (with_residual) lookup.join.residual = database.expressions("(x + y) % 3 <> 0");
  lookup.join.left_output = lookup.join.right_output = {1};
  Case test;
  test.input(kSide, true).input(kSide, false).node(lookup, kSide);
  return test;
}

/// The step's left rows with the right rows as they are after it.
void add_expected(Bag& bag, const std::vector<Row>& left, const Bag& right, JoinType kind, bool with_residual) {
  for (const Row& row : left) {
    bool met = false;
    for (const auto& [other, count] : right) {
      if (row[0] == kNull || row[0] != other[0]) continue;
      if (with_residual && (std::stoll(row[1]) + std::stoll(other[1])) % 3 == 0) continue;
      met = true;
      add(bag, {row[1], other[1]}, count);
    }
    if (!met && kind == JoinType::kLeft) add(bag, {row[1], kNull}, 1);
  }
}

class LookupJoin : public ::testing::TestWithParam<std::tuple<JoinType, bool>> {};

TEST_P(LookupJoin, MeetsTheRightSideOfItsStepAndIsNeverTakenBack) {
  const auto [kind, with_residual] = GetParam();
  const Case test = make_case(kind, with_residual);
  uint64_t replaced = 0, restarts = 0, alone = 0;
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
    Random random(seed);
    SideCollector side;
    Collector out;
    auto op = test.make(side);
    Bag right, all;
    for (int step = 0; step < 10; ++step) {
      std::vector<Row> left;
      for (int push = 0; push < 4; ++push) {
        std::vector<std::pair<Row, int64_t>> rows;
        const size_t port = random.below(2);
        for (size_t i = random.below(8); i > 0; --i) {
          const Row row{random.chance(10) ? kNull : std::to_string(random.below(5)), std::to_string(random.below(30))};
          const bool takes_back = port == 1 && !right.empty() && random.chance(3);
          rows.emplace_back(takes_back ? std::next(right.begin(), random.below(right.size()))->first : row,
                            takes_back ? -1 : 1);
          if (port == 0) left.push_back(row);
          if (port == 1) add(right, rows.back().first, rows.back().second);
          replaced += takes_back;
        }
        ASSERT_TRUE(op->push(port, make_batch(test.inputs[port]->output, rows), out).ok());
      }
      ASSERT_TRUE(op->finish(out).ok());
      add_expected(all, left, right, kind, with_residual);
      ASSERT_EQ(print(out.bag), print(all)) << "seed " << seed << ", step " << step;
      if (random.chance(4)) op = test.restored(*op, side), ++restarts;
    }
    EXPECT_EQ(out.retractions, 0U);
    EXPECT_EQ(op->tables()[0].table->entries(), 0U) << "left rows are not kept";
    for (const auto& [row, count] : all) alone += row[1] == kNull;
  }
  std::cout << "right rows taken back " << replaced << ", without partner " << alone << ", restarts " << restarts
            << "\n";
  EXPECT_GT(replaced, 0U);
  EXPECT_GT(restarts, 0U);
  EXPECT_EQ(alone > 0, kind == JoinType::kLeft);
}
INSTANTIATE_TEST_SUITE_P(All, LookupJoin,
                         ::testing::Combine(::testing::Values(JoinType::kInner, JoinType::kLeft), ::testing::Bool()));

}  // namespace
}  // namespace millrace::dataflow::testing
