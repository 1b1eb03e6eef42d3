// The truth: what each title is credited in the window, per week, and from what had arrived at the first publication.
// A week counts whole, also where it reaches over the window's edge; weeks that do not touch the window are left out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "connectors/playback/rows.h"
#include "connectors/playback/session.h"

namespace millrace::connectors::playback {

inline constexpr int64_t kWeekMs = 604'800'000;
inline constexpr int64_t kFirstMondayMs = 345'600'000;  ///< 1970-01-05T00:00:00Z; weeks run Monday to Sunday, UTC

class Truth {
 public:
  Truth(size_t rows, const Window& window, int64_t asof_ms);

  /// Credits a main play to `row` by the counting rules (docs/generators.md), from the events alone, and returns the
  /// sum.
  int64_t add_session(size_t row, int64_t epoch_ms, const std::vector<SessionEvent>& events);

  int64_t total_ms(size_t row) const { return total_[row]; }
  int64_t asof_ms(size_t row) const { return asof_[row]; }
  /// title_id,credited_ms of every row that is in the catalogue and has any, by title_id.
  std::string csv(const std::vector<Row>& rows, const std::vector<int64_t>& values) const;
  std::string total_csv(const std::vector<Row>& rows) const { return csv(rows, total_); }
  std::string asof_csv(const std::vector<Row>& rows) const { return csv(rows, asof_); }
  std::string week_csv(const std::vector<Row>& rows) const;
  uint64_t week_rows(const std::vector<Row>& rows) const;

 private:
  void credit_weeks(size_t row, int64_t from_ms, int64_t to_ms);

  Window window_;
  int64_t asof_limit_ms_;
  int64_t week_first_ms_;
  size_t weeks_;
  std::vector<int64_t> total_;
  std::vector<int64_t> asof_;
  std::vector<int64_t> week_;  ///< row * weeks_ + week
};

}  // namespace millrace::connectors::playback
