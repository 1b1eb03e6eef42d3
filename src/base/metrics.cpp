#include "base/metrics.h"

#include <bit>
#include <cmath>
#include <cstdio>

#include "base/result.h"

namespace millrace {

// Values 0..7 have a bucket each. Above, a power of two has four: the top bit, then the two bits below it.
size_t Histogram::bucket_of(uint64_t value) {
  if (value < 8) return static_cast<size_t>(value);
  const auto top = static_cast<size_t>(std::bit_width(value)) - 1;  // 3..63
  return 8 + (top - 3) * 4 + static_cast<size_t>((value >> (top - 2)) & 3);
}

uint64_t Histogram::upper_bound(size_t bucket) {
  if (bucket < 8) return bucket;
  const size_t top = 3 + (bucket - 8) / 4;
  const uint64_t quarter = (bucket - 8) % 4;
  return ((5 + quarter) << (top - 2)) - 1;  // in the last bucket the shift wraps to 0, which gives 2^64 − 1
}

uint64_t Histogram::count() const {
  uint64_t total = 0;
  for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  return total;
}

uint64_t Histogram::quantile(double quantile) const {
  const uint64_t total = count();
  if (total == 0) return 0;
  auto rank = static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(total)));
  if (rank == 0) rank = 1;
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += bucket_count(bucket);
    if (seen >= rank) return upper_bound(bucket);
  }
  return upper_bound(kBuckets - 1);
}

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

namespace {

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\')
      out.append("\\\\");
    else if (c == '\n')
      out.append("\\n");
    else if (c == '"' && quotes)
      out.append("\\\"");
    else
      out.push_back(c);
  }
}

std::string text_of(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text.push_back(',');
    text.append(name).append("=\"");
    append_escaped(text, value, true);
    text.push_back('"');
  }
  return text;
}

/// Seconds exactly, from microseconds: "1.5", "0.000001".
std::string seconds_text(uint64_t micros) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%llu.%06llu", static_cast<unsigned long long>(micros / 1000000),
                static_cast<unsigned long long>(micros % 1000000));
  std::string text = buffer;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.push_back('0');
  return text;
}

std::string value_text(uint64_t value, Unit unit) {
  return unit == Unit::kSeconds ? seconds_text(value) : std::to_string(value);
}

std::string value_text(int64_t value, Unit unit) {
  if (unit != Unit::kSeconds) return std::to_string(value);
  const uint64_t magnitude = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  return (value < 0 ? "-" : "") + seconds_text(magnitude);
}

void write_sample(std::string& out, const std::string& name, std::string_view suffix, const std::string& labels,
                  const std::string& more, const std::string& value) {
  out.append(name).append(suffix);
  if (!labels.empty() || !more.empty()) {
    out.append("{").append(labels);
    if (!labels.empty() && !more.empty()) out.push_back(',');
    out.append(more).append("}");
  }
  out.append(" ").append(value).append("\n");
}

/// Shows the bound of every power of two between the first and the last value seen; buckets are cumulative.
void write_histogram(std::string& out, const std::string& name, const std::string& labels, const Histogram& histogram,
                     Unit unit) {
  uint64_t total = 0;
  uint64_t shown = 0;
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    total += histogram.bucket_count(bucket);
    const uint64_t bound = Histogram::upper_bound(bucket);
    const bool at_power = std::has_single_bit(bound + 1);
    if (!at_power || total == shown || bound == UINT64_MAX) continue;
    shown = total;
    write_sample(out, name, "_bucket", labels, "le=\"" + value_text(bound, unit) + "\"", std::to_string(total));
  }
  write_sample(out, name, "_bucket", labels, "le=\"+Inf\"", std::to_string(total));
  write_sample(out, name, "_sum", labels, "", value_text(histogram.sum(), unit));
  write_sample(out, name, "_count", labels, "", std::to_string(total));
}

}  // namespace

Metrics::Series& Metrics::series(Kind kind, std::string_view name, std::string_view help, const Labels& labels,
                                 Unit unit) {
  auto at = families_.find(name);
  if (at == families_.end()) {
    Family family;
    family.kind = kind;
    family.unit = unit;
    family.help = std::string(help);
    at = families_.emplace(std::string(name), std::move(family)).first;
  }
  MR_CHECK(at->second.kind == kind, "one metric name has two kinds");
  return at->second.series[text_of(labels)];
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels, Unit unit) {
  const std::lock_guard lock(mutex_);
  auto& place = series(Kind::kCounter, name, help, labels, unit).counter;
  if (!place) place = std::make_unique<Counter>();
  return *place;
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels, Unit unit) {
  const std::lock_guard lock(mutex_);
  auto& place = series(Kind::kGauge, name, help, labels, unit).gauge;
  if (!place) place = std::make_unique<Gauge>();
  return *place;
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, const Labels& labels, Unit unit) {
  const std::lock_guard lock(mutex_);
  auto& place = series(Kind::kHistogram, name, help, labels, unit).histogram;
  if (!place) place = std::make_unique<Histogram>();
  return *place;
}

std::unique_ptr<Metrics::Watched> Metrics::watch(std::string_view name, std::string_view help, const Labels& labels,
                                                 std::function<int64_t()> read) {
  const std::lock_guard lock(mutex_);
  Series& place = series(Kind::kGauge, name, help, labels, Unit::kNone);
  MR_CHECK(!place.read && !place.gauge, "a gauge is watched twice");
  place.read = std::move(read);
  return std::unique_ptr<Watched>(new Watched(*this, std::string(name), text_of(labels)));
}

void Metrics::unwatch(const std::string& name, const std::string& labels) {
  const std::lock_guard lock(mutex_);
  const auto family = families_.find(name);
  if (family == families_.end()) return;
  family->second.series.erase(labels);
  if (family->second.series.empty()) families_.erase(family);
}

Metrics::Watched::~Watched() { owner_.unwatch(name_, labels_); }

void Metrics::write_family(std::string& out, const std::string& name, const Family& family) {
  static constexpr const char* kKinds[] = {"counter", "gauge", "histogram"};
  out.append("# TYPE ").append(name).append(" ").append(kKinds[static_cast<size_t>(family.kind)]).append("\n");
  const std::string_view unit = family.unit == Unit::kBytes ? "bytes" : family.unit == Unit::kSeconds ? "seconds" : "";
  // OpenMetrics allows the line only when the name ends in the unit.
  if (!unit.empty() && name.ends_with("_" + std::string(unit))) {
    out.append("# UNIT ").append(name).append(" ").append(unit).append("\n");
  }
  out.append("# HELP ").append(name).append(" ");
  append_escaped(out, family.help, true);
  out.append("\n");
  for (const auto& [labels, series] : family.series) {
    if (series.counter) {
      write_sample(out, name, "_total", labels, "", value_text(series.counter->value(), family.unit));
    } else if (series.histogram) {
      write_histogram(out, name, labels, *series.histogram, family.unit);
    } else {
      const int64_t value = series.read ? series.read() : series.gauge->value();
      write_sample(out, name, "", labels, "", value_text(value, family.unit));
    }
  }
}

std::string Metrics::openmetrics() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) write_family(out, name, family);
  out.append("# EOF\n");
  return out;
}

}  // namespace millrace
