#include <algorithm>

#include "batch/binding.h"
#include "dataflow/harness.h"
#include "dataflow/join_rows.h"

namespace millrace::dataflow::testing {
namespace {

using plan::JoinType;

// Each side: key BIGINT, ts TIMESTAMP, number BIGINT, watermark TIMESTAMP.
const std::vector<std::string> kSide{"BIGINT", "TIMESTAMP", "BIGINT", "TIMESTAMP"};
constexpr int64_t kLower = -5, kUpper = 8;

/// right.ts - left.ts within [kLower, kUpper] µs, and some numbers do not go together.
std::vector<batch::Expression> residual() {
  static batch::BindingDatabase database(
      "k BIGINT, ts TIMESTAMP, x BIGINT, w TIMESTAMP, rk BIGINT, rts TIMESTAMP, y BIGINT, rw TIMESTAMP");
  return database.expressions(
      "rts >= ts - INTERVAL 5 MICROSECOND, rts <= ts + INTERVAL 8 MICROSECOND, (x + y) % 3 <> 0");
}

Case make_case(JoinType kind, bool on_close) {
  plan::TimeJoin join;
  join.join.type = kind;
  join.join.left_keys = {0};
  join.join.right_keys = {0};
  join.join.null_equals_null = {false};
  join.join.residual = residual();
  join.join.left_output = {2};
  if (kind != JoinType::kSemi && kind != JoinType::kAnti) join.join.right_output = {2};
  join.left_time = join.right_time = 1;
  join.lower = Duration{kLower};
  join.upper = Duration{kUpper};
  join.emit_on_close = on_close;
  Case test;
  std::vector<std::string> output(join.join.right_output.empty() ? 1 : 2, "BIGINT");
  test.input(kSide, true, -1, 3).input(kSide, true, -1, 3).node(join, output);
  return test;
}

int64_t number(const Row& row, size_t column) { return std::stoll(row[column]); }

bool matches(const Row& left, const Row& right) {
  if (left[0] != right[0] || left[0] == kNull || left[1] == kNull || right[1] == kNull) return false;
  const int64_t apart = number(right, 1) - number(left, 1);
  return apart >= kLower && apart <= kUpper && (number(left, 2) + number(right, 2)) % 3 != 0;
}

/// What DuckDB would give for the rows that were not late. With `final_before`, only what no row to come can change.
Bag expected(const std::array<std::vector<Row>, 2>& rows, JoinType kind, std::optional<int64_t> watermark) {
  Bag bag;
  auto is_final = [&](const Row& row, size_t port) {
    if (!watermark || row[0] == kNull || row[1] == kNull) return true;
    return number(row, 1) + (port == 0 ? kUpper - kLower : kUpper - kLower) < *watermark;
  };
  const bool pairs = kind != JoinType::kSemi && kind != JoinType::kAnti;
  std::vector<bool> right_met(rows[1].size());
  for (const Row& left : rows[0]) {
    bool met = false;
    for (size_t i = 0; i < rows[1].size(); ++i) {
      if (!matches(left, rows[1][i])) continue;
      met = right_met[i] = true;
      if (pairs) add(bag, {left[2], rows[1][i][2]}, 1);
    }
    if (kind == JoinType::kSemi && met) add(bag, {left[2]}, 1);
    if (met || !is_final(left, 0)) continue;
    if (kind == JoinType::kLeft || kind == JoinType::kFull) add(bag, {left[2], kNull}, 1);
    if (kind == JoinType::kAnti) add(bag, {left[2]}, 1);
  }
  for (size_t i = 0; i < rows[1].size(); ++i) {
    const bool outer = kind == JoinType::kRight || kind == JoinType::kFull;
    if (outer && !right_met[i] && is_final(rows[1][i], 1)) add(bag, {kNull, rows[1][i][2]}, 1);
  }
  return bag;
}

struct Counts {
  uint64_t late = 0, retractions = 0, dropped = 0, padded = 0, restarts = 0;
};

/// Streams of several partitions, each with a watermark of its own, in random steps.
class Streams {
 public:
  explicit Streams(uint64_t seed) : random(seed) {}

  Row next(size_t port) {
    const size_t partition = random.below(3);
    std::optional<int64_t>& watermark = watermarks_[port][partition];
    now_ += static_cast<int64_t>(random.below(3));
    const int64_t time = now_ - static_cast<int64_t>(random.below(random.chance(4) ? 40 : 8));
    Row row{random.chance(12) ? kNull : std::to_string(random.below(3)),
            random.chance(12) ? kNull : std::to_string(time), std::to_string(random.below(50)),
            watermark ? std::to_string(*watermark) : std::string(kNull)};
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
  static bool late(const Row& row, size_t port) {
    if (row[1] == kNull || row[3] == kNull) return false;
    return number(row, 3) > number(row, 1) + (port == 0 ? kUpper : -kLower);
  }

  Random random;

 private:
  int64_t now_ = 1000;
  std::array<std::array<std::optional<int64_t>, 3>, 2> watermarks_;
};

uint64_t entries(Operator& op) {
  uint64_t all = 0;
  for (const state::TableRef& table : op.tables()) all += table.table->entries();
  return all;
}

void run_one(const Case& test, JoinType kind, bool on_close, uint64_t seed, Counts& counts) {
  Streams streams(seed);
  SideCollector side;
  Collector out;
  auto op = test.make(side);
  std::array<std::vector<Row>, 2> in_time;
  Bag late;
  for (int step = 0; step < 12; ++step) {
    for (int push = 0; push < 3; ++push) {
      const size_t port = streams.random.below(2);
      std::vector<std::pair<Row, int64_t>> rows;
      for (size_t i = streams.random.below(12); i > 0; --i) {
        rows.emplace_back(streams.next(port), 1);
        const Row& row = rows.back().first;
        Streams::late(row, port) ? add(late, row, 1) : in_time[port].push_back(row);
      }
      ASSERT_TRUE(op->push(port, make_batch(test.inputs[port]->output, rows), out).ok());
    }
    const uint64_t before = entries(*op);
    const std::optional<int64_t> watermark = streams.watermark();
    if (watermark) op->advance(Timestamp{*watermark});
    ASSERT_TRUE(op->finish(out).ok());
    counts.dropped += before - entries(*op);
    std::optional<int64_t> final_before;
    if (on_close) final_before = watermark.value_or(INT64_MIN);
    ASSERT_EQ(print(out.bag), print(expected(in_time, kind, final_before))) << "seed " << seed << ", step " << step;
    ASSERT_EQ(print(side.late), print(late)) << "seed " << seed << ", step " << step;
    if (streams.random.chance(4)) {
      op = test.restored(*op, side);
      if (watermark) op->advance(Timestamp{*watermark});
      ++counts.restarts;
    }
  }
  EXPECT_TRUE(!on_close || out.retractions == 0);
  for (const auto& [row, count] : late) counts.late += static_cast<uint64_t>(count);
  counts.retractions += out.retractions;
  for (const auto& [row, count] : out.bag)
    counts.padded += std::count(row.begin(), row.end(), kNull) > 0 ? static_cast<uint64_t>(count) : 0;
}

class TimeJoin : public ::testing::TestWithParam<std::tuple<JoinType, bool>> {};

TEST_P(TimeJoin, EqualsTheJoinOfTheRowsThatAreNotLate) {
  const auto [kind, on_close] = GetParam();
  const Case test = make_case(kind, on_close);
  Counts counts;
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) run_one(test, kind, on_close, seed, counts);
  std::cout << "late " << counts.late << ", retractions " << counts.retractions << ", dropped " << counts.dropped
            << ", without partner " << counts.padded << ", restarts " << counts.restarts << "\n";
  EXPECT_GT(counts.late, 0U);
  EXPECT_GT(counts.dropped, 0U);
  EXPECT_GT(counts.restarts, 0U);
  const bool takes_back = !on_close && kind != JoinType::kInner && kind != JoinType::kSemi;
  EXPECT_EQ(counts.retractions > 0, takes_back);
  const bool outer = kind == JoinType::kLeft || kind == JoinType::kRight || kind == JoinType::kFull;
  EXPECT_EQ(counts.padded > 0, outer);
}
INSTANTIATE_TEST_SUITE_P(All, TimeJoin,
                         ::testing::Combine(::testing::Values(JoinType::kInner, JoinType::kLeft, JoinType::kRight,
                                                              JoinType::kFull, JoinType::kSemi, JoinType::kAnti),
                                            ::testing::Bool()));

TEST(TimeJoin, AStepReadsWhatLiesWithinTheStretch) {
  const Case test = make_case(JoinType::kInner, false);
  SideCollector side;
  Collector out;
  auto op = test.make(side);
  for (int64_t first = 0; first < 20000; first += 2000) {
    std::vector<std::pair<Row, int64_t>> rows;
    for (int64_t i = first; i < first + 2000; ++i) {
      rows.push_back({{"1", std::to_string(i * 10), "1", kNull}, 1});
    }
    ASSERT_TRUE(op->push(1, make_batch(test.inputs[1]->output, rows), out).ok());
  }
  ASSERT_TRUE(op->finish(out).ok());
  auto rows_read = [&] {
    uint64_t all = 0;
    for (const state::TableRef& table : op->tables()) all += table.table->rows_read;
    return all;
  };
  const uint64_t before = rows_read();
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{"1", "100003", "1", kNull}, 1}}), out).ok());
  EXPECT_EQ(out.bag, (Bag{{{"1", "1"}, 2}}));
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_LE(rows_read() - before, 10U);
  EXPECT_FALSE(op->due_at(Timestamp{0}));
  EXPECT_TRUE(op->due_at(Timestamp{1000}));
  op->advance(Timestamp{1000});
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_LE(rows_read() - before, 400U) << "dropping reads what it drops";
}

}  // namespace
}  // namespace millrace::dataflow::testing
