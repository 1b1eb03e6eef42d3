#include <algorithm>

#include "dataflow/harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::WindowKind;

// Columns: partition VARCHAR, value BIGINT, sort key BLOB, default BIGINT, order HUGEINT (hidden).
const std::vector<std::string> kTypes{"VARCHAR", "BIGINT", "BLOB", "BIGINT", "HUGEINT"};

plan::WindowCall call(WindowKind kind, const std::string& result, int argument = -1, int64_t offset = 1,
                      int fallback = -1) {
  plan::WindowCall made;
  made.kind = kind;
  made.argument = argument;
  made.offset = offset;
  made.default_column = fallback;
  made.result = type(result);
  return made;
}

Case make_case() {
  plan::Window window;
  window.partition_columns = {0};
  window.sort_key = 2;
  window.calls = {call(WindowKind::kRowNumber, "BIGINT"),    call(WindowKind::kRank, "BIGINT"),
                  call(WindowKind::kDenseRank, "BIGINT"),    call(WindowKind::kLead, "BIGINT", 1),
                  call(WindowKind::kLag, "BIGINT", 1, 2, 3), call(WindowKind::kFirstValue, "VARCHAR", 0),
                  call(WindowKind::kLead, "BIGINT", 1, -1)};
  std::vector<std::string> output{"VARCHAR", "BIGINT", "BLOB", "BIGINT"};
  for (const auto& each : window.calls) output.push_back(each.result.name());
  output.push_back("HUGEINT");
  Case test;
  test.input(kTypes, false, 4).node(window, output, static_cast<int>(output.size()) - 1);
  return test;
}

Bag expected(const Bag& input) {
  std::map<std::string, std::vector<Row>> partitions;
  for (const auto& [row, count] : input) {
    for (int64_t i = 0; i < count; ++i) partitions[row[0]].push_back(row);
  }
  Bag result;
  for (auto& [key, rows] : partitions) {
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      if (a[2] != b[2]) return a[2] < b[2];
      return std::stoll(a[4]) < std::stoll(b[4]);
    });
    int64_t rank = 0, dense = 0;
    const auto size = std::ssize(rows);
    for (int64_t i = 0; i < size; ++i) {
      auto value_at = [&](int64_t at, const std::string& fallback) {
        return at >= 0 && at < size ? rows[static_cast<size_t>(at)][1] : fallback;
      };
      const Row& row = rows[static_cast<size_t>(i)];
      if (i == 0 || rows[static_cast<size_t>(i - 1)][2] != row[2]) rank = i + 1, ++dense;
      add(result,
          {row[0], row[1], row[2], row[3], std::to_string(i + 1), std::to_string(rank), std::to_string(dense),
           value_at(i + 1, kNull), value_at(i - 2, row[3]), rows[0][0], value_at(i - 1, kNull), row[4]},
          1);
    }
  }
  return result;
}

Row random_row(Random& random, size_t, uint64_t serial) {
  const std::string key = random.chance(8) ? std::string(kNull) : "p" + std::to_string(random.below(4));
  const std::string value = random.chance(5) ? std::string(kNull) : std::to_string(random.below(3));
  const uint64_t order = random.chance(10) ? 3 : serial;  // some rows are equal in all columns
  return {key, value, std::string(1, static_cast<char>('a' + random.below(3))), std::to_string(random.below(2)),
          std::to_string(order)};
}

TEST(WindowKernels, EqualARecomputationAfterEveryStep) {
  // Rows with an equal order that differ elsewhere would make the plain order ambiguous: give those equal columns.
  Property property;
  property.row = [](Random& random, size_t port, uint64_t serial) {
    Row row = random_row(random, port, serial);
    if (row[4] == "3") row = {"p1", "1", "b", "0", "3"};
    return row;
  };
  property.expected = [](const std::vector<Bag>& inputs) { return expected(inputs[0]); };
  EXPECT_GT(run(make_case(), property), 0U);
}

TEST(WindowKernels, OnlyWhatChangedIsEmitted) {
  plan::Window window;
  window.partition_columns = {0};
  window.sort_key = 2;
  window.calls = {call(WindowKind::kLead, "BIGINT", 1)};
  Case test;
  test.input(kTypes, false, 4).node(window, {"VARCHAR", "BIGINT", "BLOB", "BIGINT", "BIGINT", "HUGEINT"}, 5);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  std::vector<std::pair<Row, int64_t>> rows;
  for (int i = 0; i < 100; ++i) rows.push_back({{"p", std::to_string(i), "a", "0", std::to_string(10 * i)}, 1});
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 100U);
  // A row in the middle: its own row, and the one before it gets another successor.
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{{"p", "500", "a", "0", "505"}, 1}}), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_EQ(out.rows, 103U);
}

TEST(WindowKernels, ALargePartitionIsReadOnceAStep) {
  const Case test = make_case();
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  auto rows = [](int from, int to, int64_t diff) {
    std::vector<std::pair<Row, int64_t>> made;
    for (int i = from; i < to; ++i)
      made.push_back({{"p", std::to_string(i), "a", "0", std::to_string((i * 7919) % 10007)}, diff});
    return made;
  };
  for (int from = 0; from < 8000; from += 2000) {
    ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows(from, from + 2000, 1)), out).ok());
  }
  ASSERT_TRUE(op->finish(out).ok());
  op->tables()[0].table->rows_read = 0;
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows(1000, 2000, -1)), out).ok());
  ASSERT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows(8000, 9000, 1)), out).ok());
  ASSERT_TRUE(op->finish(out).ok());
  EXPECT_LE(op->tables()[0].table->rows_read, 8000U + 2000U);
  Bag left;
  for (const auto& [row, diff] : rows(0, 1000, 1)) left[row] = diff;
  for (const auto& [row, diff] : rows(2000, 9000, 1)) left[row] = diff;
  EXPECT_TRUE(out.bag == expected(left));
}

TEST(WindowKernels, AStepReadsOnlyItsGroups) {
  const auto row = [](uint64_t serial, size_t) {
    return Row{std::to_string(serial % kManyGroups), std::to_string(serial), "a", "0", std::to_string(serial)};
  };
  expect_one_more_reads_little(make_case(), row, {{"77", "5", "a", "0", "5"}});
}

// Running calls: p VARCHAR, value INTEGER, sort key BLOB, text VARCHAR, order HUGEINT (hidden).
const std::vector<std::string> kRunningTypes{"VARCHAR", "INTEGER", "BLOB", "VARCHAR", "HUGEINT"};

plan::WindowCall running(WindowKind kind, const std::string& result, int argument, bool to_peers) {
  plan::WindowCall made = call(kind, result, argument);
  made.to_peers = to_peers;
  return made;
}

Case running_case(const std::vector<plan::WindowCall>& calls) {
  plan::Window window;
  window.partition_columns = {0};
  window.sort_key = 2;
  window.calls = calls;
  std::vector<std::string> output{"VARCHAR", "INTEGER", "BLOB", "VARCHAR"};
  for (const auto& each : window.calls) output.push_back(each.result.name());
  output.push_back("HUGEINT");
  Case test;
  test.input(kRunningTypes, false, 4).node(window, output, static_cast<int>(output.size()) - 1);
  return test;
}

std::string running_result(const plan::WindowCall& call, const std::vector<Row>& rows, int64_t at, int64_t end) {
  const auto argument = static_cast<size_t>(std::max(call.argument, 0));
  if (call.kind == WindowKind::kRowNumber) return std::to_string(at + 1);
  if (call.kind == WindowKind::kCountStar) return std::to_string(end);
  if (call.kind == WindowKind::kLastValue) return rows[static_cast<size_t>(end - 1)][argument];
  if (call.kind == WindowKind::kLead || call.kind == WindowKind::kLag) {
    const int64_t other = call.kind == WindowKind::kLead ? at + call.offset : at - call.offset;
    return other >= 0 && other < std::ssize(rows) ? rows[static_cast<size_t>(other)][argument] : kNull;
  }
  int64_t sum = 0, count = 0;
  std::string best = kNull;
  for (int64_t i = 0; i < end; ++i) {
    const std::string& value = rows[static_cast<size_t>(i)][argument];
    if (value == kNull) continue;
    ++count;
    if (call.kind == WindowKind::kSum) sum += std::stoll(value);
    if (best == kNull || (call.kind == WindowKind::kMax ? value > best : value < best)) best = value;
  }
  if (call.kind == WindowKind::kCount) return std::to_string(count);
  if (call.kind != WindowKind::kSum) return best;
  return count == 0 ? std::string(kNull) : std::to_string(sum);
}

Bag running_expected(const std::vector<plan::WindowCall>& calls, const Bag& input) {
  std::map<std::string, std::vector<Row>> partitions;
  for (const auto& [row, count] : input) {
    for (int64_t i = 0; i < count; ++i) partitions[row[0]].push_back(row);
  }
  Bag result;
  for (auto& [key, rows] : partitions) {
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      if (a[2] != b[2]) return a[2] < b[2];
      return std::stoll(a[4]) < std::stoll(b[4]);
    });
    for (int64_t i = 0; i < std::ssize(rows); ++i) {
      Row made(rows[static_cast<size_t>(i)].begin(), rows[static_cast<size_t>(i)].begin() + 4);
      int64_t peers_end = i + 1;
      while (peers_end < std::ssize(rows) && rows[static_cast<size_t>(peers_end)][2] == made[2]) ++peers_end;
      for (const auto& each : calls) made.push_back(running_result(each, rows, i, each.to_peers ? peers_end : i + 1));
      made.push_back(rows[static_cast<size_t>(i)][4]);
      add(result, made, 1);
    }
  }
  return result;
}

TEST(WindowKernels, RunningCallsEqualARecomputationAfterEveryStep) {
  const std::vector<std::vector<plan::WindowCall>> cases{
      {running(WindowKind::kSum, "HUGEINT", 1, true), running(WindowKind::kCount, "BIGINT", 1, false)},
      {running(WindowKind::kSum, "HUGEINT", 1, false), call(WindowKind::kLead, "INTEGER", 1, 2)},
      {running(WindowKind::kSum, "HUGEINT", 1, true), call(WindowKind::kLead, "INTEGER", 1, 3)},
      {running(WindowKind::kMin, "VARCHAR", 3, true), running(WindowKind::kMax, "VARCHAR", 3, true)},
      {running(WindowKind::kMax, "VARCHAR", 3, false), running(WindowKind::kMin, "VARCHAR", 3, true)},
      {running(WindowKind::kMax, "VARCHAR", 3, true), call(WindowKind::kLead, "INTEGER", 1)},
      {running(WindowKind::kLastValue, "INTEGER", 1, true), call(WindowKind::kLag, "INTEGER", 1, 2)},
      {running(WindowKind::kLastValue, "INTEGER", 1, false), call(WindowKind::kRowNumber, "BIGINT")},
      {call(WindowKind::kLag, "INTEGER", 1), call(WindowKind::kLead, "INTEGER", 1, 4)},
      {running(WindowKind::kCountStar, "BIGINT", -1, true), running(WindowKind::kCountStar, "BIGINT", -1, false)},
  };
  for (const auto& calls : cases) {
    Property property;
    property.seeds = 25;
    property.row = [](Random& random, size_t, uint64_t serial) -> Row {
      if (random.chance(12)) return {"p0", "1", "b", "x", "3"};
      // Mostly in order of time, so that changes stand at the end as well as in the middle.
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

/// State rows read by one row that comes last, and by one in the middle, when a partition has many.
std::pair<uint64_t, uint64_t> reads(const std::vector<plan::WindowCall>& calls) {
  const Case test = running_case(calls);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  const auto row = [](int at, int order) {
    return Row{"p", "1", std::to_string(1000000 + at), "t" + std::to_string(at), std::to_string(order)};
  };
  for (int from = 0; from < 20000; from += 2000) {
    std::vector<std::pair<Row, int64_t>> rows;
    for (int at = from; at < from + 2000; ++at) rows.push_back({row(at, at), 1});
    EXPECT_TRUE(op->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
  }
  EXPECT_TRUE(op->finish(out).ok());
  const auto one_more = [&](int at, int order) {
    op->tables()[0].table->rows_read = 0;
    EXPECT_TRUE(op->push(0, make_batch(test.inputs[0]->output, {{row(at, order), 1}}), out).ok());
    EXPECT_TRUE(op->finish(out).ok());
    return op->tables()[0].table->rows_read;
  };
  const uint64_t last = one_more(20000, 20000);
  return {last, one_more(10000, 20001)};
}

TEST(WindowKernels, ARowAtTheEndOfALargePartitionReadsLittle) {
  const std::vector<plan::WindowCall> all{
      running(WindowKind::kSum, "HUGEINT", 1, true), running(WindowKind::kMax, "VARCHAR", 3, true),
      running(WindowKind::kAvg, "DOUBLE", 1, true),  running(WindowKind::kLastValue, "INTEGER", 1, true),
      call(WindowKind::kRowNumber, "BIGINT"),        call(WindowKind::kRank, "BIGINT"),
      call(WindowKind::kDenseRank, "BIGINT"),        call(WindowKind::kLag, "INTEGER", 1, 3),
      call(WindowKind::kFirstValue, "INTEGER", 1)};
  EXPECT_LE(reads(all).first, 12U);
  const auto [last, middle] = reads({call(WindowKind::kLag, "INTEGER", 1, 3), call(WindowKind::kLead, "INTEGER", 1)});
  EXPECT_LE(last, 8U);
  EXPECT_LE(middle, 12U);
  EXPECT_LE(reads({running(WindowKind::kSum, "HUGEINT", 1, false)}).second, 10100U);
}

}  // namespace
}  // namespace millrace::dataflow::testing
