#include "formats/scalar_text.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace millrace::formats {
namespace {

using batch::int128;
using batch::TypeId;
using uint128 = unsigned __int128;

constexpr uint128 kInt128Max = ~uint128{0} >> 1;

template <typename Integer>
bool store_if_fits(int128 value, batch::MutableColumn& column, size_t row) {
  if (value < static_cast<int128>(std::numeric_limits<Integer>::min()) ||
      value > static_cast<int128>(std::numeric_limits<Integer>::max())) {
    return false;
  }
  column.set<Integer>(row, static_cast<Integer>(value));
  return true;
}

int128 power_of_ten(int exponent) {
  int128 result = 1;
  for (int i = 0; i < exponent; ++i) result *= 10;
  return result;
}

bool store_decimal(const batch::Type& type, int128 scaled, batch::MutableColumn& column, size_t row) {
  switch (type.layout()) {
    case batch::Layout::kInt16: return store_if_fits<int16_t>(scaled, column, row);
    case batch::Layout::kInt32: return store_if_fits<int32_t>(scaled, column, row);
    case batch::Layout::kInt64: return store_if_fits<int64_t>(scaled, column, row);
    default: column.set<int128>(row, scaled); return true;
  }
}

std::optional<int> digits(std::string_view text, size_t at, size_t count) {
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || !is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/// Days from the epoch of a proleptic Gregorian date (Hinnant, "chrono-compatible low-level date algorithms").
int32_t days_from_civil(int year, unsigned month, unsigned day) {
  year -= month <= 2;
  int era = (year >= 0 ? year : year - 399) / 400;
  auto year_of_era = static_cast<unsigned>(year - era * 400);
  unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + static_cast<int>(day_of_era) - 719468;
}

unsigned days_in_month(int year, int month) {
  static constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

}  // namespace

std::optional<int128> parse_int128(std::string_view text) {
  bool negative = !text.empty() && text[0] == '-';
  size_t at = negative || (!text.empty() && text[0] == '+') ? 1 : 0;
  if (at == text.size()) return std::nullopt;
  uint128 limit = kInt128Max + negative;
  uint128 value = 0;
  for (; at < text.size(); ++at) {
    if (!is_digit(text[at])) return std::nullopt;
    auto digit = static_cast<unsigned>(text[at] - '0');
    if (value > (limit - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return static_cast<int128>(negative ? -value : value);
}

std::optional<int128> parse_decimal(std::string_view text, uint8_t width, uint8_t scale) {
  bool negative = !text.empty() && text[0] == '-';
  if (negative || (!text.empty() && text[0] == '+')) text.remove_prefix(1);
  int exponent = 0;
  if (size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view digits_of = text.substr(e + 1);
    if (!digits_of.empty() && digits_of[0] == '+') digits_of.remove_prefix(1);
    auto [end, failed] = std::from_chars(digits_of.data(), digits_of.data() + digits_of.size(), exponent);
    if (failed != std::errc() || end != digits_of.data() + digits_of.size() || exponent > 40 || exponent < -80)
      return std::nullopt;
    text = text.substr(0, e);
  }
  int128 value = 0;
  int fraction = 0;
  bool point = false;
  bool any = false;
  int significant = 0;
  for (char c : text) {
    if (c == '.') {
      if (point) return std::nullopt;
      point = true;
      continue;
    }
    if (!is_digit(c)) return std::nullopt;
    any = true;
    if (significant > 0 || c != '0') ++significant;
    if (significant > 38) return std::nullopt;
    value = value * 10 + (c - '0');
    fraction += point;
  }
  if (!any) return std::nullopt;
  int shift = scale - fraction + exponent;
  if (value != 0 && shift > 0) {
    if (significant + shift > 38) return std::nullopt;
    value *= power_of_ten(shift);
  }
  for (; shift < 0 && value != 0; ++shift) {
    if (value % 10 != 0) return std::nullopt;
    value /= 10;
  }
  if (value >= power_of_ten(width)) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> parse_double(std::string_view text) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  double value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<int32_t> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  auto year = digits(text, 0, 4);
  auto month = digits(text, 5, 2);
  auto day = digits(text, 8, 2);
  if (!year || !month || !day || *month < 1 || *month > 12 || *day < 1) return std::nullopt;
  if (static_cast<unsigned>(*day) > days_in_month(*year, *month)) return std::nullopt;
  return days_from_civil(*year, static_cast<unsigned>(*month), static_cast<unsigned>(*day));
}

std::optional<int64_t> parse_time(std::string_view text) {
  if (text.size() < 8 || text[2] != ':' || text[5] != ':') return std::nullopt;
  auto hour = digits(text, 0, 2);
  auto minute = digits(text, 3, 2);
  auto second = digits(text, 6, 2);
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  int64_t micros = 0;
  if (text.size() > 8) {
    if (text[8] != '.' || text.size() == 9 || text.size() > 18) return std::nullopt;
    int64_t unit = 100000;
    for (size_t i = 9; i < text.size(); ++i, unit /= 10) {
      if (!is_digit(text[i])) return std::nullopt;
      micros += unit * (text[i] - '0');
    }
  }
  return ((*hour * 60 + *minute) * 60 + *second) * int64_t{1000000} + micros;
}

std::optional<int128> parse_uuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  uint128 value = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = to_lower_ascii(text[i]);
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    bool letter = c >= 'a' && c <= 'f';
    if (!letter && !is_digit(c)) return std::nullopt;
    value = value << 4 | static_cast<unsigned>(letter ? c - 'a' + 10 : c - '0');
  }
  return static_cast<int128>(value ^ (uint128{1} << 127));
}

bool parse_base64(std::string_view text, std::string& out) {
  size_t length = text.size();
  while (length > 0 && text[length - 1] == '=') --length;
  if (text.size() % 4 != 0 || text.size() - length > 2) return false;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text.substr(0, length)) {
    static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return true;
}

bool store_integer(const batch::Type& type, int128 value, batch::MutableColumn& column, size_t row) {
  switch (type.id()) {
    case TypeId::kTinyint: return store_if_fits<int8_t>(value, column, row);
    case TypeId::kSmallint: return store_if_fits<int16_t>(value, column, row);
    case TypeId::kInteger: return store_if_fits<int32_t>(value, column, row);
    case TypeId::kBigint: return store_if_fits<int64_t>(value, column, row);
    case TypeId::kUtinyint: return store_if_fits<uint8_t>(value, column, row);
    case TypeId::kUsmallint: return store_if_fits<uint16_t>(value, column, row);
    case TypeId::kUinteger: return store_if_fits<uint32_t>(value, column, row);
    case TypeId::kUbigint: return store_if_fits<uint64_t>(value, column, row);
    case TypeId::kHugeint: column.set<int128>(row, value); return true;
    case TypeId::kFloat: column.set<float>(row, static_cast<float>(value)); return true;
    case TypeId::kDouble: column.set<double>(row, static_cast<double>(value)); return true;
    case TypeId::kDecimal: {
      int128 unit = power_of_ten(type.decimal_scale());
      int128 limit = power_of_ten(type.decimal_width() - type.decimal_scale());
      if (value >= limit || value <= -limit) return false;
      return store_decimal(type, value * unit, column, row);
    }
    default: return false;
  }
}

bool store_text(const batch::Type& type, std::string_view text, batch::MutableColumn& column, size_t row) {
  switch (type.id()) {
    case TypeId::kBoolean: {
      bool yes = iequals(text, "true") || text == "t" || text == "1";
      bool no = iequals(text, "false") || text == "f" || text == "0";
      if (yes || no) column.set<bool>(row, yes);
      return yes || no;
    }
    case TypeId::kFloat:
    case TypeId::kDouble: {
      auto value = parse_double(text);
      if (!value) return false;
      if (type.id() == TypeId::kFloat && std::isfinite(*value) && std::abs(*value) > std::numeric_limits<float>::max())
        return false;
      if (type.id() == TypeId::kFloat) column.set<float>(row, static_cast<float>(*value));
      if (type.id() == TypeId::kDouble) column.set<double>(row, *value);
      return true;
    }
    case TypeId::kDecimal: {
      auto value = parse_decimal(text, type.decimal_width(), type.decimal_scale());
      return value && store_decimal(type, *value, column, row);
    }
    case TypeId::kUuid: {
      auto value = parse_uuid(text);
      if (value) column.set<int128>(row, *value);
      return value.has_value();
    }
    case TypeId::kDate: {
      auto value = parse_date(text);
      if (value) column.set<int32_t>(row, *value);
      return value.has_value();
    }
    case TypeId::kTime: {
      auto value = parse_time(text);
      if (value) column.set<int64_t>(row, *value);
      return value.has_value();
    }
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
    case TypeId::kTimestampMs:
    case TypeId::kTimestampS:
    case TypeId::kTimestampNs: {
      Result<Timestamp> value = parse_iso8601(text);
      if (!value.ok()) return false;
      int64_t micros = value->micros;
      if (type.id() == TypeId::kTimestampMs) micros = value->millis();
      if (type.id() == TypeId::kTimestampS) micros = Timestamp{micros / 1000}.millis();
      if (type.id() == TypeId::kTimestampNs && __builtin_mul_overflow(micros, int64_t{1000}, &micros)) return false;
      column.set<int64_t>(row, micros);
      return true;
    }
    default: {
      auto value = parse_int128(text);
      return value && store_integer(type, *value, column, row);
    }
  }
}

bool can_decode(const batch::Type& type) {
  switch (type.id()) {
    case TypeId::kList: return can_decode(type.child());
    case TypeId::kStruct:
      for (size_t i = 0; i < type.struct_field_count(); ++i) {
        if (!can_decode(type.struct_field_type(i))) return false;
      }
      return true;
    case TypeId::kMap:
      return type.child().struct_field_type(0).id() == TypeId::kVarchar &&
             can_decode(type.child().struct_field_type(1));
    case TypeId::kArray:
    case TypeId::kEnum:
    case TypeId::kInterval:
    case TypeId::kUhugeint:
    case TypeId::kNull:
    case TypeId::kOther: return false;
    default: return true;
  }
}

}  // namespace millrace::formats
