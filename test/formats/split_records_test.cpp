#include "formats/record_splitter.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::formats {
namespace {

constexpr uint64_t kMany = 1000;

/// The records with | between them and, where they differ from 1, 2, 3 …, their lines; or the error's code.
std::string split(std::string_view body, RecordShape shape = RecordShape::kLines, uint64_t records_max = kMany) {
  auto split = split_records(body, shape, ',', records_max);
  if (!split.ok()) return split.error().code;
  std::string out;
  for (size_t i = 0; i < split->records.size(); ++i) {
    if (i > 0) out += '|';
    if (!split->lines.empty()) out += std::to_string(split->line_of(i)) + ":";
    out += split->records[i];
  }
  return out;
}

TEST(SplitRecords, Lines) {
  EXPECT_EQ(split("a\nb\n"), "a|b");
  EXPECT_EQ(split("a\r\nb"), "a|b");
  EXPECT_EQ(split(""), "");
  EXPECT_EQ(split("\n\r\n"), "");
  EXPECT_EQ(split(" \t\r\n"), " \t") << "a record that does not decode";
  EXPECT_EQ(split("\xEF\xBB\xBF{}\n"), "{}");
  EXPECT_EQ(split(" {}\n"), " {}") << "stored as it came";
  EXPECT_EQ(split("\xff\xfe\n{}"), "\xff\xfe|{}") << "what is not UTF-8 is a record too";
  EXPECT_EQ(split("[1,2]\n"), "[1,2]");
}

TEST(SplitRecords, EmptyLinesKeepTheNumbers) {
  EXPECT_EQ(split("a\n\nb\nc"), "1:a|3:b|4:c");
  EXPECT_EQ(split("\n\na\n\nb"), "3:a|5:b");
  EXPECT_EQ(split("\na"), "2:a");
}

TEST(SplitRecords, Arrays) {
  for (RecordShape shape : {RecordShape::kJson, RecordShape::kLinesOrArray}) {
    EXPECT_EQ(split(" [ {\"a\":[1,{}]} ,\n{\"b\":\"]},\\\"\"} ] \n", shape), "{\"a\":[1,{}]}|{\"b\":\"]},\\\"\"}");
    EXPECT_EQ(split("[]", shape), "");
    EXPECT_EQ(split("[1,\"x\",null]", shape), "1|\"x\"|null");
    EXPECT_EQ(split("[{\"a\":tru}]", shape), "{\"a\":tru}") << "the decoder finds it";
  }
}

TEST(SplitRecords, BrokenArrays) {
  for (const char* body : {"[", "[1", "[1,", "[1,]", "[,1]", "[{\"a\":1}", "[{\"a\":\"x]", "[1] 2", "[1][2]", "[1 2]",
                           "[1}", "[\"a\"b]", "[{\"a\":\"\\"}) {
    EXPECT_EQ(split(body, RecordShape::kJson), sqlstate::kInvalidText) << body;
  }
}

TEST(SplitRecords, JsonThatIsNoArray) {
  EXPECT_EQ(split("{\n \"a\": 1\n}\n", RecordShape::kJson), "{\n \"a\": 1\n}") << "one object over several lines";
  EXPECT_EQ(split("{\"a\":1}\n{\"a\":2}\n", RecordShape::kJson), "{\"a\":1}|{\"a\":2}");
  EXPECT_EQ(split("{\"a\":1\n{\"a\":2}\n", RecordShape::kJson), "{\"a\":1|{\"a\":2}")
      << "one bad line does not take its neighbour";
}

TEST(SplitRecords, Csv) {
  EXPECT_EQ(split("1,\"two\nlines\"\n2,b\n", RecordShape::kCsv), "1,\"two\nlines\"|2,b");
  EXPECT_EQ(split("1,\"a \"\"quote\"\"\"\n2", RecordShape::kCsv), "1,\"a \"\"quote\"\"\"|2");
}

TEST(SplitRecords, TooMany) {
  EXPECT_EQ(split("a\nb\n", RecordShape::kLines, 2), "a|b");
  EXPECT_EQ(split("a\nb\nc", RecordShape::kLines, 2), sqlstate::kTooLarge);
  EXPECT_EQ(split("[1,2,3]", RecordShape::kJson, 2), sqlstate::kTooLarge);
}

TEST(SplitRecords, EveryCutOfAnArrayIsRefusedOrWhole) {
  std::string body = "[{\"a\":\"x\\\"]\",\"b\":[1,{\"c\":null}]}, 12, \"s\"]";
  for (size_t size = 1; size < body.size(); ++size) {
    EXPECT_EQ(split(std::string_view(body).substr(0, size), RecordShape::kJson), sqlstate::kInvalidText) << size;
  }
  EXPECT_EQ(split_records(body, RecordShape::kJson, ',', kMany)->records.size(), 3u);
}

}  // namespace
}  // namespace millrace::formats
