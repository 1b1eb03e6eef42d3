// Random views over streams with watermarks: each with the query of DuckDB that says what it must hold, and the rule
// that says which rows are late (docs/sql/time.md), written here a second time.
#pragma once

#include <functional>
#include <random>
#include <string>

#include "watermark_streams.h"

namespace millrace::test {

struct WatermarkQuery {
  std::string kind;
  std::string view;
  bool on_close = false;
  int64_t lateness = 0;  ///< µs
  StreamOptions streams;
  /// What the view must hold when the smallest watermark is there, over s_in_time, r_in_time, late_s and late_r.
  std::function<std::string(int64_t watermark)> oracle;
  /// All rows taken so far that are late.
  std::function<std::set<LateRow>(WatermarkStreams&)> late;
  /// A row that the rule calls late may have had no reason to be looked at: behind a join.
  bool late_may_not_come = false;
  /// State entries that may stay when all time has passed.
  uint64_t entries_left = 0;
};

/// 132 seeds in a row are each kind with each type of join, on close and with every change.
WatermarkQuery random_watermark_query(std::mt19937_64& random, uint64_t seed);

}  // namespace millrace::test
