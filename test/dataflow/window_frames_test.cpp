// FramedWindow: frames of a bounded reach by DuckDB, and running calls whose states stand beside the rows. Expected
// values are computed by hand.
#include <algorithm>
#include <optional>

#include "batch/binding.h"
#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::WindowKind;

batch::BindingDatabase& database() {
  // As the operators feed it: the group number, what is kept of the columns below, the place of the row.
  static batch::BindingDatabase made("g BIGINT, p VARCHAR, k BIGINT, key BLOB, v BIGINT, o HUGEINT, place BIGINT");
  return made;
}

// p VARCHAR, k BIGINT (as the sort key says), sort key BLOB, v BIGINT, first and last key of a range BLOB, order
// HUGEINT.
const std::vector<std::string> kTypes{"VARCHAR", "BIGINT", "BLOB", "BIGINT", "BLOB", "BLOB", "HUGEINT"};
constexpr int64_t kRangeBefore = 3, kRangeAfter = 1;

std::string key_of(int64_t value) { return std::to_string(1000100 + value); }
Row row_of(const std::string& partition, int64_t k, const std::string& v, int64_t order) {
  return {partition, std::to_string(k), key_of(k), v, key_of(k - kRangeBefore), key_of(k + kRangeAfter),
          std::to_string(order)};
}

struct Frame {
  std::string over;
  plan::FrameReach reach;
  /// Whether row `other` is in the frame of row `row`, by places, groups of peers and keys.
  std::function<bool(int64_t row, int64_t other, int64_t peers, int64_t other_peers, int64_t key, int64_t other_key)>
      holds;
};

Case frame_case(const Frame& frame, const std::string& call = "sum(v)") {
  plan::FramedWindow framed;
  framed.window.partition_columns = {0};
  framed.window.sort_key = 2;
  plan::WindowCall general;
  general.result = type("HUGEINT");
  framed.window.calls = {general};
  framed.window.general = database().window(call + " OVER (" + frame.over + ")");
  framed.reach = frame.reach;
  std::vector<std::string> output{"VARCHAR", "BIGINT", "BLOB", "BIGINT"};
  if (frame.reach.ranges.empty()) output.insert(output.end(), {"BLOB", "BLOB"});
  output.insert(output.end(), {"HUGEINT", "HUGEINT"});
  Case test;
  test.input(kTypes, false, 6).node(framed, output, static_cast<int>(output.size()) - 1);
  return test;
}

Frame rows_frame(int64_t before, int64_t after) {
  Frame frame;
  frame.over = "ORDER BY key, place ROWS BETWEEN " + std::to_string(before) + " PRECEDING AND " +
               std::to_string(after) + " FOLLOWING";
  frame.reach.rows_before = before;
  frame.reach.rows_after = after;
  frame.reach.ranges = {{4, 5}};  // unused by the frame: keeps the columns out of the output
  frame.holds = [=](int64_t row, int64_t other, int64_t, int64_t, int64_t, int64_t) {
    return other >= row - before && other <= row + after;
  };
  return frame;
}

Frame groups_frame(int64_t before, int64_t after) {
  Frame frame;
  frame.over = "ORDER BY key GROUPS BETWEEN " + std::to_string(before) + " PRECEDING AND " + std::to_string(after) +
               " FOLLOWING";
  frame.reach.peers_before = before;
  frame.reach.peers_after = after;
  frame.reach.ranges = {{4, 5}};
  frame.holds = [=](int64_t, int64_t, int64_t peers, int64_t other, int64_t, int64_t) {
    return other >= peers - before && other <= peers + after;
  };
  return frame;
}

Frame range_frame() {
  Frame frame;
  frame.over = "ORDER BY k RANGE BETWEEN 3 PRECEDING AND 1 FOLLOWING";
  frame.reach.peers_before = frame.reach.peers_after = 0;
  frame.reach.ranges = {{4, 5}};
  frame.holds = [](int64_t, int64_t, int64_t, int64_t, int64_t key, int64_t other) {
    return other >= key - kRangeBefore && other <= key + kRangeAfter;
  };
  return frame;
}

std::map<std::string, std::vector<Row>> partitions_of(const Bag& input) {
  std::map<std::string, std::vector<Row>> partitions;
  for (const auto& [row, count] : input) {
    for (int64_t i = 0; i < count; ++i) partitions[row[0]].push_back(row);
  }
  for (auto& [key, rows] : partitions) {
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      if (a[2] != b[2]) return a[2] < b[2];
      return std::stoll(a.back()) < std::stoll(b.back());
    });
  }
  return partitions;
}

Bag expected(const Frame& frame, const Bag& input) {
  Bag result;
  for (const auto& [key, rows] : partitions_of(input)) {
    std::vector<int64_t> peers;
    for (size_t i = 0; i < rows.size(); ++i)
      peers.push_back(i == 0 ? 0 : peers.back() + (rows[i][2] == rows[i - 1][2] ? 0 : 1));
    for (size_t i = 0; i < rows.size(); ++i) {
      std::optional<int64_t> sum;
      for (size_t other = 0; other < rows.size(); ++other) {
        if (rows[other][3] == kNull || !frame.holds(static_cast<int64_t>(i), static_cast<int64_t>(other), peers[i],
                                                    peers[other], std::stoll(rows[i][1]), std::stoll(rows[other][1])))
          continue;
        sum = sum.value_or(0) + std::stoll(rows[other][3]);
      }
      add(result,
          {rows[i][0], rows[i][1], rows[i][2], rows[i][3], sum ? std::to_string(*sum) : std::string(kNull),
           rows[i].back()},
          1);
    }
  }
  return result;
}

TEST(WindowFrames, EqualARecomputationAfterEveryStep) {
  for (const Frame& frame : {rows_frame(2, 1), rows_frame(0, 3), rows_frame(4, 0), groups_frame(1, 1),
                             groups_frame(2, 0), groups_frame(0, 0), range_frame()}) {
    Property property;
    property.seeds = 12;
    property.row = [](Random& random, size_t, uint64_t serial) {
      if (random.chance(10)) return row_of("p0", 7, "2", 3);  // rows that are equal in all columns
      const std::string value = random.chance(6) ? std::string(kNull) : std::to_string(random.below(9));
      return row_of(random.chance(5) ? "p1" : "p0", static_cast<int64_t>(random.below(60)), value,
                    static_cast<int64_t>(serial) + 10);
    };
    property.expected = [&](const std::vector<Bag>& inputs) { return expected(frame, inputs[0]); };
    EXPECT_GT(run(frame_case(frame), property), 0U) << frame.over;
    if (HasFailure()) return;
  }
}

// Where NULLs are ignored, values are counted and not rows. `offset`: of lag, below 0 of lead.
Case neighbour_case(int64_t offset) {
  Frame frame;
  frame.over = "ORDER BY key, place";
  frame.reach.values = {{3, std::max<int64_t>(offset, 0), std::max<int64_t>(-offset, 0)}};
  frame.reach.ranges = {{4, 5}};  // keeps the columns out of the output; what it reaches is near
  return frame_case(frame, "lag(v::HUGEINT, " + std::to_string(offset) + " IGNORE NULLS)");
}

Bag neighbours(int64_t offset, const Bag& input) {
  Bag result;
  for (const auto& [key, rows] : partitions_of(input)) {
    for (size_t i = 0; i < rows.size(); ++i) {
      std::string found = kNull;
      int64_t left = std::abs(offset);
      const size_t step = offset > 0 ? SIZE_MAX : 1;
      for (size_t other = i + step; other < rows.size() && left > 0; other += step) {
        if (rows[other][3] != kNull && --left == 0) found = rows[other][3];
      }
      add(result, {rows[i][0], rows[i][1], rows[i][2], rows[i][3], found, rows[i].back()}, 1);
    }
  }
  return result;
}

class Fed {
 public:
  explicit Fed(const Case& test) : test_(test), op_(test.make(side)) {}
  void step(const std::vector<std::pair<Row, int64_t>>& rows) {
    for (const auto& table : op_->tables()) table.table->rows_read = 0;
    for (size_t from = 0; from < rows.size(); from += 2000) {
      const auto first = rows.begin() + static_cast<int64_t>(from);
      const auto last = rows.begin() + static_cast<int64_t>(std::min(rows.size(), from + 2000));
      const std::vector<std::pair<Row, int64_t>> some(first, last);
      ASSERT_TRUE(op_->push(0, make_batch(test_.inputs[0]->output, some), out).ok());
    }
    ASSERT_TRUE(op_->finish(out).ok());
  }
  uint64_t rows_read() const { return op_->tables()[0].table->rows_read; }
  SideCollector side;
  Collector out;

 private:
  const Case& test_;
  std::unique_ptr<Operator> op_;
};

TEST(WindowFrames, ARowInALargePartitionReadsItsFrameAlone) {
  for (const Frame& frame : {rows_frame(2, 1), rows_frame(5, 5), groups_frame(1, 1), range_frame()}) {
    const Case test = frame_case(frame);
    Fed fed(test);
    std::vector<std::pair<Row, int64_t>> rows;
    for (int64_t at = 0; at < 20000; ++at) rows.push_back({row_of("p", 2 * at, "1", at), 1});
    fed.step(rows);
    const uint64_t given = fed.out.rows;
    fed.step({{row_of("p", 20001, "1", 50000), 1}});  // in the middle
    EXPECT_LE(fed.rows_read(), 40U) << frame.over;
    EXPECT_GE(fed.rows_read(), 1U);
    EXPECT_LE(fed.out.rows - given, 21U);
    fed.step({{row_of("p", 50000, "1", 50001), 1}});  // at the end
    EXPECT_LE(fed.rows_read(), 20U) << frame.over;
    // Far apart in one step: what lies between is not read.
    fed.step(
        {{row_of("p", 2, "1", 1), -1}, {row_of("p", 39998, "1", 19999), -1}, {row_of("p", 20001, "1", 50000), -1}});
    EXPECT_LE(fed.rows_read(), 120U) << frame.over;
    Bag left;
    for (const auto& [row, diff] : rows) left[row] = diff;
    left.erase(row_of("p", 2, "1", 1));
    left.erase(row_of("p", 39998, "1", 19999));
    left[row_of("p", 50000, "1", 50001)] = 1;
    EXPECT_EQ(fed.out.bag.size(), left.size());
  }
}

TEST(WindowFrames, NeighboursThatAreNotNullEqualARecomputationAfterEveryStep) {
  for (const int64_t offset : {1, 2, -1, -3}) {
    Property property;
    property.seeds = 12;
    property.row = [](Random& random, size_t, uint64_t serial) {
      const std::string value = random.chance(2) ? std::string(kNull) : std::to_string(random.below(9));
      return row_of(random.chance(5) ? "p1" : "p0", static_cast<int64_t>(random.below(60)), value,
                    static_cast<int64_t>(serial) + 10);
    };
    property.expected = [&](const std::vector<Bag>& inputs) { return neighbours(offset, inputs[0]); };
    EXPECT_GT(run(neighbour_case(offset), property), 0U) << offset;
    if (HasFailure()) return;
  }
}

TEST(WindowFrames, ARowReadsUpToTheNextValueThatIsNotNull) {
  for (const int64_t offset : {2, -2}) {
    const Case test = neighbour_case(offset);
    Fed fed(test);
    std::vector<std::pair<Row, int64_t>> rows;
    for (int64_t at = 0; at < 20000; ++at) rows.push_back({row_of("p", 10 * at, at % 4 == 0 ? "1" : kNull, at), 1});
    fed.step(rows);
    const Row row = row_of("p", 100005, "7", 50000);
    fed.step({{row, 1}});
    EXPECT_LE(fed.rows_read(), 40U) << offset;
    EXPECT_GE(fed.rows_read(), 8U) << offset;
    Bag input;
    for (const auto& [each, diff] : rows) input[each] = diff;
    input[row] = 1;
    EXPECT_EQ(fed.out.bag, neighbours(offset, input));
  }
}

TEST(WindowFrames, APartitionThatFailsIsAbsentUntilItIsWellAgain) {
  const Frame frame = rows_frame(1, 1);
  const Case test = frame_case(frame, "sum(CASE WHEN v > 100 THEN error('too large')::BIGINT ELSE v END)");
  Fed fed(test);
  std::vector<std::pair<Row, int64_t>> rows;
  for (int64_t at = 0; at < 500; ++at) rows.push_back({row_of(at % 2 == 0 ? "p" : "q", at, "1", at), 1});
  fed.step(rows);
  EXPECT_EQ(fed.out.bag.size(), 500U);
  fed.step({{row_of("p", 31, "500", 900), 1}, {row_of("p", 400, "1", 901), 1}});
  EXPECT_EQ(fed.out.bag.size(), 250U);
  EXPECT_EQ(fed.side.failed, (Bag{{{"p"}, 1}}));
  fed.step({{row_of("p", 401, "1", 902), 1}});
  EXPECT_EQ(fed.out.bag.size(), 250U);
  fed.step({{row_of("p", 31, "500", 900), -1}});
  EXPECT_EQ(fed.out.bag.size(), 502U);
  EXPECT_TRUE(fed.side.failed.empty());
  rows.push_back({row_of("p", 400, "1", 901), 1});
  rows.push_back({row_of("p", 401, "1", 902), 1});
  Bag input;
  for (const auto& [row, diff] : rows) input[row] = diff;
  EXPECT_EQ(fed.out.bag, expected(frame, input));
}

TEST(WindowFrames, AStepReadsOnlyItsGroups) {
  const auto row = [](uint64_t serial, size_t) {
    const auto number = static_cast<int64_t>(serial);
    return row_of(std::to_string(serial % kManyGroups), number, "1", number);
  };
  expect_one_more_reads_little(frame_case(rows_frame(2, 2)), row, {row_of("77", 5, "1", 5)});
}

// Running calls: p VARCHAR, v DOUBLE, sort key BLOB, text VARCHAR, order HUGEINT (hidden). Doubles are whole numbers.
const std::vector<std::string> kRunningTypes{"VARCHAR", "BIGINT", "BLOB", "VARCHAR", "HUGEINT"};

plan::WindowCall running(WindowKind kind, const std::string& result, int argument, bool to_peers,
                         bool ends_before = false) {
  plan::WindowCall call;
  call.ends_before = ends_before;
  call.kind = kind;
  call.argument = argument;
  call.result = type(result);
  call.to_peers = to_peers;
  return call;
}

Case running_case(const std::vector<plan::WindowCall>& calls) {
  plan::FramedWindow framed;
  framed.window.partition_columns = {0};
  framed.window.sort_key = 2;
  framed.window.calls = calls;
  std::vector<std::string> output{"VARCHAR", "BIGINT", "BLOB", "VARCHAR"};
  for (const auto& call : calls) output.push_back(call.result.name());
  output.push_back("HUGEINT");
  Case test;
  test.input(kRunningTypes, false, 4).node(framed, output, static_cast<int>(output.size()) - 1);
  return test;
}

std::string running_result(const plan::WindowCall& call, const std::vector<Row>& rows, size_t end) {
  const auto argument = static_cast<size_t>(std::max(call.argument, 0));
  if (call.kind == WindowKind::kCountStar) return std::to_string(end);
  int64_t sum = 0, count = 0;
  std::string best = kNull;
  for (size_t i = 0; i < end; ++i) {
    const std::string& value = rows[i][argument];
    if (value == kNull) continue;
    ++count;
    if (call.kind == WindowKind::kSum) sum += std::stoll(value);
    const bool better = call.kind == WindowKind::kLastNotNull || (call.kind == WindowKind::kMax && value > best) ||
                        (call.kind == WindowKind::kMin && value < best);
    if (best == kNull || better) best = value;
  }
  if (call.kind == WindowKind::kCount) return std::to_string(count);
  if (call.kind != WindowKind::kSum) return best;
  return count == 0 ? std::string(kNull) : std::to_string(sum);
}

Bag running_expected(const std::vector<plan::WindowCall>& calls, const Bag& input) {
  Bag result;
  for (const auto& [key, rows] : partitions_of(input)) {
    for (size_t i = 0; i < rows.size(); ++i) {
      Row made(rows[i].begin(), rows[i].begin() + 4);
      size_t peers_end = i + 1, peers_start = i;
      while (peers_end < rows.size() && rows[peers_end][2] == made[2]) ++peers_end;
      while (peers_start > 0 && rows[peers_start - 1][2] == made[2]) --peers_start;
      for (const auto& call : calls) {
        const size_t end = call.to_peers ? peers_end : i + 1;
        made.push_back(running_result(call, rows, call.ends_before ? (call.to_peers ? peers_start : i) : end));
      }
      made.push_back(rows[i][4]);
      add(result, made, 1);
    }
  }
  return result;
}

TEST(WindowRunning, EqualsARecomputationAfterEveryStep) {
  const std::vector<std::vector<plan::WindowCall>> cases{
      {running(WindowKind::kMax, "VARCHAR", 3, false)},
      {running(WindowKind::kMin, "VARCHAR", 3, true)},
      {running(WindowKind::kMin, "VARCHAR", 3, true), running(WindowKind::kMax, "BIGINT", 1, true)},
      {running(WindowKind::kLastNotNull, "VARCHAR", 3, false), running(WindowKind::kFirstNotNull, "BIGINT", 1, false)},
      {running(WindowKind::kLastNotNull, "BIGINT", 1, true), running(WindowKind::kMax, "VARCHAR", 3, false),
       running(WindowKind::kSum, "HUGEINT", 1, false), running(WindowKind::kCount, "BIGINT", 1, true),
       running(WindowKind::kCountStar, "BIGINT", -1, false)},
      {running(WindowKind::kMax, "VARCHAR", 3, false, true)},
      {running(WindowKind::kMin, "VARCHAR", 3, true, true), running(WindowKind::kMin, "VARCHAR", 3, true)},
      {running(WindowKind::kSum, "HUGEINT", 1, false, true), running(WindowKind::kSum, "HUGEINT", 1, true, true),
       running(WindowKind::kCountStar, "BIGINT", -1, true, true), running(WindowKind::kCount, "BIGINT", 1, false)},
  };
  for (const auto& calls : cases) {
    Property property;
    property.seeds = 40;
    property.row = [](Random& random, size_t, uint64_t serial) -> Row {
      if (random.chance(12)) return {"p0", "1", "b", "x", "3"};
      const char letter = static_cast<char>('a' + (random.chance(4) ? random.below(26) : serial / 8 % 26));
      const std::string value = random.chance(5) ? std::string(kNull) : std::to_string(random.below(9));
      const std::string text = random.chance(6) ? std::string(kNull) : "t" + std::to_string(random.below(50));
      return {random.chance(6) ? "p1" : "p0", value, std::string(1, letter), text, std::to_string(serial + 10)};
    };
    property.expected = [&](const std::vector<Bag>& inputs) { return running_expected(calls, inputs[0]); };
    EXPECT_GT(run(running_case(calls), property), 0U);
    if (HasFailure()) return;
  }
}

TEST(WindowRunning, AChangeReadsTheRowsWhoseResultsItChanges) {
  const std::vector<plan::WindowCall> calls{running(WindowKind::kMax, "VARCHAR", 3, true),
                                            running(WindowKind::kLastNotNull, "BIGINT", 1, false)};
  const Case test = running_case(calls);
  Fed fed(test);
  // The maximum grows every hundred rows.
  const auto row = [](int64_t at, const std::string& v, const std::string& text, int64_t order) {
    return Row{"p", v, key_of(at), text, std::to_string(order)};
  };
  std::vector<std::pair<Row, int64_t>> rows;
  for (int64_t at = 0; at < 20000; ++at) rows.push_back({row(at, "1", "t" + key_of(at / 100), at), 1});
  fed.step(rows);
  fed.step({{row(20000, "2", "a", 20000), 1}});
  EXPECT_LE(fed.rows_read(), 6U);
  fed.step({{row(10000, "2", "a", 30000), 1}});  // no new maximum; its value stands for itself alone
  EXPECT_LE(fed.rows_read(), 10U);
  fed.step({{row(10050, "1", "t" + key_of(102), 30001), 1}});  // a maximum for the next 150 rows
  EXPECT_LE(fed.rows_read(), 320U);  // and each state that is replaced
  EXPECT_GE(fed.rows_read(), 100U);
  Bag input;
  for (const auto& [each, diff] : rows) input[each] = diff;
  input[row(20000, "2", "a", 20000)] = 1;
  input[row(10000, "2", "a", 30000)] = 1;
  input[row(10050, "1", "t" + key_of(102), 30001)] = 1;
  EXPECT_EQ(fed.out.bag.size(), input.size());
}

// All rows are peers: one that is no extreme reads one of them.
TEST(WindowRunning, ARowBelowTheExtremeOfItsPeersReadsLittle) {
  const std::vector<plan::WindowCall> calls{running(WindowKind::kMax, "VARCHAR", 3, true)};
  const Case test = running_case(calls);
  Fed fed(test);
  std::vector<std::pair<Row, int64_t>> rows;
  const auto row = [](int at, const std::string& text) { return Row{"p", "1", "k", text, std::to_string(at)}; };
  for (int at = 0; at < 3000; ++at) rows.push_back({row(at, at == 77 ? "z" : "t" + std::to_string(at % 7)), 1});
  fed.step(rows);
  fed.step({{row(3000, "a"), 1}, {row(500, "t" + std::to_string(500 % 7)), -1}});
  EXPECT_LE(fed.rows_read(), 8U);
  EXPECT_EQ(fed.out.rows, 3002U);
  fed.step({{row(77, "z"), -1}});
  EXPECT_GE(fed.rows_read(), 2900U);
  Bag input;
  for (const auto& [each, diff] : rows) input[each] = diff;
  input[row(3000, "a")] = 1;
  input.erase(row(500, "t" + std::to_string(500 % 7)));
  input.erase(row(77, "z"));
  EXPECT_EQ(fed.out.bag, running_expected(calls, input));
}

}  // namespace
}  // namespace millrace::dataflow::testing
