// The titles file, and the arithmetic by which a report is published: views = hours / running time, rounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::connectors::playback {

/// Published hours and views are multiples of this.
inline constexpr int64_t kPublishedStep = 100'000;

/// A decimal number of hours: mantissa / 10^digits. Its double is the one that any JSON or CSV reader gets from text().
struct Runtime {
  int64_t mantissa = 0;
  int digits = 4;

  double hours() const;
  int64_t millis() const;
  std::string text() const;  ///< shortest form, with at least one digit after the point: 3.8333, 5.15, 3.0
};

struct Title {
  std::string kind;
  std::string title;
  std::string available_globally;
  std::string release_date;   ///< YYYY-MM-DD or empty
  std::string runtime_label;  ///< as published
  int64_t hours_viewed = 0;
  int64_t views = 0;
  int64_t release_ms = 0;  ///< 0 when the date is empty
  Runtime runtime;
  bool effective_runtime = false;  ///< runtime is hours / views, because the label does not give the views
};

/// floor(hours / runtime / 100000 + 0.5) * 100000 in IEEE doubles, left to right. `runtime` > 0.
int64_t published_views(int64_t hours_viewed, double runtime_hours);

/// H:MM or H:MM* (live: the running time of the last cut) as hours rounded to four decimals; false for any other text.
bool parse_runtime(std::string_view label, Runtime& out);

/// Days of the proleptic Gregorian calendar since 1970-01-01, as ms; false when it is not a date YYYY-MM-DD.
bool parse_date(std::string_view text, int64_t& out_ms);

/// Reads the CSV of Options::titles_csv. The error names the line (1 is the header) and the field.
Result<std::vector<Title>> read_titles(std::string_view csv);

}  // namespace millrace::connectors::playback
