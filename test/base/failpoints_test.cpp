#include "base/failpoints.h"

#include <gtest/gtest.h>

#include <set>

#include "base/simulated_env.h"

namespace millrace {
namespace {

class FailpointsTest : public ::testing::Test {
 protected:
  SimulatedClock clock_;
  Failpoints failpoints_{clock_, 1};
};

TEST_F(FailpointsTest, OffDoesNothing) {
  FailPoint& point = failpoints_.point("log.append");
  EXPECT_FALSE(point.armed());
  EXPECT_TRUE(point.check().ok());
  EXPECT_TRUE(point.rows(100).none());
  EXPECT_EQ(point.hits(), 0u);
  EXPECT_EQ(&point, &failpoints_.point("log.append"));
}

TEST_F(FailpointsTest, ErrorWithAfterAndTimes) {
  ASSERT_TRUE(failpoints_.configure("log.append=error(ENOSPC),after=2,times=3").ok());
  FailPoint& point = failpoints_.point("log.append");
  std::string outcomes;
  for (int i = 0; i < 8; ++i) {
    const Status status = point.check();
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, sqlstate::kDiskFull);
    }
    outcomes += status.ok() ? '.' : 'x';
  }
  EXPECT_EQ(outcomes, "..xxx...");
  EXPECT_EQ(point.fired(), 3u);
}

TEST_F(FailpointsTest, OneInFiresAboutThatOften) {
  ASSERT_TRUE(failpoints_.configure("p=error,one_in=10").ok());
  FailPoint& point = failpoints_.point("p");
  int failed = 0;
  for (int i = 0; i < 10000; ++i) failed += !point.check().ok();
  EXPECT_GT(failed, 850);
  EXPECT_LT(failed, 1150);
  EXPECT_EQ(point.fired(), static_cast<uint64_t>(failed));
}

TEST_F(FailpointsTest, DropsExactlySoManyRowsAtPlacesOfTheSeed) {
  std::set<std::vector<uint64_t>> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    failpoints_.reseed(seed);
    ASSERT_TRUE(failpoints_.configure("ledger.stored=drop(5)").ok());
    FailPoint& point = failpoints_.point("ledger.stored");
    EXPECT_TRUE(point.check().ok());  // rows are not for check()
    EXPECT_TRUE(point.rows(0).none());
    std::vector<uint64_t> all;
    for (const uint64_t count : {3, 1, 100, 100}) {
      const RowFaults faults = point.rows(count);
      if (!faults.none()) {
        EXPECT_EQ(faults.action, FailAction::kDrop);
      }
      EXPECT_TRUE(std::is_sorted(faults.rows.begin(), faults.rows.end()));
      for (const uint64_t row : faults.rows) EXPECT_LT(row, count);
      EXPECT_EQ(std::set<uint64_t>(faults.rows.begin(), faults.rows.end()).size(), faults.rows.size());
      all.insert(all.end(), faults.rows.begin(), faults.rows.end());
    }
    EXPECT_EQ(all.size(), 5u);
    EXPECT_EQ(point.fired(), 5u);
    EXPECT_FALSE(point.armed());
    seen.insert(all);
  }
  EXPECT_GT(seen.size(), 20u);
}

TEST_F(FailpointsTest, SwapWaitsForTwoRows) {
  ASSERT_TRUE(failpoints_.configure("p=swap(1)").ok());
  FailPoint& point = failpoints_.point("p");
  EXPECT_TRUE(point.rows(1).none());
  EXPECT_EQ(point.rows(2).rows.size(), 1u);
}

TEST_F(FailpointsTest, DelayGoesThroughTheClock) {
  ASSERT_TRUE(failpoints_.configure("p=delay(250ms)").ok());
  EXPECT_TRUE(failpoints_.point("p").check().ok());
  EXPECT_EQ(clock_.monotonic().micros, 250000);
}

TEST_F(FailpointsTest, AbortRunsTheHandlerAndThenFails) {
  std::string died_at;
  failpoints_.on_abort([&](const std::string& point) { died_at = point; });
  ASSERT_TRUE(failpoints_.configure("engine.commit=abort,after=1").ok());
  FailPoint& point = failpoints_.point("engine.commit");
  EXPECT_TRUE(point.check().ok());
  EXPECT_FALSE(point.check().ok());
  EXPECT_EQ(died_at, "engine.commit");
}

TEST(FailpointsDeathTest, AbortKillsLikeKillMinusNine) {
  SimulatedClock clock;
  Failpoints failpoints(clock);
  ASSERT_TRUE(failpoints.configure("p=abort").ok());
  EXPECT_EXIT((void)failpoints.point("p").check(), ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(FailpointsTest, AllOrNoneOfATextIsSet) {
  EXPECT_FALSE(failpoints_.configure("a=error;b=explode").ok());
  EXPECT_FALSE(failpoints_.point("a").armed());
  EXPECT_TRUE(failpoints_.configure(" a = error( EIO ) ; ; b=repeat ;").ok());
  EXPECT_TRUE(failpoints_.point("a").armed());
  EXPECT_EQ(failpoints_.point("b").rows(9).action, FailAction::kRepeat);
  EXPECT_TRUE(failpoints_.configure("a=off").ok());
  EXPECT_FALSE(failpoints_.point("a").armed());
  for (const char* bad : {"a", "=error", "a=", "a=error(EWHAT)", "a=drop(0)", "a=drop(x)", "a=delay(5)", "a=error(EIO",
                          "a=error,when=2", "a=error,after=-1", "a=error,after"}) {
    EXPECT_FALSE(failpoints_.configure(bad).ok()) << bad;
  }
}

TEST_F(FailpointsTest, ClearTurnsAllOff) {
  ASSERT_TRUE(failpoints_.configure("b=error;a=error").ok());
  failpoints_.clear();
  const auto points = failpoints_.points();
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0]->name(), "a");
  for (const FailPoint* point : points) EXPECT_FALSE(point->armed());
}

TEST(FailpointsInEnv, AbortIsACrashOfTheSimulatedProcess) {
  SimulatedEnv env(1);
  auto file = std::move(env.files().create("a")).value();
  ASSERT_TRUE(env.failpoints().configure("files.append=abort,after=1").ok());
  EXPECT_TRUE(file->append(std::string_view("one")).ok());
  EXPECT_FALSE(file->append(std::string_view("two")).ok());
  EXPECT_TRUE(env.files().down());
  env.restart();
  EXPECT_EQ(*env.files().read_all("a"), "one");
}

}  // namespace
}  // namespace millrace
