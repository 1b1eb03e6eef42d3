#include "base/text.h"

#include <gtest/gtest.h>

#include "base/simulated_env.h"

namespace millrace {
namespace {

TEST(Text, TrimAndSplit) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim("   "), "");
  EXPECT_EQ(split_view("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(split_view("", ','), (std::vector<std::string_view>{""}));
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
}

TEST(Text, CaseOfAsciiLettersOnly) {
  EXPECT_EQ(to_lower_ascii("ÄBC1z"), "Äbc1z");
  EXPECT_EQ(to_upper_ascii("äbc1Z"), "äBC1Z");
  EXPECT_TRUE(iequals("Window_Start", "wINDOW_sTART"));
  EXPECT_FALSE(iequals("a", "ab"));
  EXPECT_FALSE(iequals("[", "{"));  // they differ by the bit that letters' cases differ by
  const ILess less;
  EXPECT_FALSE(less("ABC", "abc"));
  EXPECT_FALSE(less("abc", "ABC"));
  EXPECT_TRUE(less("abc", "ABD"));
}

TEST(Text, Quoting) {
  EXPECT_EQ(quote_identifier("plays_2"), "plays_2");
  EXPECT_EQ(quote_identifier("Plays"), "\"Plays\"");
  EXPECT_EQ(quote_identifier("2plays"), "\"2plays\"");
  EXPECT_EQ(quote_identifier(""), "\"\"");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
}

TEST(Text, JsonStrings) {
  EXPECT_EQ(json_string("plain é €"), "\"plain é €\"");
  EXPECT_EQ(json_string("a\"b\\c\n\r\t\x01\x1f"), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\"");
  EXPECT_EQ(json_string("x\xff\xc3y"), "\"x\xEF\xBF\xBD\xEF\xBF\xBDy\"");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), "\"\\u0000\"");
}

TEST(Utf8, Corners) {
  for (const std::string_view good : {"", "ascii only, longer than eight", "é", "€", "\xF0\x9F\x8E\xAC", "\xED\x9F\xBF",
                                      "\xEE\x80\x80", "\xF4\x8F\xBF\xBF", "12345678é12345678"}) {
    EXPECT_TRUE(is_valid_utf8(good)) << good;
  }
  for (const std::string_view bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "12345678\xFF", "\xF0\x9F\x8E", "\xE2\x28\xA1"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
  EXPECT_EQ(valid_utf8_prefix("abc\xFFxyz"), 3u);
  EXPECT_EQ(valid_utf8_prefix("123456789é\xE2\x82"), 11u);
}

/// Decodes by the definition: lead byte, continuation bytes, then the range of the code point.
bool is_valid_by_definition(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    size_t length = 0;
    uint32_t point = 0;
    if (lead < 0x80)
      length = 1, point = lead;
    else if ((lead & 0xE0) == 0xC0)
      length = 2, point = lead & 0x1F;
    else if ((lead & 0xF0) == 0xE0)
      length = 3, point = lead & 0x0F;
    else if ((lead & 0xF8) == 0xF0)
      length = 4, point = lead & 0x07;
    else
      return false;
    if (i + length > text.size()) return false;
    for (size_t j = 1; j < length; ++j) {
      if ((static_cast<uint8_t>(text[i + j]) & 0xC0) != 0x80) return false;
      point = point << 6 | (static_cast<uint8_t>(text[i + j]) & 0x3F);
    }
    static constexpr uint32_t kLowest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLowest[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    i += length;
  }
  return true;
}

TEST(Utf8, AgreesWithTheDefinitionOnRandomBytes) {
  SeededRandom random(5);
  static constexpr uint8_t kBytes[] = {'a',  'z',  0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1,
                                       0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};
  int valid = 0;
  for (int round = 0; round < 300000; ++round) {
    std::string text(random.below(5), '\0');
    for (char& byte : text) byte = static_cast<char>(kBytes[random.below(std::size(kBytes))]);
    ASSERT_EQ(is_valid_utf8(text), is_valid_by_definition(text));
    valid += is_valid_utf8(text);
  }
  EXPECT_GT(valid, 1000);
}

TEST(Text, ShortenCutsBetweenCharacters) {
  EXPECT_EQ(shorten("short", 10), "short");
  EXPECT_EQ(shorten("abcdef", 3), "abc…");
  EXPECT_EQ(shorten("aé", 2), "a…");
}

TEST(Text, Quantities) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(64 << 20), "64 MiB");
  EXPECT_EQ(format_duration(Duration{850}), "850 us");
  EXPECT_EQ(format_duration(Duration{12000}), "12 ms");
  EXPECT_EQ(format_duration(Duration{1500000}), "1.5 s");
  EXPECT_EQ(format_duration(Duration::from_seconds(125)), "2 min 5 s");
  EXPECT_EQ(format_duration(Duration::from_seconds(3 * 3600)), "3 h");
  EXPECT_EQ(format_duration(Duration::from_seconds(7 * 86400 + 3600)), "7 d 1 h");
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(-123456), "-123,456");
}

TEST(Iso8601, Formats) {
  EXPECT_EQ(format_iso8601(Timestamp{0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_iso8601(SimulatedClock::kStart), "2025-01-01T00:00:00Z");
  EXPECT_EQ(format_iso8601(Timestamp{-1}), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_iso8601(Timestamp{951782400123000}), "2000-02-29T00:00:00.123Z");
}

TEST(Iso8601, Parses) {
  EXPECT_EQ(parse_iso8601("2025-01-01")->micros, SimulatedClock::kStart.micros);
  EXPECT_EQ(parse_iso8601("2025-01-01 01:30:00+01:30")->micros, SimulatedClock::kStart.micros);
  EXPECT_EQ(parse_iso8601("2024-12-31T19:00:00-0500")->micros, SimulatedClock::kStart.micros);
  EXPECT_EQ(parse_iso8601("2025-01-01T00:00:00.123456789Z")->micros, SimulatedClock::kStart.micros + 123456);
  EXPECT_EQ(parse_iso8601("2025-01-01T00:01")->micros, SimulatedClock::kStart.micros + 60000000);
  for (const char* bad : {"", "2025", "2025-13-01", "2025-02-29", "2025-01-01T24:00:00", "2025-01-01T00:00:00.",
                          "2025-01-01T00:00:00.1234567890", "2025-01-01T00:00:00Zx", "2025-01-01x",
                          "2025-01-01T00:00+1", "25-01-01", "2025-1-1"}) {
    EXPECT_FALSE(parse_iso8601(bad).ok()) << bad;
  }
}

TEST(Iso8601, RandomTimesRoundTrip) {
  SeededRandom random(6);
  for (int round = 0; round < 20000; ++round) {
    // Years 0 to 9999.
    const Timestamp time{static_cast<int64_t>(random.below(315569520000000000)) - 62167219200000000};
    const auto back = parse_iso8601(format_iso8601(time));
    ASSERT_TRUE(back.ok()) << format_iso8601(time);
    ASSERT_EQ(back->micros, time.micros);
  }
}

}  // namespace
}  // namespace millrace
