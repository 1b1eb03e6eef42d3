#include <algorithm>
#include <array>

#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::JoinType;

// Each side: key BIGINT, ts TIMESTAMP, number BIGINT, watermark TIMESTAMP; the right one has its order and whether it
// is a deletion.
const std::vector<std::string> kLeft{"BIGINT", "TIMESTAMP", "BIGINT", "TIMESTAMP"};
const std::vector<std::string> kRight{"BIGINT", "TIMESTAMP", "BIGINT", "HUGEINT", "BOOLEAN", "TIMESTAMP"};

Case make_case(JoinType kind, int64_t lateness) {
  plan::TemporalJoin join;
  join.type = kind;
  join.left_keys = join.right_keys = {0};
  join.null_equals_null = {false};
  join.left_time = join.right_time = 1;
  join.right_deleted = 4;
  join.allowed_lateness = Duration{lateness};
  join.left_output = {2};
  join.right_output = {2};
  Case test;
  test.input(kLeft, true, -1, 3).input(kRight, true, 3, 5).node(join, {"BIGINT", "BIGINT"});
  return test;
}

int64_t number(const Row& row, size_t column) { return std::stoll(row[column]); }

/// What an ASOF join gives over all rows that were not late, for the left rows whose answer no row to come can change.
Bag expected(const std::array<std::vector<Row>, 2>& rows, JoinType kind, std::optional<int64_t> first_to_come) {
  Bag bag;
  for (const Row& left : rows[0]) {
    const bool alone = left[0] == kNull || left[1] == kNull;
    if (!alone && (!first_to_come || number(left, 1) >= *first_to_come)) continue;
    const Row* version = nullptr;
    for (const Row& right : rows[1]) {
      if (alone || right[0] != left[0] || right[1] == kNull || number(right, 1) > number(left, 1)) continue;
      const auto place = [](const Row& row) { return std::pair(number(row, 1), number(row, 3)); };
      if (!version || place(right) > place(*version)) version = &right;
    }
    if (version && (*version)[4] == "1") version = nullptr;
    if (version || kind == JoinType::kLeft) add(bag, {left[2], version ? (*version)[2] : kNull}, 1);
  }
  return bag;
}

struct Counts {
  uint64_t late = 0, dropped = 0, met = 0, alone = 0, after_deletion = 0, restarts = 0;
};

/// Streams of several partitions, each with a watermark of its own.
class Streams {
 public:
  explicit Streams(uint64_t seed) : random(seed) {}

  Row next(size_t port) {
    std::optional<int64_t>& watermark = watermarks_[port][random.below(3)];
    now_ += static_cast<int64_t>(random.below(3));
    const int64_t time = now_ - static_cast<int64_t>(random.below(random.chance(4) ? 40 : 8));
    Row row{random.chance(12) ? kNull : std::to_string(random.below(4)),
            random.chance(12) ? kNull : std::to_string(time), std::to_string(random.below(50))};
    if (port == 1) {
      row.push_back(std::to_string(++order_));
      row.push_back(random.chance(6) ? "1" : "0");
    }
    row.push_back(watermark ? std::to_string(*watermark) : std::string(kNull));
    if (row[1] != kNull) watermark = std::max(watermark.value_or(INT64_MIN), time - 6);
    return row;
  }
  /// The smallest of all partitions of both streams.
  std::optional<int64_t> watermark() const {
    int64_t smallest = INT64_MAX;
    for (const auto& stream : watermarks_) {
      for (const auto& of_partition : stream) {
        if (!of_partition) return std::nullopt;
        smallest = std::min(smallest, *of_partition);
      }
    }
    return smallest;
  }
  static bool late(const Row& row, int64_t lateness) {
    return row[1] != kNull && row.back() != kNull && number(row, row.size() - 1) > number(row, 1) + lateness;
  }

  Random random;

 private:
  int64_t now_ = 1000;
  int64_t order_ = 0;
  std::array<std::array<std::optional<int64_t>, 3>, 2> watermarks_;
};

uint64_t entries(Operator& op) {
  uint64_t all = 0;
  for (const state::TableRef& table : op.tables()) all += table.table->entries();
  return all;
}

void run_one(const Case& test, JoinType kind, int64_t lateness, uint64_t seed, Counts& counts) {
  Streams streams(seed);
  SideCollector side;
  Collector out;
  auto op = test.make(side);
  std::array<std::vector<Row>, 2> in_time;
  Bag late;
  for (int step = 0; step < 12; ++step) {
    for (int push = 0; push < 4; ++push) {
      const size_t port = streams.random.below(2);
      std::vector<std::pair<Row, int64_t>> rows;
      for (size_t i = streams.random.below(16); i > 0; --i) {
        rows.emplace_back(streams.next(port), 1);
        const Row& row = rows.back().first;
        Streams::late(row, lateness) ? add(late, row, 1) : in_time[port].push_back(row);
      }
      ASSERT_TRUE(op->push(port, make_batch(test.inputs[port]->output, rows), out).ok());
    }
    const std::optional<int64_t> watermark = streams.watermark();
    std::optional<int64_t> first_to_come = watermark;
    if (first_to_come) *first_to_come -= lateness;
    if (watermark) op->advance(Timestamp{*watermark});
    const uint64_t before = op->tables()[1].table->entries();
    ASSERT_TRUE(op->finish(out).ok());
    counts.dropped += before - op->tables()[1].table->entries();
    ASSERT_EQ(print(out.bag), print(expected(in_time, kind, first_to_come))) << "seed " << seed << ", step " << step;
    ASSERT_EQ(print(side.late), print(late)) << "seed " << seed << ", step " << step;
    if (streams.random.chance(4)) {
      op = test.restored(*op, side);
      if (watermark) op->advance(Timestamp{*watermark});
      ++counts.restarts;
    }
  }
  EXPECT_EQ(out.retractions, 0U);
  op->advance(Timestamp{1000000});
  ASSERT_TRUE(op->finish(out).ok());
  ASSERT_EQ(print(out.bag), print(expected(in_time, kind, 1000000))) << "seed " << seed;
  EXPECT_LE(entries(*op), 4U) << "a version of each key stays";
  for (const auto& [row, count] : late) counts.late += static_cast<uint64_t>(count);
  for (const auto& [row, count] : out.bag)
    (row[1] == kNull ? counts.alone : counts.met) += static_cast<uint64_t>(count);
}

class TemporalJoin : public ::testing::TestWithParam<std::tuple<JoinType, int64_t>> {};

TEST_P(TemporalJoin, EqualsTheAsofJoinOfTheRowsThatAreNotLate) {
  const auto [kind, lateness] = GetParam();
  const Case test = make_case(kind, lateness);
  Counts counts;
  for (uint64_t seed = 1; seed <= 80 && !HasFailure(); ++seed) run_one(test, kind, lateness, seed, counts);
  std::cout << "late " << counts.late << ", versions dropped " << counts.dropped << ", met " << counts.met
            << ", without version " << counts.alone << ", restarts " << counts.restarts << "\n";
  EXPECT_GT(counts.late, 0U);
  EXPECT_GT(counts.dropped, 0U);
  EXPECT_GT(counts.met, 0U);
  EXPECT_GT(counts.restarts, 0U);
  EXPECT_EQ(counts.alone > 0, kind == JoinType::kLeft);
}
INSTANTIATE_TEST_SUITE_P(All, TemporalJoin,
                         ::testing::Combine(::testing::Values(JoinType::kInner, JoinType::kLeft),
                                            ::testing::Values(0, 10)));

TEST(TemporalJoin, AStepReadsTheRowsThatItGives) {
  const Case test = make_case(JoinType::kInner, 0);
  SideCollector side;
  Collector out;
  auto op = test.make(side);
  for (int64_t first = 0; first < 20000; first += 2000) {
    std::vector<std::pair<Row, int64_t>> rows;
    for (int64_t i = first; i < first + 2000; ++i)
      rows.push_back({{"1", std::to_string(i * 10), std::to_string(i), std::to_string(i), "0", kNull}, 1});
    ASSERT_TRUE(op->push(1, make_batch(test.inputs[1]->output, rows), out).ok());
  }
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{"1", "1003", "7", kNull}, 1}}), out).ok());
  const auto rows_read = [&] { return op->tables()[0].table->rows_read + op->tables()[1].table->rows_read; };
  uint64_t before = rows_read();
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, Bag());
  EXPECT_FALSE(op->due_at(Timestamp{1003})) << "a version of that very time may come";
  EXPECT_TRUE(op->due_at(Timestamp{1004}));
  op->advance(Timestamp{1004});
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.bag, (Bag{{{"7", "100"}, 1}}));
  EXPECT_LE(rows_read() - before, 400U) << "dropping reads what it drops";
  EXPECT_EQ(op->tables()[1].table->entries(), 19900U);
}

}  // namespace
}  // namespace millrace::dataflow::testing
