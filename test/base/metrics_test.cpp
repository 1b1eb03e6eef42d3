#include "base/metrics.h"

#include <gtest/gtest.h>

#include <bit>

namespace millrace {
namespace {

TEST(Histogram, BucketsCoverAllValuesInOrder) {
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    const uint64_t bound = Histogram::upper_bound(bucket);
    ASSERT_EQ(Histogram::bucket_of(bound), bucket);
    if (bound != UINT64_MAX) {
      ASSERT_EQ(Histogram::bucket_of(bound + 1), bucket + 1);
    }
  }
  EXPECT_EQ(Histogram::upper_bound(Histogram::kBuckets - 1), UINT64_MAX);
}

TEST(Histogram, QuantilesAreRightWithinAQuarter) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0u);
  for (uint64_t value = 1; value <= 100000; ++value) histogram.record(value);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double exact = q * 100000;
    const auto found = static_cast<double>(histogram.quantile(q));
    EXPECT_GE(found, exact);
    EXPECT_LE(found, exact * 1.25 + 1);
  }
  EXPECT_EQ(histogram.count(), 100000u);
  EXPECT_EQ(histogram.sum(), 5000050000u);
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  Metrics metrics;
  Counter& a = metrics.counter("rows", "Rows.", {{"stream", "plays"}});
  EXPECT_EQ(&a, &metrics.counter("rows", "", {{"stream", "plays"}}));
  EXPECT_NE(&a, &metrics.counter("rows", "", {{"stream", "titles"}}));
}

TEST(Metrics, OpenMetricsText) {
  Metrics metrics;
  metrics.counter("millrace_log_appended_bytes", "Bytes \"appended\".", {{"stream", "a\"b\\c\nd"}}, Unit::kBytes)
      .add(7);
  metrics.gauge("millrace_lag", "Rows not\nread yet.").set(-3);
  Histogram& sync = metrics.histogram("millrace_sync_seconds", "Time of a sync.", {{"disk", "x"}}, Unit::kSeconds);
  sync.record(1);
  sync.record(3000);
  sync.record(3500000);
  EXPECT_EQ(metrics.openmetrics(),
            "# TYPE millrace_lag gauge\n"
            "# HELP millrace_lag Rows not\\nread yet.\n"
            "millrace_lag -3\n"
            "# TYPE millrace_log_appended_bytes counter\n"
            "# UNIT millrace_log_appended_bytes bytes\n"
            "# HELP millrace_log_appended_bytes Bytes \\\"appended\\\".\n"
            "millrace_log_appended_bytes_total{stream=\"a\\\"b\\\\c\\nd\"} 7\n"
            "# TYPE millrace_sync_seconds histogram\n"
            "# UNIT millrace_sync_seconds seconds\n"
            "# HELP millrace_sync_seconds Time of a sync.\n"
            "millrace_sync_seconds_bucket{disk=\"x\",le=\"0.000001\"} 1\n"
            "millrace_sync_seconds_bucket{disk=\"x\",le=\"0.004095\"} 2\n"
            "millrace_sync_seconds_bucket{disk=\"x\",le=\"4.194303\"} 3\n"
            "millrace_sync_seconds_bucket{disk=\"x\",le=\"+Inf\"} 3\n"
            "millrace_sync_seconds_sum{disk=\"x\"} 3.503001\n"
            "millrace_sync_seconds_count{disk=\"x\"} 3\n"
            "# EOF\n");
}

TEST(Metrics, WatchedGaugesAskAndGo) {
  Metrics metrics;
  int64_t depth = 5;
  {
    const auto watched = metrics.watch("depth", "Items.", {{"queue", "in"}}, [&] { return depth; });
    EXPECT_NE(metrics.openmetrics().find("depth{queue=\"in\"} 5\n"), std::string::npos);
    depth = 6;
    EXPECT_NE(metrics.openmetrics().find("depth{queue=\"in\"} 6\n"), std::string::npos);
  }
  EXPECT_EQ(metrics.openmetrics(), "# EOF\n");
  const auto again = metrics.watch("depth", "Items.", {{"queue", "in"}}, [&] { return depth; });
  EXPECT_NE(metrics.openmetrics().find("depth"), std::string::npos);
}

TEST(MetricsDeathTest, OneNameHasOneKind) {
  Metrics metrics;
  metrics.counter("x", "");
  EXPECT_DEATH(metrics.gauge("x", ""), "two kinds");
}

}  // namespace
}  // namespace millrace
