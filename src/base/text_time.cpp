// The functions of text.h that write and read quantities and points in time.
#include <cstdio>
#include <cstdlib>

#include "base/text.h"

namespace millrace {
namespace {

/// One decimal, none when it is 0: "1.5", "64".
std::string short_decimal(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f", value);
  std::string text = buffer;
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

constexpr int64_t kMicrosPerSecond = 1000000;
constexpr int64_t kSecondsPerDay = 86400;

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

struct CivilDate {
  int64_t year;
  uint32_t month;
  uint32_t day;
};

// Both from Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil, civil_from_days).
int64_t days_from_civil(CivilDate date) {
  const int64_t y = date.year - (date.month <= 2 ? 1 : 0);
  const int64_t era = floor_divide(y, 400);
  const auto year_of_era = static_cast<uint32_t>(y - era * 400);
  const uint32_t day_of_year = (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
  const uint32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

CivilDate civil_from_days(int64_t days) {
  days += 719468;
  const int64_t era = floor_divide(days, 146097);
  const auto day_of_era = static_cast<uint32_t>(days - era * 146097);
  const uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint32_t shifted_month = (5 * day_of_year + 2) / 153;
  const uint32_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

uint32_t days_in_month(int64_t year, uint32_t month) {
  static constexpr uint32_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

/// Walks over the text of a time; each step says whether it fitted.
class TimeText {
 public:
  explicit TimeText(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool skip(char c) {
    if (peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool number(size_t digits, int64_t low, int64_t high, int64_t& value) {
    if (rest_.size() < digits) return false;
    value = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (!is_digit(rest_[i])) return false;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return value >= low && value <= high;
  }
  /// Digits after the point, as microseconds.
  bool fraction(int64_t& micros) {
    size_t digits = 0;
    micros = 0;
    for (; digits < rest_.size() && is_digit(rest_[digits]); ++digits) {
      if (digits < 6) micros = micros * 10 + (rest_[digits] - '0');
    }
    if (digits == 0 || digits > 9) return false;
    for (size_t i = digits; i < 6; ++i) micros *= 10;
    rest_.remove_prefix(digits);
    return true;
  }

 private:
  std::string_view rest_;
};

bool parse_date(TimeText& text, int64_t& days) {
  int64_t year = 0;
  int64_t month = 0;
  int64_t day = 0;
  if (!text.number(4, 0, 9999, year) || !text.skip('-') || !text.number(2, 1, 12, month) || !text.skip('-') ||
      !text.number(2, 1, 31, day) || day > days_in_month(year, static_cast<uint32_t>(month))) {
    return false;
  }
  days = days_from_civil({year, static_cast<uint32_t>(month), static_cast<uint32_t>(day)});
  return true;
}

bool parse_time_of_day(TimeText& text, int64_t& micros) {
  int64_t hour = 0;
  int64_t minute = 0;
  int64_t second = 0;
  int64_t fraction = 0;
  if (!text.number(2, 0, 23, hour) || !text.skip(':') || !text.number(2, 0, 59, minute)) return false;
  if (text.skip(':')) {
    if (!text.number(2, 0, 59, second)) return false;
    if (text.skip('.') && !text.fraction(fraction)) return false;
  }
  micros = (hour * 3600 + minute * 60 + second) * kMicrosPerSecond + fraction;
  return true;
}

bool parse_zone(TimeText& text, int64_t& offset_seconds) {
  offset_seconds = 0;
  if (text.done() || text.skip('Z') || text.skip('z')) return true;
  const bool west = text.peek() == '-';
  if (!text.skip('+') && !text.skip('-')) return false;
  int64_t hours = 0;
  int64_t minutes = 0;
  if (!text.number(2, 0, 15, hours)) return false;
  if (!text.done() && (text.skip(':'), !text.number(2, 0, 59, minutes))) return false;
  offset_seconds = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
  return true;
}

}  // namespace

std::string format_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return short_decimal(value) + " " + kUnits[unit];
}

std::string format_duration(Duration duration) {
  const int64_t micros = std::llabs(duration.micros);
  const std::string sign = duration.micros < 0 ? "-" : "";
  const auto two_units = [&](int64_t seconds, int64_t unit, const char* big, int64_t lower_unit, const char* small) {
    const int64_t rest = seconds % unit / lower_unit;
    return sign + std::to_string(seconds / unit) + big + (rest > 0 ? " " + std::to_string(rest) + small : "");
  };
  if (micros < 1000) return sign + std::to_string(micros) + " us";
  if (micros < kMicrosPerSecond) return sign + short_decimal(static_cast<double>(micros) / 1000) + " ms";
  if (micros < 60 * kMicrosPerSecond)
    return sign + short_decimal(static_cast<double>(micros) / kMicrosPerSecond) + " s";
  const int64_t seconds = micros / kMicrosPerSecond;
  if (seconds < 3600) return two_units(seconds, 60, " min", 1, " s");
  if (seconds < kSecondsPerDay) return two_units(seconds, 3600, " h", 60, " min");
  return two_units(seconds, kSecondsPerDay, " d", 3600, " h");
}

std::string format_count(int64_t value) {
  const std::string digits = std::to_string(value);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

std::string format_iso8601(Timestamp time) {
  const int64_t seconds = floor_divide(time.micros, kMicrosPerSecond);
  const int64_t fraction = time.micros - seconds * kMicrosPerSecond;
  const int64_t days = floor_divide(seconds, kSecondsPerDay);
  const auto of_day = static_cast<int>(seconds - days * kSecondsPerDay);
  const CivilDate date = civil_from_days(days);
  char buffer[80];
  int length =
      std::snprintf(buffer, sizeof buffer, "%04lld-%02u-%02uT%02d:%02d:%02d", static_cast<long long>(date.year),
                    date.month, date.day, of_day / 3600, of_day / 60 % 60, of_day % 60);
  std::string text(buffer, static_cast<size_t>(length));
  if (fraction != 0) {
    const bool millis = fraction % 1000 == 0;
    length = std::snprintf(buffer, sizeof buffer, millis ? ".%03d" : ".%06d",
                           static_cast<int>(millis ? fraction / 1000 : fraction));
    text.append(buffer, static_cast<size_t>(length));
  }
  return text + "Z";
}

Result<Timestamp> parse_iso8601(std::string_view text) {
  TimeText at(trim(text));
  int64_t days = 0;
  int64_t micros = 0;
  int64_t offset_seconds = 0;
  bool fits = parse_date(at, days);
  if (fits && !at.done()) fits = (at.skip('T') || at.skip('t') || at.skip(' ')) && parse_time_of_day(at, micros);
  if (fits) fits = parse_zone(at, offset_seconds) && at.done();
  if (!fits) {
    return user_error(sqlstate::kInvalidText, "not a point in time: " + shorten(text))
        .with_hint("Write it as 2025-01-31, 2025-01-31T23:59:59Z or 2025-01-31T23:59:59.123+02:00.");
  }
  return Timestamp{(days * kSecondsPerDay - offset_seconds) * kMicrosPerSecond + micros};
}

}  // namespace millrace
