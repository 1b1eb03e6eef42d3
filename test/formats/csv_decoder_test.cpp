// CSV records into rows, as RFC 4180 has them.
#include <gtest/gtest.h>

#include "formats/decoding.h"

namespace millrace::formats {
namespace {

Decoding decode_csv(std::string_view columns, std::vector<std::string_view> records,
                    const DecoderOptions& options = {}) {
  return decode("csv", schema_of(columns), std::move(records), options);
}

TEST(CsvDecoder, QuotesDelimitersAndLineEnds) {
  Decoding result = decode_csv(
      "a VARCHAR; b VARCHAR; c INTEGER",
      {"plain,text,1", "\"a,b\",\"say \"\"hi\"\"\",2", "\"line\nend\r\n\", spaced ,3", "\"\",,4", "a\"b,c,5"});
  ASSERT_TRUE(result.errors.empty()) << result.errors[0].reason;
  EXPECT_EQ(result.rows.row_text(0), "[+1] plain, text, 1");
  EXPECT_EQ(result.rows.row_text(1), "[+1] a,b, say \"hi\", 2");
  EXPECT_EQ(result.rows.row_text(2), "[+1] line\nend\r\n,  spaced , 3");
  EXPECT_EQ(result.rows.row_text(3), "[+1] , NULL, 4");
  EXPECT_EQ(result.rows.row_text(4), "[+1] a\"b, c, 5");
}

TEST(CsvDecoder, EveryTypeFromItsText) {
  const std::vector<std::vector<std::string>> cases = {
      {"BOOLEAN", "true", "true"},
      {"BOOLEAN", "f", "false"},
      {"BOOLEAN", "maybe", "!"},
      {"TINYINT", "-128", "-128"},
      {"TINYINT", "128", "!"},
      {"BIGINT", "9223372036854775807", "9223372036854775807"},
      {"BIGINT", "1.5", "!"},
      {"BIGINT", " 1", "!"},
      {"UBIGINT", "-1", "!"},
      {"DECIMAL(6,2)", "12.5", "12.50"},
      {"DECIMAL(6,2)", "12.555", "!"},
      {"DOUBLE", "1e-3", "0.001"},
      {"DOUBLE", "NaN", "nan"},
      {"DOUBLE", "x", "!"},
      {"DATE", "2024-02-29", "2024-02-29"},
      {"DATE", "29.02.2024", "!"},
      {"TIME", "23:59:59", "23:59:59"},
      {"BLOB", "aGVsbG8=", "hello"},
      {"TIMESTAMP", "2025-01-31 10:00:00", "2025-01-31 10:00:00"},
      {"UUID", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"},
      {"INTEGER", "", "NULL"},
      {"VARCHAR", "", "NULL"},
      {"VARCHAR", "\"\"", ""},
      {"INTEGER", "\"7\"", "7"},
      {"INTEGER", "\"\"", "!"},
  };
  for (const auto& one : cases) {
    std::string found = decode_csv("c " + one[0], {one[1]}).only();
    if (one[2] == "!") {
      EXPECT_TRUE(found.starts_with("error: field c: expected " + one[0] + ", found "))
          << one[0] << " from " << one[1] << ": " << found;
    } else {
      EXPECT_EQ(found, one[2]) << one[0] << " from " << one[1];
    }
  }
}

TEST(CsvDecoder, WhatDoesNotFitIsADeadLetterAndHarmsNoNeighbour) {
  Decoding result =
      decode_csv("a INTEGER; b VARCHAR", {"1,x", "2", "3,y,z", "\"4,y", "\"5\"6,y", "x,y", "7,\xff", "8,z"});
  EXPECT_EQ(result.decoded, (std::vector<uint32_t>{0, 7}));
  EXPECT_EQ(result.rows.row_text(1), "[+1] 8, z");
  std::vector<std::string> reasons;
  for (const DecodeError& error : result.errors) reasons.push_back(error.reason);
  EXPECT_EQ(reasons, (std::vector<std::string>{"expected 2 fields, found 1", "expected 2 fields, found 3",
                                               "a quoted field is not closed", "a closing quote is followed by 6,y",
                                               "field a: expected INTEGER, found x", "the record is not valid UTF-8"}));
}

TEST(CsvDecoder, ARowThatFailedLeavesNoNull) {
  Decoding result = decode_csv("a INTEGER; b INTEGER", {",x", "1,2"});
  EXPECT_EQ(result.rows.row_text(0), "[+1] 1, 2");
}

TEST(CsvDecoder, FollowsTheHeaderDelimiterAndNullText) {
  DecoderOptions options;
  options.delimiter = ';';
  options.null_text = "NA";
  options.header = {"B", "unknown", "a"};
  Decoding result = decode_csv("a INTEGER; b VARCHAR; c DATE", {"x;y;1", "NA;;NA", "\"NA\";;2", ";;3"}, options);
  ASSERT_TRUE(result.errors.empty()) << result.errors[0].reason;
  EXPECT_EQ(result.rows.row_text(0), "[+1] 1, x, NULL");
  EXPECT_EQ(result.rows.row_text(1), "[+1] NULL, NULL, NULL");
  EXPECT_EQ(result.rows.row_text(2), "[+1] 2, NA, NULL");
  EXPECT_EQ(result.rows.row_text(3), "[+1] 3, , NULL");
}

}  // namespace
}  // namespace millrace::formats
