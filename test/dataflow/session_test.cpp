// Session windows against a plain pass over the sorted rows; late rows; what is kept.
#include <algorithm>

#include "harness.h"

namespace millrace::dataflow::testing {
namespace {

using plan::SessionBound;

constexpr int64_t kGap = 10;

/// Rows (key, time, value) with the bounds of their sessions.
Bag sessions_of(const Bag& input, const std::vector<SessionBound>& bounds) {
  std::map<std::string, std::vector<Row>> partitions;
  Bag result;
  for (const auto& [row, count] : input) {
    if (row[1] == kNull) {
      Row given = row;
      for (size_t i = 0; i < bounds.size(); ++i) given.push_back(kNull);
      add(result, given, count);
      continue;
    }
    auto& rows = partitions[row[0]];
    rows.insert(rows.end(), static_cast<size_t>(count), row);
  }
  for (auto& [key, rows] : partitions) {
    const auto time = [](const Row& row) { return std::stoll(row[1]); };
    std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) { return time(a) < time(b); });
    for (size_t first = 0; first < rows.size();) {
      size_t end = first + 1;
      while (end < rows.size() && time(rows[end]) - time(rows[end - 1]) < kGap) ++end;
      for (size_t i = first; i < end; ++i) {
        Row given = rows[i];
        for (SessionBound bound : bounds) {
          const int64_t at = bound == SessionBound::kStart ? time(rows[first])
                             : bound == SessionBound::kEnd ? time(rows[end - 1]) + kGap
                                                           : time(rows[i]) + kGap;
          given.push_back(std::to_string(at));
        }
        add(result, given, 1);
      }
      first = end;
    }
  }
  return result;
}

Case sessions(std::vector<SessionBound> bounds, bool append_only) {
  plan::Session session{{0}, 1, Duration{kGap}, {}, false, bounds};
  Case test;
  std::vector<std::string> output{"BIGINT", "TIMESTAMP", "BIGINT"};
  output.insert(output.end(), bounds.size(), "TIMESTAMP");
  test.input({"BIGINT", "TIMESTAMP", "BIGINT"}, append_only).node(session, output);
  return test;
}

TEST(Session, GivesEachRowTheBoundsOfItsSession) {
  const std::vector<std::vector<SessionBound>> shown{
      {SessionBound::kStart, SessionBound::kEnd}, {SessionBound::kStart, SessionBound::kRowEnd}, {SessionBound::kEnd}};
  for (const auto& bounds : shown) {
    for (const bool append_only : {false, true}) {
      Property property;
      property.seeds = 100;
      property.row = [](Random& random, size_t, uint64_t) {
        const std::string time = random.chance(30) ? std::string(kNull) : std::to_string(random.below(300));
        return Row{std::to_string(random.below(3)), time, std::to_string(random.below(3))};
      };
      property.expected = [&](const std::vector<Bag>& inputs) { return sessions_of(inputs[0], bounds); };
      const uint64_t retracted = run(sessions(bounds, append_only), property);
      EXPECT_EQ(retracted == 0, append_only);
    }
  }
}

/// Rows (key, time, watermark before it), all in one step.
void feed(Operator& op, const std::vector<Row>& rows, int64_t watermark, Output& out) {
  std::vector<std::pair<Row, int64_t>> batch;
  for (const Row& row : rows) batch.emplace_back(row, 1);
  const batch::Schema columns = schema({"BIGINT", "TIMESTAMP", "TIMESTAMP"});
  ASSERT_TRUE(op.push(0, make_batch(columns, batch), out).ok());
  op.advance(Timestamp{watermark});
  ASSERT_TRUE(op.finish(out).ok());
}

Case watermarked(bool on_close, int64_t lateness) {
  plan::Session session{
      {0}, 1, Duration{kGap}, Duration{lateness}, on_close, {SessionBound::kStart, SessionBound::kEnd}};
  Case test;
  test.input({"BIGINT", "TIMESTAMP", "TIMESTAMP"}, true, -1, 2)
      .node(session, {"BIGINT", "TIMESTAMP", "TIMESTAMP", "TIMESTAMP", "TIMESTAMP"}, -1, 4);
  return test;
}

TEST(Session, GivesFinalSessionsOnceOnClose) {
  const Case test = watermarked(true, 0);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  feed(*op, {{"1", "100", kNull}, {"1", "105", "99"}, {"1", "103", "103"}, {"1", "102", "103"}}, 114, out);
  EXPECT_EQ(out.rows, 0U);
  EXPECT_EQ(side.late, (Bag{{{"1", "102", "103"}, 1}}));  // below the watermark
  EXPECT_FALSE(op->due_at(Timestamp{114}));
  EXPECT_TRUE(op->due_at(Timestamp{115}));
  op = test.restored(*op, side);
  feed(*op, {{"1", "115", "114"}}, 115, out);
  EXPECT_EQ(out.bag, (Bag{{{"1", "100", "100", "115", kNull}, 1},
                          {{"1", "103", "100", "115", "103"}, 1},
                          {{"1", "105", "100", "115", "99"}, 1}}));
  EXPECT_EQ(op->tables()[0].table->entries(), 1U);
  feed(*op, {}, 200, out);
  EXPECT_EQ(out.rows, 4U);
  EXPECT_EQ(out.retractions, 0U);
  EXPECT_EQ(op->tables()[0].table->entries() + op->tables()[1].table->entries(), 0U);
}

TEST(Session, TakesARowWhoseOwnSessionIsNotOver) {
  const Case test = watermarked(false, 3);
  SideCollector side;
  auto op = test.make(side);
  Collector out;
  feed(*op, {{"1", "100", kNull}, {"1", "115", "100"}}, 112, out);
  EXPECT_EQ(out.bag.size(), 2U);
  // 107 + gap + lateness is 120. It joins the two sessions; the next row is late.
  feed(*op, {{"1", "107", "119"}, {"1", "107", "120"}}, 120, out);
  EXPECT_EQ(out.bag, (Bag{{{"1", "100", "100", "125", kNull}, 1},
                          {{"1", "107", "100", "125", "119"}, 1},
                          {{"1", "115", "100", "125", "100"}, 1}}));
  EXPECT_EQ(side.late, (Bag{{{"1", "107", "120"}, 1}}));
  feed(*op, {}, 137, out);
  EXPECT_EQ(op->tables()[0].table->entries(), 3U);
  feed(*op, {}, 138, out);  // 125 + gap + lateness
  EXPECT_EQ(op->tables()[0].table->entries() + op->tables()[1].table->entries(), 0U);
  EXPECT_EQ(out.bag.size(), 3U);
}

/// What is late, and what comes out in the end, must not depend on the cuts.
TEST(Session, DoesNotDependOnHowStepsAreCut) {
  for (const bool on_close : {false, true}) {
    int seeds_with_late = 0;
    for (uint64_t seed = 0; seed < 100; ++seed) {
      Random random(seed);
      std::vector<Row> rows;
      int64_t watermark = INT64_MIN;
      for (int i = 0; i < 60; ++i) {
        const int64_t time = i * 3 + static_cast<int64_t>(random.below(30));
        rows.push_back({std::to_string(random.below(3)), std::to_string(time),
                        watermark == INT64_MIN ? kNull : std::to_string(watermark)});
        watermark = std::max(watermark, time - 8);
      }
      std::vector<Bag> results, late;
      for (const uint64_t step_max : {1, 7, 60}) {
        SideCollector side;
        const Case test = watermarked(on_close, 2);
        auto op = test.make(side);
        Collector out;
        for (size_t first = 0; first < rows.size();) {
          const size_t end = std::min(rows.size(), first + 1 + random.below(step_max));
          const int64_t after = end < rows.size() ? std::stoll(rows[end][2]) : watermark;
          feed(*op, {rows.begin() + static_cast<int64_t>(first), rows.begin() + static_cast<int64_t>(end)}, after, out);
          first = end;
          if (random.chance(10)) op = test.restored(*op, side), op->advance(Timestamp{after});
        }
        feed(*op, {}, 1000, out);
        results.push_back(out.bag);
        late.push_back(side.late);
      }
      seeds_with_late += late[0].empty() ? 0 : 1;
      for (size_t i = 1; i < results.size(); ++i) {
        ASSERT_EQ(late[i], late[0]) << "seed " << seed;
        ASSERT_EQ(results[i], results[0]) << "seed " << seed << print(results[i]) << "and\n" << print(results[0]);
      }
      // The same as a pass over the rows that were not late.
      Bag taken;
      for (const Row& row : rows) add(taken, row, 1);
      for (const auto& [row, count] : late[0]) add(taken, row, -count);
      Bag expected;
      for (const auto& [row, count] : sessions_of(taken, {SessionBound::kStart, SessionBound::kEnd}))
        add(expected, {row[0], row[1], row[3], row[4], row[2]}, count);
      ASSERT_EQ(results[0], expected) << "seed " << seed << print(results[0]) << "expected\n" << print(expected);
    }
    EXPECT_GT(seeds_with_late, 50);
  }
}

TEST(Session, AStepReadsOnlyItsOwnRowsWhileNoShownBoundMoves) {
  const auto row = [](uint64_t serial, size_t) {
    return Row{std::to_string(serial % 10), std::to_string(serial), std::to_string(serial)};
  };
  plan::Session session{{0}, 1, Duration{1000}, {}, false, {SessionBound::kStart, SessionBound::kRowEnd}};
  Case test;
  test.input({"BIGINT", "TIMESTAMP", "BIGINT"}, false)
      .node(session, {"BIGINT", "TIMESTAMP", "BIGINT", "TIMESTAMP", "TIMESTAMP"});
  expect_one_more_reads_little(test, row, {{"7", std::to_string(kManyRows + 3), "5"}});
}

}  // namespace
}  // namespace millrace::dataflow::testing
