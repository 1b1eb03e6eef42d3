#include "ledger/ledger.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "ledger/render.h"

namespace millrace::ledger {
namespace {

constexpr int64_t kMinute = 60'000'000;
constexpr StreamId kStream(4);
const Timestamp kStart{1'735'689'600'000'000};  // 2025-01-01T00:00:00Z

using Ends = std::map<std::pair<StreamId, PartitionId>, Offset>;

Timestamp at_minute(int64_t minute) { return Timestamp{kStart.micros + minute * kMinute + 12'345}; }

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() { set_up(ledger_); }

  static void set_up(Ledger& ledger) {
    ledger.link(kStream, "plays", {"received", "stored", {}});
    ledger.link(kStream, "plays", {"stored", "decoded", {"dead"}});
    ledger.link(kStream, "plays", {"decoded", "view:hours", {"filtered:hours", "late:hours"}});
  }
  void range(const char* hop, int64_t minute, int32_t partition, int64_t first, uint32_t count) {
    Recorder recorder;
    recorder.add(ledger_.hop(hop), kStream, PartitionId(partition), at_minute(minute), Offset(first), count);
    ledger_.merge(recorder);
    EXPECT_TRUE(recorder.empty());
  }
  void rows(const char* hop, int64_t minute, int32_t partition, const std::vector<int64_t>& offsets) {
    Recorder recorder;
    recorder.add_rows(ledger_.hop(hop), kStream, PartitionId(partition), at_minute(minute), offsets);
    ledger_.merge(recorder);
  }
  /// All hops of a clean minute.
  void clean(int64_t minute, int64_t first, uint32_t count) {
    for (const char* hop : {"received", "stored", "decoded", "view:hours"}) range(hop, minute, 0, first, count);
  }
  static Ends ends(int64_t end) { return {{{kStream, PartitionId(0)}, Offset(end)}}; }

  Ledger ledger_;
};

TEST_F(LedgerTest, FingerprintsDifferByStreamPartitionAndOffset) {
  std::set<uint64_t> seen;
  for (uint32_t stream = 0; stream < 10; ++stream) {
    for (int32_t partition = 0; partition < 10; ++partition) {
      for (int64_t offset = 0; offset < 100; ++offset) {
        seen.insert(fingerprint(StreamId(stream), PartitionId(partition), Offset(offset)));
      }
    }
  }
  EXPECT_EQ(seen.size(), 10'000U);
}

TEST_F(LedgerTest, TotalsAreTheSumOfFingerprintsHoweverTheRowsCame) {
  range("received", 0, 0, 10, 90);
  range("received", 0, 0, 100, 400);
  std::vector<int64_t> backwards(490);
  std::iota(backwards.rbegin(), backwards.rend(), 10);
  rows("stored", 0, 0, backwards);
  uint64_t sum = 0;
  for (const int64_t offset : backwards) sum += fingerprint(kStream, PartitionId(0), Offset(offset));
  const Report report = ledger_.report(ends(0));
  ASSERT_EQ(report.totals.size(), 2U);
  for (const HopTotal& total : report.totals) {
    EXPECT_EQ(total.count, 490U);
    EXPECT_EQ(total.fingerprint, sum);
    EXPECT_EQ(total.stream_name, "plays");
  }
}

TEST_F(LedgerTest, SidesCloseTheBooks) {
  range("received", 0, 0, 0, 1000);
  range("stored", 0, 0, 0, 1000);
  rows("dead", 0, 0, {17, 400});
  std::vector<int64_t> decoded;
  std::vector<int64_t> kept;
  std::vector<int64_t> filtered;
  for (int64_t offset = 0; offset < 1000; ++offset) {
    if (offset == 17 || offset == 400) continue;
    decoded.push_back(offset);
    (offset % 3 == 0 ? kept : filtered).push_back(offset);
  }
  rows("decoded", 0, 0, decoded);
  rows("view:hours", 0, 0, kept);
  rows("filtered:hours", 0, 0, {filtered.begin(), filtered.end() - 1});
  rows("late:hours", 0, 0, {filtered.back()});
  const Report report = ledger_.report(ends(1000));
  EXPECT_TRUE(report.closed);
  EXPECT_TRUE(report.open.empty()) << render(report);
}

TEST_F(LedgerTest, NamesLostRepeatedAndSwappedRows) {
  clean(0, 0, 1000);
  range("stored", 1, 0, 1000, 1000);
  range("received", 1, 0, 1000, 1000);
  rows("dead", 1, 0, {1005});
  std::vector<int64_t> decoded(1000);
  std::iota(decoded.begin(), decoded.end(), 1000);
  std::erase_if(decoded, [](int64_t offset) { return offset == 1005 || offset == 1500 || offset == 1501; });
  rows("decoded", 1, 0, decoded);
  decoded.push_back(1700);
  decoded.push_back(1700);
  decoded.push_back(1700);
  decoded[0] = 1001;
  rows("view:hours", 1, 0, decoded);
  const Report report = ledger_.report(ends(2000));
  EXPECT_FALSE(report.closed);
  ASSERT_EQ(report.open.size(), 2U) << render(report);
  EXPECT_EQ(report.open[0].kind, VerdictKind::kLost);
  EXPECT_EQ(report.open[0].to, "decoded");
  EXPECT_EQ(report.open[0].minute, Timestamp{kStart.micros + kMinute});
  EXPECT_EQ(report.open[0].lost, 2U);
  EXPECT_EQ(report.open[0].detail, "partition:offset -0:1500, -0:1501");
  EXPECT_EQ(report.open[1].kind, VerdictKind::kMixed);
  EXPECT_EQ(report.open[1].lost, 1U);
  EXPECT_EQ(report.open[1].repeated, 4U);
}

TEST_F(LedgerTest, ABacklogOfAnySizeIsInFlight) {
  range("received", 0, 0, 0, 3'000'000);
  range("stored", 0, 0, 0, 1'000'000);
  range("decoded", 0, 0, 0, 1'000'000);
  range("view:hours", 0, 0, 0, 1'000'000);
  Report report = ledger_.report(ends(1'000'000));
  EXPECT_TRUE(report.closed);
  ASSERT_EQ(report.open.size(), 1U);
  EXPECT_EQ(report.open[0].kind, VerdictKind::kInFlight);
  EXPECT_EQ(report.open[0].in_flight, 2'000'000U);

  // A loss before the committed end is found behind the backlog.
  rows("received", 0, 1, {3, 4});
  rows("stored", 0, 1, {3});
  rows("decoded", 0, 1, {3});
  rows("view:hours", 0, 1, {3});
  Ends both = ends(1'000'000);
  both[{kStream, PartitionId(1)}] = Offset(5);
  report = ledger_.report(both);
  EXPECT_FALSE(report.closed);
  ASSERT_EQ(report.open.size(), 1U);
  EXPECT_EQ(report.open[0].lost, 1U);
  EXPECT_EQ(report.open[0].in_flight, 2'000'000U);
  EXPECT_EQ(report.open[0].detail, "partition:offset -1:4");
}

TEST_F(LedgerTest, ABacklogWithHolesIsCountedWithoutThem) {
  std::vector<int64_t> decoded;
  for (int64_t offset = 0; offset < 500; ++offset) {
    if (offset != 300 && offset != 310) decoded.push_back(offset);
  }
  range("stored", 0, 0, 0, 500);
  range("received", 0, 0, 0, 500);
  rows("dead", 0, 0, {300, 310});
  rows("decoded", 0, 0, decoded);
  range("view:hours", 0, 0, 0, 200);
  const Report report = ledger_.report(ends(200));
  EXPECT_TRUE(report.closed);
  ASSERT_EQ(report.open.size(), 1U);
  EXPECT_EQ(report.open[0].in_flight, 298U);
}

TEST_F(LedgerTest, TooManyDifferencesAreSaidToBeAtLeast) {
  range("received", 0, 0, 0, 100'000);
  std::vector<int64_t> odd;
  for (int64_t offset = 1; offset < 100'000; offset += 2) odd.push_back(offset);
  rows("stored", 0, 0, odd);
  rows("decoded", 0, 0, odd);
  rows("view:hours", 0, 0, odd);
  const Report report = ledger_.report(ends(100'000));
  ASSERT_EQ(report.open.size(), 1U);
  EXPECT_EQ(report.open[0].kind, VerdictKind::kLost);
  EXPECT_EQ(report.open[0].lost, 50'000U);
  EXPECT_TRUE(report.open[0].detail.starts_with("at least"));
}

TEST_F(LedgerTest, ChangesRebuildTheBooksAndMayBeAppliedTwice) {
  Ledger copy;
  set_up(copy);
  std::string changes;
  for (int64_t step = 0; step < 200; ++step) {
    const int64_t first = step * 300;
    const int64_t minute = step / 7;
    if (step % 11 == 5) {
      range("received", minute, 0, first, 300);  // stays in flight for a while
    } else {
      clean(minute, first, 300);
    }
    if (step % 11 == 8) {
      const int64_t missing = first - 3 * 300;
      for (const char* hop : {"stored", "decoded", "view:hours"}) range(hop, (step - 3) / 7, 0, missing, 300);
    }
    changes = ledger_.take_changes();
    for (int twice = 0; twice < 2; ++twice) ASSERT_TRUE(copy.apply_changes(changes).ok());
    ASSERT_EQ(copy.snapshot(), ledger_.snapshot()) << step;
  }
  Ledger restored;
  set_up(restored);
  range("view:hours", 0, 0, 5, 1);
  const std::string snapshot = ledger_.snapshot();
  ASSERT_TRUE(restored.restore(snapshot).ok());
  EXPECT_EQ(restored.snapshot(), snapshot);
  EXPECT_EQ(to_json(restored.report(ends(60'000))), to_json(ledger_.report(ends(60'000))));
  for (size_t length = 1; length < snapshot.size(); length += 1 + length / 50) {
    Ledger broken;
    EXPECT_FALSE(broken.restore(snapshot.substr(0, length)).ok()) << length;
  }
}

TEST_F(LedgerTest, ACleanCommitIsSmall) {
  clean(0, 0, 20'000);
  EXPECT_LT(ledger_.take_changes().size(), 200U);
  clean(0, 20'000, 20'000);
  EXPECT_LT(ledger_.take_changes().size(), 200U);
}

TEST_F(LedgerTest, AFaultAfterACommitIsStillNamed) {
  clean(0, 0, 20'000);
  ledger_.take_changes();
  for (const char* hop : {"received", "stored", "decoded"}) range(hop, 0, 0, 20'000, 100);
  range("view:hours", 0, 0, 20'001, 99);
  rows("view:hours", 0, 0, {7});
  ledger_.take_changes();
  const Report report = ledger_.report(ends(20'100));
  ASSERT_EQ(report.open.size(), 1U);
  EXPECT_EQ(report.open[0].kind, VerdictKind::kSwapped);
  EXPECT_EQ(report.open[0].detail, "partition:offset +0:7, -0:20000");
}

TEST_F(LedgerTest, AnotherFormatVersionIsRefusedWithTheWayOut) {
  std::string bytes = ledger_.snapshot();
  bytes[0] = 99;
  const Status status = ledger_.restore(bytes);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("99"), std::string::npos);
  EXPECT_FALSE(status.error().hint.empty());
}

TEST_F(LedgerTest, OldMinutesBecomeHoursThenDays) {
  constexpr int64_t kDay = 24 * 60;
  for (int64_t minute = 0; minute < 40 * kDay; minute += 5) clean(minute, minute * 10, 10);
  const std::vector<Ledger::Row> rows = ledger_.rows();
  EXPECT_LT(rows.size(), 4U * (10 + 32 * 24 + 25 * 12 + 10));
  uint64_t count = 0;
  for (const Ledger::Row& row : rows) count += row.count;
  EXPECT_EQ(count, 4U * 10 * 40 * kDay / 5);
  EXPECT_TRUE(ledger_.report(ends(1LL << 40)).open.empty());

  // A repeat from long ago is still seen, and a copy rebuilt from the changes sees it too.
  Ledger copy;
  set_up(copy);
  ASSERT_TRUE(copy.apply_changes(ledger_.take_changes()).ok());
  range("view:hours", 65, 0, 651, 1);
  ASSERT_TRUE(copy.apply_changes(ledger_.take_changes()).ok());
  for (const Ledger* books : {&ledger_, &copy}) {
    const Report report = books->report(ends(1LL << 40));
    ASSERT_EQ(report.open.size(), 1U);
    EXPECT_EQ(report.open[0].kind, VerdictKind::kRepeated);
    EXPECT_EQ(report.open[0].repeated, 1U);
    EXPECT_EQ(report.open[0].detail, "partition:offset +0:651");
    EXPECT_EQ(report.open[0].minute, kStart);  // the day
  }
}

TEST_F(LedgerTest, AnOpenMinuteKeepsItsRowsWhenItIsFolded) {
  clean(0, 0, 100);
  for (const char* hop : {"received", "stored", "decoded"}) range(hop, 3, 0, 100, 50);
  range("view:hours", 3, 0, 100, 49);
  ledger_.take_changes();
  clean(3 * 24 * 60, 1000, 10);
  Ledger copy;
  set_up(copy);
  ASSERT_TRUE(copy.restore(ledger_.snapshot()).ok());
  for (const Ledger* books : {&ledger_, &copy}) {
    const Report report = books->report(ends(2000));
    ASSERT_EQ(report.open.size(), 1U);
    EXPECT_EQ(report.open[0].detail, "partition:offset -0:149");
  }
}

TEST_F(LedgerTest, DroppedHopsAndStreamsAreForgotten) {
  clean(0, 0, 100);
  range("view:old", 0, 0, 0, 10);
  ledger_.link(kStream, "plays", {"decoded", "view:old", {}});
  Ledger copy;
  ASSERT_TRUE(copy.apply_changes(ledger_.take_changes()).ok());
  EXPECT_FALSE(ledger_.report(ends(100)).closed);
  ledger_.drop_hop("view:old");
  EXPECT_TRUE(ledger_.report(ends(100)).open.empty());
  ASSERT_TRUE(copy.apply_changes(ledger_.take_changes()).ok());
  EXPECT_EQ(copy.snapshot(), ledger_.snapshot());
  ledger_.drop(kStream);
  EXPECT_TRUE(ledger_.rows().empty());
  ASSERT_TRUE(copy.apply_changes(ledger_.take_changes()).ok());
  EXPECT_TRUE(copy.rows().empty());
}

TEST_F(LedgerTest, ThreadsMayMergeAtOnce) {
  std::vector<std::thread> threads;
  for (int32_t partition = 0; partition < 4; ++partition) {
    threads.emplace_back([&, partition] {
      for (int64_t step = 0; step < 200; ++step) {
        for (const char* hop : {"received", "stored", "decoded", "view:hours"})
          range(hop, step / 50, partition, step * 10, 10);
        if (step % 20 == 0) ledger_.take_changes();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(ledger_.report({}).open.empty());
  EXPECT_EQ(ledger_.rows().size(), 16U);
}

TEST_F(LedgerTest, ReportsReadWell) {
  clean(0, 0, 1200);
  EXPECT_NE(render(ledger_.report({})).find("the books are closed\n"), std::string::npos);
  range("view:hours", 0, 0, 7, 1);
  const Report report = ledger_.report({});
  const std::string text = render(report);
  EXPECT_NE(text.find("plays   view:hours  1,201  "), std::string::npos) << text;
  EXPECT_NE(
      text.find(
          "plays: decoded -> view:hours, minute 2025-01-01T00:00:00Z: repeated: 1 repeated (partition:offset +0:7)\n"
          "the books are NOT closed\n"),
      std::string::npos)
      << text;
  const std::string json = to_json(report);
  EXPECT_TRUE(
      json.starts_with(R"({"closed":false,"totals":[{"stream":"plays","hop":"received","count":1200,"fingerprint":")"))
      << json;
  EXPECT_TRUE(
      json.ends_with(R"("open":[{"stream":"plays","from":"decoded","to":"view:hours","minute":"2025-01-01T00:00:00Z",)"
                     R"("kind":"repeated","lost":0,"repeated":1,"in_flight":0,"detail":"partition:offset +0:7"}]})"))
      << json;
}

}  // namespace
}  // namespace millrace::ledger
