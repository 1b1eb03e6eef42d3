// Planted losses, repeats and swaps are named exactly; clean rows raise nothing.
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "base/failpoints.h"
#include "base/simulated_env.h"
#include "ledger/ledger.h"
#include "ledger/render.h"

namespace millrace::ledger {
namespace {

constexpr int64_t kMinute = 60'000'000;
constexpr StreamId kStream(1);
const std::vector<std::string> kPath{"received", "stored", "decoded", "view:hours", "sink:lake"};

/// Rows pass the hops of kPath batch by batch; before each hop stands a failpoint "ledger.<hop>".
class Path {
 public:
  Path(Ledger& ledger, Failpoints& failpoints) : ledger_(ledger) {
    for (size_t i = 0; i < kPath.size(); ++i) {
      hops_.push_back(ledger.hop(kPath[i]));
      points_.push_back(&failpoints.point("ledger." + kPath[i]));
      if (i > 0) ledger.link(kStream, "plays", {kPath[i - 1], kPath[i], {}});
    }
  }

  uint64_t lost() const { return lost_; }
  uint64_t repeated() const { return repeated_; }

  void pass(PartitionId partition, Timestamp time, int64_t first, uint32_t count) {
    std::vector<int64_t> offsets(count);
    std::iota(offsets.begin(), offsets.end(), first);
    bool whole = true;
    for (size_t i = 0; i < hops_.size(); ++i) {
      if (const RowFaults faults = points_[i]->rows(offsets.size()); !faults.none()) {
        const std::vector<int64_t> before = std::exchange(offsets, harm(offsets, faults));
        count_planted(before, offsets);
        whole = false;
      }
      if (whole) {
        recorder_.add(hops_[i], kStream, partition, time, Offset(first), count);
      } else {
        recorder_.add_rows(hops_[i], kStream, partition, time, offsets);
      }
    }
    ledger_.merge(recorder_);
  }

 private:
  static std::vector<int64_t> harm(const std::vector<int64_t>& offsets, const RowFaults& faults) {
    std::vector<int64_t> out;
    size_t next = 0;
    for (size_t row = 0; row < offsets.size(); ++row) {
      const bool hit = next < faults.rows.size() && faults.rows[next] == row;
      if (hit) ++next;
      if (!hit) out.push_back(offsets[row]);
      if (hit && faults.action == FailAction::kRepeat) out.insert(out.end(), 2, offsets[row]);
      if (hit && faults.action == FailAction::kSwap) out.push_back(offsets[(row + 1) % offsets.size()]);
    }
    return out;
  }

  /// Two neighbours that are both swapped make one row vanish and one come twice, not two: so it is counted row by row.
  void count_planted(const std::vector<int64_t>& before, const std::vector<int64_t>& after) {
    std::map<int64_t, int64_t> times;
    for (const int64_t offset : before) ++times[offset];
    for (const int64_t offset : after) --times[offset];
    for (const auto& [offset, more] : times) (more > 0 ? lost_ : repeated_) += static_cast<uint64_t>(std::abs(more));
  }

  Ledger& ledger_;
  Recorder recorder_;
  uint64_t lost_ = 0;
  uint64_t repeated_ = 0;
  std::vector<HopId> hops_;
  std::vector<FailPoint*> points_;
};

TEST(LedgerFaults, AreNamedExactlyFor500Seeds) {
  std::map<FailAction, int> seen;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    std::mt19937_64 random(seed);
    SimulatedEnv env(seed);
    Failpoints& failpoints = env.failpoints();
    failpoints.reseed(seed);
    Ledger ledger;
    Path path(ledger, failpoints);

    const FailAction action = std::array{FailAction::kDrop, FailAction::kRepeat, FailAction::kSwap}[random() % 3];
    const size_t hop = 1 + random() % (kPath.size() - 1);
    const uint64_t rows = 1 + random() % 24;
    const int harmed_batch = static_cast<int>(random() % 40);
    ++seen[action];
    std::array<int64_t, 4> next{0, 5'000'000'000, 17, 1 << 20};
    Timestamp harmed_minute;
    for (int batch = 0; batch < 40; ++batch) {
      const size_t partition = random() % next.size();
      const auto count = static_cast<uint32_t>(32 + random() % 5000);
      const Timestamp time{(batch / 8) * kMinute + static_cast<int64_t>(random() % kMinute)};
      if (batch == harmed_batch) {
        FailRule rule;
        rule.action = action;
        rule.rows = rows;
        failpoints.set("ledger." + kPath[hop], rule);
        harmed_minute = Timestamp{(batch / 8) * kMinute};
      }
      path.pass(PartitionId(static_cast<int32_t>(partition)), time, next[partition], count);
      next[partition] += count;
      if (random() % 4 == 0) ledger.take_changes();
    }
    ASSERT_EQ(failpoints.point("ledger." + kPath[hop]).fired(), rows);

    std::map<std::pair<StreamId, PartitionId>, Offset> ends;
    for (size_t p = 0; p < next.size(); ++p) ends[{kStream, PartitionId(static_cast<int32_t>(p))}] = Offset(next[p]);
    const Report report = ledger.report(ends);
    EXPECT_FALSE(report.closed);
    ASSERT_EQ(report.open.size(), 1U) << "seed " << seed << "\n" << render(report);
    const Verdict& verdict = report.open[0];
    EXPECT_EQ(verdict.from, kPath[hop - 1]);
    EXPECT_EQ(verdict.to, kPath[hop]);
    EXPECT_EQ(verdict.minute, harmed_minute);
    const VerdictKind kind = action == FailAction::kDrop     ? VerdictKind::kLost
                             : action == FailAction::kRepeat ? VerdictKind::kRepeated
                                                             : VerdictKind::kSwapped;
    EXPECT_EQ(verdict.kind, kind);
    if (action != FailAction::kSwap) {
      ASSERT_EQ(path.lost() + path.repeated(), rows);
    }
    EXPECT_EQ(verdict.lost, path.lost()) << "seed " << seed << "\n" << render(report);
    EXPECT_EQ(verdict.repeated, path.repeated()) << "seed " << seed << "\n" << render(report);
    EXPECT_EQ(verdict.in_flight, 0U);
  }
  EXPECT_EQ(seen.size(), 3U);
}

TEST(LedgerFaults, NoneOnTenMillionCleanRows) {
  SimulatedEnv env(1);
  Ledger ledger;
  Path path(ledger, env.failpoints());
  std::mt19937_64 random(1);
  std::array<int64_t, 8> next{};
  int64_t rows = 0;
  for (int batch = 0; rows < 10'000'000; ++batch) {
    const size_t partition = random() % next.size();
    const auto count = static_cast<uint32_t>(1 + random() % 4096);
    path.pass(PartitionId(static_cast<int32_t>(partition)), Timestamp{batch * 200'000}, next[partition], count);
    next[partition] += count;
    rows += count;
    if (batch % 50 == 0) {
      ASSERT_TRUE(ledger.report({}).open.empty()) << batch;
      ledger.take_changes();
    }
  }
  const Report report = ledger.report({});
  EXPECT_TRUE(report.closed);
  EXPECT_TRUE(report.open.empty());
  for (const HopTotal& total : report.totals) EXPECT_EQ(total.count, static_cast<uint64_t>(rows));
}

TEST(LedgerFaults, NoneWhenRowsAreSplitShuffledAndCommittedInAnyWay) {
  std::mt19937_64 random(5);
  Ledger ledger;
  ledger.link(kStream, "plays", {"stored", "view:v", {"filtered:v", "late:v"}});
  const std::array<HopId, 3> sides{ledger.hop("view:v"), ledger.hop("filtered:v"), ledger.hop("late:v")};
  const HopId stored = ledger.hop("stored");
  int64_t next = 0;
  for (int batch = 0; batch < 2000; ++batch) {
    const auto count = static_cast<uint32_t>(1 + random() % 2048);
    const Timestamp time{batch * 1'000'000};
    Recorder recorder;
    recorder.add(stored, kStream, PartitionId(0), time, Offset(next), count);
    std::array<std::vector<int64_t>, 3> parts;
    for (uint32_t i = 0; i < count; ++i) parts[random() % 100 == 0 ? 2 : random() % 2].push_back(next + i);
    for (size_t side = 0; side < 3; ++side) {
      std::shuffle(parts[side].begin(), parts[side].end(), random);
      recorder.add_rows(sides[side], kStream, PartitionId(0), time, parts[side]);
    }
    ledger.merge(recorder);
    next += count;
    if (batch % 13 == 0) ledger.take_changes();
  }
  EXPECT_TRUE(ledger.report({}).open.empty()) << render(ledger.report({}));
}

}  // namespace
}  // namespace millrace::ledger
