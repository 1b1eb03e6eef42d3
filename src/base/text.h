// Small functions on text. Letters are ASCII letters here: names in SQL and HTTP compare without regard to their case.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace millrace {

constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr char to_lower_ascii(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// Without white space at both ends. A view into `text`.
std::string_view trim(std::string_view text);
/// The parts between separators, views into `text`: "a,,b" has three, "" has one.
std::vector<std::string_view> split_view(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

std::string to_lower_ascii(std::string_view text);
std::string to_upper_ascii(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
/// For maps whose keys ignore case.
struct ILess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const;
};

/// As SQL writes a name: plain when it is a lower-case word, else "in ""quotes""".
std::string quote_identifier(std::string_view name);
/// As SQL writes a string: 'it''s'.
std::string quote_literal(std::string_view text);

/// Appends `text` as JSON writes a string, quotes included. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

/// Strict: no overlong forms, no surrogates, nothing above U+10FFFF. Plain ASCII takes 8 bytes a turn.
bool is_valid_utf8(std::string_view text);
/// How many bytes at the start of `text` are whole, valid characters.
size_t valid_utf8_prefix(std::string_view text);
/// `text` when it is short, else its start, cut between characters, and "…"; for values in error messages.
std::string shorten(std::string_view text, size_t bytes_max = 80);

/// For people: "512 B", "1.5 KiB", "64 MiB".
std::string format_bytes(uint64_t bytes);
/// For people: "850 us", "12 ms", "1.5 s", "2 min 5 s", "3 h", "7 d".
std::string format_duration(Duration duration);
/// For people: 1234567 → "1,234,567".
std::string format_count(int64_t value);
/// "2025-01-31T23:59:59Z", with ".123" or ".123456" when there are parts of a second.
std::string format_iso8601(Timestamp time);
/// Date, date and time (T or space, up to 9 digits of a second, cut to 6), with Z, ±HH, ±HH:MM or ±HHMM; UTC without.
Result<Timestamp> parse_iso8601(std::string_view text);

}  // namespace millrace
