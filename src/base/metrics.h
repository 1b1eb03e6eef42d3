// Metrics: counters, gauges and histograms with labels, and their OpenMetrics text (/metrics).
//
// A place asks for its metric once and keeps the reference, which lives as long as the Metrics object; changing one is
// lock-free. Main owns the one Metrics object of the program and hands it down. Any thread may call anything here.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// Only goes up.
class Counter {
 public:
  void add(uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// Goes up and down.
class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

/// Counts whole, non-negative values in buckets that grow by a quarter at most (four a power of two), so a quantile is
/// right within 25 %. Durations are recorded in microseconds.
class Histogram {
 public:
  static constexpr size_t kBuckets = 252;

  void record(uint64_t value) {
    buckets_[bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }
  uint64_t count() const;
  uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }
  /// The upper bound of the bucket that holds the `quantile` (0..1) of the values; 0 when there are none.
  uint64_t quantile(double quantile) const;
  uint64_t bucket_count(size_t bucket) const { return buckets_[bucket].load(std::memory_order_relaxed); }

  static size_t bucket_of(uint64_t value);
  /// The largest value that falls into the bucket.
  static uint64_t upper_bound(size_t bucket);

 private:
  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> sum_{0};
};

/// Label names and values, e.g. {{"stream", "plays"}, {"partition", "0"}}. The order is kept.
using Labels = std::vector<std::pair<std::string, std::string>>;

enum class Unit : uint8_t {
  kNone,
  kBytes,
  kSeconds,  ///< recorded in microseconds, shown in seconds
};

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// The metric of that name and those labels; made at the first call, which also decides help and unit. A name is one
  /// kind only (checked). Names follow OpenMetrics: the unit last, no `_total`, e.g. millrace_log_appended_bytes.
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {}, Unit unit = Unit::kNone);
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {}, Unit unit = Unit::kNone);
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {},
                       Unit unit = Unit::kNone);

  /// A gauge whose value is asked for when somebody looks. `read` runs on the looker's thread and must not call back
  /// into Metrics. It goes when the result is destroyed; after that it does not run.
  class Watched;
  [[nodiscard]] std::unique_ptr<Watched> watch(std::string_view name, std::string_view help, const Labels& labels,
                                               std::function<int64_t()> read);

  /// The OpenMetrics 1.0 text, with its closing `# EOF`. Content type: kOpenMetricsType.
  std::string openmetrics() const;

  static constexpr std::string_view kOpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

 private:
  enum class Kind : uint8_t { kCounter, kGauge, kHistogram };
  struct Series {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<int64_t()> read;
  };
  struct Family {
    Kind kind = Kind::kCounter;
    Unit unit = Unit::kNone;
    std::string help;
    std::map<std::string, Series> series;  // by the text of the labels, e.g. stream="plays",partition="0"
  };

  Series& series(Kind kind, std::string_view name, std::string_view help, const Labels& labels, Unit unit);
  void unwatch(const std::string& name, const std::string& labels);
  static void write_family(std::string& out, const std::string& name, const Family& family);

  mutable std::mutex mutex_;  // guards the maps, not the values
  std::map<std::string, Family, std::less<>> families_;
};

class Metrics::Watched {
 public:
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 private:
  friend class Metrics;
  Watched(Metrics& owner, std::string name, std::string labels)
      : owner_(owner), name_(std::move(name)), labels_(std::move(labels)) {}

  Metrics& owner_;
  const std::string name_;
  const std::string labels_;
};

}  // namespace millrace
