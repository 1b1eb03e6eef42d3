// Points in time and durations. All times are UTC; the unit is part of the name.
#pragma once

#include <compare>
#include <cstdint>

namespace millrace {

/// Microseconds since 1970-01-01T00:00:00Z, as DuckDB's TIMESTAMP holds them.
struct Timestamp {
  int64_t micros = 0;
  constexpr auto operator<=>(const Timestamp&) const = default;
  constexpr int64_t millis() const { return micros >= 0 ? micros / 1000 : -((-micros + 999) / 1000); }
  static constexpr Timestamp from_millis(int64_t ms) { return Timestamp{ms * 1000}; }
};

/// A length of time in microseconds.
struct Duration {
  int64_t micros = 0;
  constexpr auto operator<=>(const Duration&) const = default;
  static constexpr Duration from_millis(int64_t ms) { return Duration{ms * 1000}; }
  static constexpr Duration from_seconds(int64_t s) { return Duration{s * 1000000}; }
};

constexpr Timestamp operator+(Timestamp t, Duration d) { return Timestamp{t.micros + d.micros}; }
constexpr Timestamp operator-(Timestamp t, Duration d) { return Timestamp{t.micros - d.micros}; }
constexpr Duration operator-(Timestamp a, Timestamp b) { return Duration{a.micros - b.micros}; }

}  // namespace millrace
