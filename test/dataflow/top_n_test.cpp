// The first rows of each partition against a plain sort.
#include <algorithm>

#include "harness.h"

namespace millrace::dataflow::testing {
namespace {

TEST(TopN, GivesTheRowsBetweenOffsetAndLimit) {
  plan::TopN top;
  top.sort_key = 1;
  top.limit = 7;
  top.offset = 2;
  Case test;
  test.input({"BIGINT", "BLOB", "HUGEINT"}, false, 2).node(top, {"BIGINT", "BLOB", "HUGEINT"}, 2);
  Property property;
  property.rows_max = 12;
  property.row = [](Random& random, size_t, uint64_t serial) {
    return Row{std::to_string(random.below(3)), std::string(1, static_cast<char>('a' + random.below(4))),
               std::to_string(serial)};
  };
  property.expected = [](const std::vector<Bag>& inputs) {
    std::vector<Row> rows;
    for (const auto& [row, count] : inputs[0]) rows.insert(rows.end(), static_cast<size_t>(count), row);
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      return a[1] != b[1] ? a[1] < b[1] : std::stoll(a[2]) < std::stoll(b[2]);
    });
    Bag result;
    for (size_t i = 2; i < std::min<size_t>(rows.size(), 7); ++i) add(result, rows[i], 1);
    return result;
  };
  run(test, property);
}

/// What `top` must give of rows (key, sort key, order), with the rank behind the sort key when it gives that.
Bag ranked(const plan::TopN& top, const Bag& input) {
  std::map<std::string, std::vector<Row>> partitions;
  for (const auto& [row, count] : input) {
    auto& rows = partitions[row[0]];
    rows.insert(rows.end(), static_cast<size_t>(count), row);
  }
  Bag result;
  for (auto& [key, rows] : partitions) {
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      return a[1] != b[1] ? a[1] < b[1] : std::stoll(a[2]) < std::stoll(b[2]);
    });
    int64_t dense = 0, first_of_peers = 0;
    for (int64_t i = 0; i < std::ssize(rows); ++i) {
      const auto at = static_cast<size_t>(i);
      if (i == 0 || rows[at][1] != rows[at - 1][1]) ++dense, first_of_peers = i + 1;
      const int64_t rank = top.rank == plan::WindowKind::kRowNumber ? i + 1
                           : top.rank == plan::WindowKind::kRank    ? first_of_peers
                                                                    : dense;
      if (rank > top.limit) continue;
      Row row = rows[at];
      if (top.gives_rank) row.insert(row.begin() + 2, std::to_string(rank));
      add(result, row, 1);
    }
  }
  return result;
}

TEST(TopN, GivesTheRowsUpToARankOfEachPartition) {
  for (const plan::WindowKind rank :
       {plan::WindowKind::kRowNumber, plan::WindowKind::kRank, plan::WindowKind::kDenseRank}) {
    for (const bool gives_rank : {false, true}) {
      for (const bool append_only : {false, true}) {
        for (const int64_t limit : {1, 3}) {
          SCOPED_TRACE("rank " + std::to_string(static_cast<int>(rank)) + " up to " + std::to_string(limit));
          const plan::TopN top{{0}, 1, rank, limit, 0, gives_rank};
          Case test;
          std::vector<std::string> output{"BIGINT", "BLOB", "HUGEINT"};
          if (gives_rank) output.insert(output.begin() + 2, "BIGINT");
          test.input({"BIGINT", "BLOB", "HUGEINT"}, append_only, 2).node(top, output, gives_rank ? 3 : 2);
          Property property;
          property.seeds = 40;
          property.row = [](Random& random, size_t, uint64_t serial) {
            return Row{std::to_string(random.below(4)), std::string(1, static_cast<char>('a' + random.below(4))),
                       std::to_string(serial)};
          };
          property.expected = [&](const std::vector<Bag>& inputs) { return ranked(top, inputs[0]); };
          EXPECT_EQ(run(test, property) == 0, append_only);
        }
      }
    }
  }
}

// Rows that are shown then and now are left out: the same in partitions where that pays.
TEST(TopN, OfALargePartitionGivesTheSame) {
  for (const plan::WindowKind rank : {plan::WindowKind::kRowNumber, plan::WindowKind::kRank}) {
    for (const bool gives_rank : {false, true}) {
      for (const bool append_only : {false, true}) {
        for (const int64_t letters : {4, 200}) {
          for (const int64_t limit : {90, 300}) {
            SCOPED_TRACE("rank " + std::to_string(static_cast<int>(rank)) + " up to " + std::to_string(limit));
            const plan::TopN top{{0}, 1, rank, limit, 0, gives_rank};
            Case test;
            std::vector<std::string> output{"BIGINT", "BLOB", "HUGEINT"};
            if (gives_rank) output.insert(output.begin() + 2, "BIGINT");
            test.input({"BIGINT", "BLOB", "HUGEINT"}, append_only, 2).node(top, output, gives_rank ? 3 : 2);
            Property property;
            property.seeds = 6;
            property.steps = 10;
            property.rows_max = 120;
            property.row = [&](Random& random, size_t, uint64_t serial) {
              const uint64_t letter = random.below(static_cast<uint64_t>(letters));
              return Row{random.chance(9) ? "1" : "0", std::to_string(1000 + letter), std::to_string(serial)};
            };
            property.expected = [&](const std::vector<Bag>& inputs) { return ranked(top, inputs[0]); };
            EXPECT_EQ(run(test, property) == 0, append_only);
            if (HasFailure()) return;
          }
        }
      }
    }
  }
}

// A change near the first row, one near the last that is shown, and one behind it: each costs its own search.
TEST(TopN, AStepReadsWhatComesInAndGoesOutAlone) {
  for (const plan::WindowKind rank : {plan::WindowKind::kRowNumber, plan::WindowKind::kRank}) {
    Case test;
    const int64_t offset = rank == plan::WindowKind::kRank ? 0 : 500;
    test.input({"BIGINT", "BLOB", "HUGEINT"}, false, 2)
        .node(plan::TopN{{}, 1, rank, 5000, offset, false}, {"BIGINT", "BLOB", "HUGEINT"}, 2);
    SideCollector side;
    auto made = test.make(side);
    Collector out;
    const auto row = [](int64_t at, int64_t order) {
      return Row{"1", std::to_string(1000000 + at), std::to_string(order)};
    };
    for (int64_t from = 0; from < 40000; from += 2000) {
      std::vector<std::pair<Row, int64_t>> rows;
      for (int64_t at = from; at < from + 2000; ++at) rows.push_back({row(2 * at, at), 1});
      ASSERT_TRUE(made->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
    }
    ASSERT_TRUE(made->finish(out).ok());
    const auto shown = static_cast<size_t>(5000 - offset);
    EXPECT_EQ(out.bag.size(), shown);
    const auto step = [&](const std::vector<std::pair<Row, int64_t>>& rows) {
      made->tables()[0].table->rows_read = 0;
      out.rows = 0;
      EXPECT_TRUE(made->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
      EXPECT_TRUE(made->finish(out).ok());
      EXPECT_EQ(out.bag.size(), shown);
      return made->tables()[0].table->rows_read;
    };
    EXPECT_LE(step({{row(1, 90000), 1}}), 20U);
    EXPECT_EQ(out.rows, 2U);
    EXPECT_LE(step({{row(9001, 90001), 1}}), 20U);
    EXPECT_EQ(out.rows, 2U);
    EXPECT_LE(step({{row(70001, 90002), 1}}), 4U);
    EXPECT_EQ(out.rows, 0U);
    EXPECT_LE(step({{row(1, 90000), -1}, {row(9001, 90001), -1}, {row(70001, 90002), -1}}), 100U);
    EXPECT_EQ(out.rows, 4U);
  }
}

// What cannot come forward again is not kept.
TEST(TopN, OfAnAppendOnlyInputKeepsOnlyItsRows) {
  Case test;
  test.input({"BIGINT", "BLOB", "HUGEINT"}, true, 2)
      .node(plan::TopN{{0}, 1, plan::WindowKind::kRowNumber, 3, 0, false}, {"BIGINT", "BLOB", "HUGEINT"}, 2);
  SideCollector side;
  auto made = test.make(side);
  Collector out;
  Random random(1);
  for (int step = 0; step < 20; ++step) {
    std::vector<std::pair<Row, int64_t>> rows;
    for (int i = 0; i < 500; ++i) {
      const std::string order = std::to_string(step * 500 + i);
      rows.push_back({Row{std::to_string(i % 2), std::to_string(1000 + random.below(9000)), order}, 1});
    }
    ASSERT_TRUE(made->push(0, make_batch(test.inputs[0]->output, rows), out).ok());
    ASSERT_TRUE(made->finish(out).ok());
    EXPECT_EQ(made->tables()[0].table->entries(), 6U);
  }
  EXPECT_EQ(out.bag.size(), 6U);
}

// Its one group is all rows; a step reads the first offset + limit of them and no more.
TEST(TopN, AStepReadsOnlyTheFirstRows) {
  Case test;
  test.input({"BIGINT", "BLOB", "HUGEINT"}, false, 2)
      .node(plan::TopN{{}, 1, plan::WindowKind::kRowNumber, 50, 10}, {"BIGINT", "BLOB", "HUGEINT"}, 2);
  const auto row = [](uint64_t serial, size_t) {
    const std::string number = std::to_string(kManyRows + serial);
    return Row{std::to_string(serial % kManyGroups), number, number};
  };
  expect_one_more_reads_little(test, row, {{"77", "0", "5"}});
}

}  // namespace
}  // namespace millrace::dataflow::testing
