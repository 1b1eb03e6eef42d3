#include "base/config.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace millrace {

std::string Endpoint::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Endpoint::is_loopback() const {
  return iequals(host, "localhost") || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

namespace {

Error bad_value(std::string_view setting, std::string_view value, std::string_view accepted) {
  std::string message = "the setting " + std::string(setting) + " takes ";
  message.append(accepted).append(", not '").append(shorten(value)).append("'");
  return user_error(sqlstate::kInvalidParameter, std::move(message));
}

/// Takes a non-negative decimal number off the front of `text`. Fails on a sign, "inf", "nan" and hexadecimal forms.
bool take_number(std::string_view& text, double& number) {
  if (text.empty() || !(is_digit(text.front()) || text.front() == '.')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number)) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

std::string_view take_word(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && !is_space(text[length]) && !is_digit(text[length]) && text[length] != '.') ++length;
  const std::string_view word = text.substr(0, length);
  text.remove_prefix(length);
  return word;
}

/// number × unit as an integer: exact when the number is one, rounded when it has a fraction; false when it overflows.
bool scale(double number, uint64_t unit, uint64_t limit, uint64_t& scaled) {
  const double product = number * static_cast<double>(unit);
  if (!(product < static_cast<double>(limit))) return false;
  if (number == std::floor(number) && number < 9007199254740992.0) {
    scaled = static_cast<uint64_t>(number) * unit;
  } else {
    scaled = static_cast<uint64_t>(std::llround(product));
  }
  return true;
}

bool unit_of_size(std::string_view word, uint64_t& unit) {
  static constexpr std::string_view kPrefixes = "kmgtp";
  const std::string lower = to_lower_ascii(word);
  unit = 1;
  if (lower.empty() || lower == "b" || lower == "byte" || lower == "bytes") return true;
  const size_t power = kPrefixes.find(lower.front());
  if (power == std::string_view::npos) return false;
  const std::string_view rest = std::string_view(lower).substr(1);
  if (rest != "b" && rest != "ib" && rest != "i" && !rest.empty()) return false;
  const uint64_t base = rest.starts_with('i') ? 1024 : 1000;
  for (size_t i = 0; i <= power; ++i) unit *= base;
  return true;
}

struct TimeUnit {
  std::string_view name;
  int64_t micros;
};

constexpr int64_t kSecond = 1000000;
constexpr TimeUnit kTimeUnits[] = {
    {"us", 1},
    {"microsecond", 1},
    {"ms", 1000},
    {"millisecond", 1000},
    {"s", kSecond},
    {"sec", kSecond},
    {"second", kSecond},
    {"m", 60 * kSecond},
    {"min", 60 * kSecond},
    {"minute", 60 * kSecond},
    {"h", 3600 * kSecond},
    {"hr", 3600 * kSecond},
    {"hour", 3600 * kSecond},
    {"d", 86400 * kSecond},
    {"day", 86400 * kSecond},
    {"w", 7 * 86400 * kSecond},
    {"week", 7 * 86400 * kSecond},
};

int64_t micros_of_unit(std::string_view word) {
  const std::string lower = to_lower_ascii(word);
  for (const TimeUnit& unit : kTimeUnits) {
    if (lower == unit.name || (unit.name.size() > 1 && lower == std::string(unit.name) + "s")) return unit.micros;
  }
  return 0;
}

}  // namespace

Result<uint64_t> parse_size(std::string_view setting, std::string_view value) {
  static constexpr std::string_view kAccepted = "a size like 64MB, 16MiB or 1.5 GiB";
  std::string_view rest = trim(value);
  double number = 0;
  uint64_t unit = 1;
  uint64_t bytes = 0;
  if (!take_number(rest, number)) return bad_value(setting, value, kAccepted);
  rest = trim(rest);
  if (!unit_of_size(rest, unit)) return bad_value(setting, value, kAccepted);
  if (!scale(number, unit, uint64_t{1} << 63, bytes)) return bad_value(setting, value, "a size below 8 EiB");
  return bytes;
}

Result<Duration> parse_duration(std::string_view setting, std::string_view value) {
  static constexpr std::string_view kAccepted = "a duration like 500ms, 30 s, 5 min, 12 hours or 7 days";
  std::string_view rest = trim(value);
  if (rest == "0") return Duration{};
  if (rest.empty()) return bad_value(setting, value, kAccepted);
  int64_t total = 0;
  while (!rest.empty()) {
    double number = 0;
    if (!take_number(rest, number)) return bad_value(setting, value, kAccepted);
    rest = trim(rest);
    const int64_t unit = micros_of_unit(take_word(rest));
    rest = trim(rest);
    if (unit == 0) return bad_value(setting, value, kAccepted);
    uint64_t micros = 0;
    if (!scale(number, static_cast<uint64_t>(unit), uint64_t{1} << 62, micros) ||
        __builtin_add_overflow(total, static_cast<int64_t>(micros), &total)) {
      return bad_value(setting, value, "a duration below 100,000 years");
    }
  }
  return Duration{total};
}

Result<bool> parse_bool(std::string_view setting, std::string_view value) {
  const std::string lower = to_lower_ascii(trim(value));
  if (lower == "true" || lower == "on" || lower == "yes" || lower == "1") return true;
  if (lower == "false" || lower == "off" || lower == "no" || lower == "0") return false;
  return bad_value(setting, value, "true or false");
}

Result<int64_t> parse_integer(std::string_view setting, std::string_view value, int64_t low, int64_t high) {
  std::string_view text = trim(value);
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < low || number > high) {
    return bad_value(setting, value, "an integer from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

Result<double> parse_number(std::string_view setting, std::string_view value) {
  std::string_view text = trim(value);
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    return bad_value(setting, value, "a number");
  }
  return number;
}

Result<Endpoint> parse_endpoint(std::string_view setting, std::string_view value) {
  static constexpr std::string_view kAccepted = "an address like 127.0.0.1:8780, localhost:8780 or [::1]:8780";
  std::string_view text = trim(value);
  std::string_view host;
  const size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || colon != close + 1) return bad_value(setting, value, kAccepted);
    host = text.substr(1, close - 1);
    if (host.empty()) return bad_value(setting, value, kAccepted);
  } else if (colon == std::string_view::npos) {
    host = "127.0.0.1";
  } else {
    host = colon == 0 ? std::string_view("0.0.0.0") : text.substr(0, colon);
    if (host.find(':') != std::string_view::npos) return bad_value(setting, value, kAccepted);
  }
  const std::string_view digits = colon == std::string_view::npos ? text : text.substr(colon + 1);
  auto port = parse_integer(setting, digits, 0, std::numeric_limits<uint16_t>::max());
  const bool has_space = host.find_first_of(" \t/") != std::string_view::npos;
  if (!port.ok() || has_space || digits.empty() || !is_digit(digits.front()))
    return bad_value(setting, value, kAccepted);
  return Endpoint{std::string(host), static_cast<uint16_t>(*port)};
}

Result<std::string_view> parse_choice(std::string_view setting, std::string_view value,
                                      std::initializer_list<std::string_view> accepted) {
  const std::string_view text = trim(value);
  std::string words;
  size_t index = 0;
  for (const std::string_view word : accepted) {
    if (iequals(word, text)) return word;
    if (index > 0) words.append(index + 1 == accepted.size() ? " or " : ", ");
    words.append(word);
    ++index;
  }
  return bad_value(setting, value, words);
}

}  // namespace millrace
