#include "formats/scalar_format.h"

#include <charconv>
#include <limits>

namespace millrace::formats {
namespace {

using batch::int128;
using uint128 = unsigned __int128;

constexpr int64_t kSecondsPerDay = 86400;

int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

/// `digits` digits with zeros in front, ending at `end`.
void write_digits(char* end, uint64_t value, int digits) {
  for (; digits > 0; --digits, value /= 10) *--end = static_cast<char>('0' + value % 10);
}

void append_digits(std::string& out, uint64_t value, int digits) {
  char text[20];
  write_digits(text + digits, value, digits);
  out.append(text, static_cast<size_t>(digits));
}

/// The year with at least four digits, month and day (Hinnant, "chrono-compatible low-level date algorithms").
void append_civil(std::string& out, int64_t days) {
  days += 719468;
  int64_t era = floor_divide(days, 146097);
  auto day_of_era = static_cast<unsigned>(days - era * 146097);
  unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  unsigned month_from_march = (5 * day_of_year + 2) / 153;
  unsigned day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  int64_t year = static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2);
  if (year < 0) out.push_back('-');
  auto size = static_cast<uint64_t>(year < 0 ? -year : year);
  append_digits(out, size, size > 99999 ? 6 : size > 9999 ? 5 : 4);
  char rest[] = "-00-00";
  write_digits(rest + 3, month, 2);
  write_digits(rest + 6, day, 2);
  out.append(rest, 6);
}

void append_clock(std::string& out, int64_t second_of_day) {
  char text[] = "00:00:00";
  write_digits(text + 2, static_cast<uint64_t>(second_of_day / 3600), 2);
  write_digits(text + 5, static_cast<uint64_t>(second_of_day / 60 % 60), 2);
  write_digits(text + 8, static_cast<uint64_t>(second_of_day % 60), 2);
  out.append(text, 8);
}

/// Nothing for a whole second, else 3, 6 or 9 digits.
void append_fraction(std::string& out, int64_t nanos) {
  if (nanos == 0) return;
  out.push_back('.');
  if (nanos % 1000000 == 0) return append_digits(out, static_cast<uint64_t>(nanos / 1000000), 3);
  if (nanos % 1000 == 0) return append_digits(out, static_cast<uint64_t>(nanos / 1000), 6);
  append_digits(out, static_cast<uint64_t>(nanos), 9);
}

/// DuckDB's infinite dates and timestamps are the largest number and its negative.
template <typename Integer>
bool append_infinity(std::string& out, Integer value) {
  constexpr Integer kInfinity = std::numeric_limits<Integer>::max();
  if (value != kInfinity && value != -kInfinity) return false;
  out.append(value == kInfinity ? "infinity" : "-infinity");
  return true;
}

}  // namespace

void append_int128(std::string& out, int128 value) { append_decimal(out, value, 0); }

void append_decimal(std::string& out, int128 scaled, uint8_t scale) {
  char text[48];
  char* const end = text + sizeof text;
  char* at = end;
  uint128 rest = scaled < 0 ? -static_cast<uint128>(scaled) : static_cast<uint128>(scaled);
  int digits = 0;
  while (rest != 0 || digits <= scale) {
    if (digits == scale && scale > 0) *--at = '.';
    // 128-bit divisions are calls; most values are small.
    unsigned digit = 0;
    if (rest <= UINT64_MAX) {
      auto small = static_cast<uint64_t>(rest);
      digit = static_cast<unsigned>(small % 10);
      rest = small / 10;
    } else {
      digit = static_cast<unsigned>(rest % 10);
      rest /= 10;
    }
    *--at = static_cast<char>('0' + digit);
    ++digits;
  }
  if (scaled < 0) *--at = '-';
  out.append(at, end);
}

void append_date(std::string& out, int32_t days) {
  if (!append_infinity(out, days)) append_civil(out, days);
}

void append_time(std::string& out, int64_t micros) {
  append_clock(out, micros / 1000000);
  append_fraction(out, micros % 1000000 * 1000);
}

void append_timestamp(std::string& out, int64_t value, int64_t units_per_second) {
  if (append_infinity(out, value)) return;
  int64_t seconds = floor_divide(value, units_per_second);
  int64_t days = floor_divide(seconds, kSecondsPerDay);
  append_civil(out, days);
  out.push_back('T');
  append_clock(out, seconds - days * kSecondsPerDay);
  append_fraction(out, (value - seconds * units_per_second) * (1000000000 / units_per_second));
  out.push_back('Z');
}

void append_uuid(std::string& out, int128 value) {
  uint128 bits = static_cast<uint128>(value) ^ (uint128{1} << 127);
  char text[36];
  for (int i = 35; i >= 0; --i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      text[i] = '-';
      continue;
    }
    text[i] = "0123456789abcdef"[static_cast<unsigned>(bits & 15)];
    bits >>= 4;
  }
  out.append(text, sizeof text);
}

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    char text[4];
    for (size_t k = 0; k < 4; ++k) text[k] = k <= count ? kAlphabet[bits >> (18 - 6 * k) & 63] : '=';
    out.append(text, 4);
  }
}

}  // namespace millrace::formats
