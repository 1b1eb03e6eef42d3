#include "formats/json_decoder.h"

#include <gmock/gmock.h>

#include "formats/json_check.h"

namespace millrace::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct ValueCase {
  const char* type;
  const char* json;
  const char* row;  ///< null: a value of a wrong type; "": not JSON
};

const ValueCase kValues[] = {
    {"TINYINT", "127", "[+1] 127"},
    {"TINYINT", "-128", "[+1] -128"},
    {"TINYINT", "128", nullptr},
    {"UTINYINT", "255", "[+1] 255"},
    {"UTINYINT", "256", nullptr},
    {"UTINYINT", "-1", nullptr},
    {"SMALLINT", "-32769", nullptr},
    {"INTEGER", "1.0", "[+1] 1"},
    {"INTEGER", "1e3", "[+1] 1000"},
    {"INTEGER", "-0", "[+1] 0"},
    {"INTEGER", "1.5", nullptr},
    {"INTEGER", "2147483647", "[+1] 2147483647"},
    {"INTEGER", "2147483648", nullptr},
    {"INTEGER", "\"1\"", nullptr},
    {"INTEGER", "true", nullptr},
    {"INTEGER", "01", ""},
    {"INTEGER", "+1", ""},
    {"INTEGER", "1a", ""},
    {"INTEGER", "1.", ""},
    {"INTEGER", ".5", ""},
    {"INTEGER", "-", ""},
    {"INTEGER", "12345678x", ""},
    {"INTEGER", "1234567\f", ""},
    {"BIGINT", "9223372036854775807", "[+1] 9223372036854775807"},
    {"BIGINT", "-9223372036854775808", "[+1] -9223372036854775808"},
    {"BIGINT", "9223372036854775808", nullptr},
    {"BIGINT", "123456789012345678", "[+1] 123456789012345678"},
    {"BIGINT", "12345678", "[+1] 12345678"},
    {"BIGINT", "-1735688423799", "[+1] -1735688423799"},
    {"BIGINT", "99999999", "[+1] 99999999"},
    {"UBIGINT", "18446744073709551615", "[+1] 18446744073709551615"},
    {"UBIGINT", "18446744073709551616", nullptr},
    {"HUGEINT", "170141183460469231731687303715884105727", "[+1] 170141183460469231731687303715884105727"},
    {"HUGEINT", "170141183460469231731687303715884105728", nullptr},
    {"HUGEINT", "-170141183460469231731687303715884105728", "[+1] -170141183460469231731687303715884105728"},
    {"HUGEINT", "\"-5\"", "[+1] -5"},
    {"DOUBLE", "1", "[+1] 1.0"},
    {"DOUBLE", "-2.5e-3", "[+1] -0.0025"},
    {"DOUBLE", "1e400", nullptr},
    {"DOUBLE", "\"1.5\"", nullptr},
    {"DOUBLE", "\"NaN\"", "[+1] nan"},
    {"DOUBLE", "\"-Infinity\"", "[+1] -inf"},
    {"DOUBLE", "NaN", ""},
    {"FLOAT", "1e300", nullptr},
    {"DECIMAL(5,2)", "123.45", "[+1] 123.45"},
    {"DECIMAL(5,2)", "\"-0.10\"", "[+1] -0.10"},
    {"DECIMAL(5,2)", "1234", nullptr},
    {"DECIMAL(5,2)", "1.234", nullptr},
    {"DECIMAL(38,0)", "99999999999999999999999999999999999999", "[+1] 99999999999999999999999999999999999999"},
    {"BOOLEAN", "true", "[+1] true"},
    {"BOOLEAN", "1", nullptr},
    {"BOOLEAN", "\"true\"", nullptr},
    {"BOOLEAN", "tru", ""},
    {"BOOLEAN", "truee", ""},
    {"VARCHAR", R"("a\"b\\\/\b\f\n\r\té\ud83d\ude00")", "[+1] a\"b\\/\b\f\n\r\t\u00e9\U0001f600"},
    {"VARCHAR", R"("longer than twelve bytes")", "[+1] longer than twelve bytes"},
    {"VARCHAR", R"("")", "[+1] "},
    {"VARCHAR", R"("\ud83d")", ""},
    {"VARCHAR", R"("\ude00\ud83d")", ""},
    {"VARCHAR", R"("\x")", ""},
    {"VARCHAR", R"("\u12g4")", ""},
    {"VARCHAR", "\"tab\there\"", ""},
    {"VARCHAR", "\"\xff\"", ""},
    {"VARCHAR", "1", nullptr},
    {"VARCHAR", "{}", nullptr},
    {"VARCHAR", "[1}", ""},
    {"BLOB", "\"AAH/\"", "[+1] \\x00\\x01\\xFF"},
    {"BLOB", "\"AAH\"", nullptr},
    {"UUID", "\"123e4567-e89b-12d3-a456-426614174000\"", "[+1] 123e4567-e89b-12d3-a456-426614174000"},
    {"UUID", "\"123e4567e89b12d3a456426614174000\"", nullptr},
    {"DATE", "\"2024-02-29\"", "[+1] 2024-02-29"},
    {"DATE", "\"2023-02-29\"", nullptr},
    {"DATE", "1", nullptr},
    {"TIME", "\"23:59:59.5\"", "[+1] 23:59:59.5"},
    {"TIMESTAMP", "\"2025-01-31T23:59:59.123456Z\"", "[+1] 2025-01-31 23:59:59.123456"},
    {"TIMESTAMP", "\"2025-01-31T00:30:00+01:00\"", "[+1] 2025-01-30 23:30:00"},
    {"TIMESTAMP", "\"yesterday\"", nullptr},
    {"TIMESTAMP_NS", "\"9999-01-01T00:00:00Z\"", nullptr},
    {"INTEGER[]", "[1, null ,3]", "[+1] [1, NULL, 3]"},
    {"INTEGER[]", "[]", "[+1] []"},
    {"INTEGER[]", "[1,\"x\"]", nullptr},
    {"INTEGER[]", "[1,]", ""},
    {"INTEGER[]", "[1 2]", ""},
    {"INTEGER[]", "[1}", ""},
    {"INTEGER[]", "1", nullptr},
    {"INTEGER[][]", "[[1,2],[],null,[3]]", "[+1] [[1, 2], [], NULL, [3]]"},
    {"STRUCT(a INTEGER, b VARCHAR)", R"({"b":"x","other":[{}],"A":1})", "[+1] {'a': 1, 'b': x}"},
    {"STRUCT(a INTEGER, b VARCHAR)", R"({"a":null,"a":2})", "[+1] {'a': NULL, 'b': NULL}"},
    {"STRUCT(a INTEGER, b VARCHAR)", "[]", nullptr},
    {"STRUCT(a INTEGER)", R"({"a":1,})", ""},
    {"STRUCT(a INTEGER)[]", R"([{"a":1},{},{"a":3}])", "[+1] [{'a': 1}, {'a': NULL}, {'a': 3}]"},
    {"DOUBLE", "null", "[+1] NULL"},
    {"STRUCT(a INTEGER)", "null", "[+1] NULL"},
};

TEST(JsonDecoder, ValuesByType) {
  for (const ValueCase& c : kValues) {
    SCOPED_TRACE(std::string(c.type) + " from " + c.json);
    batch::Schema schema = schema_of({{"x", c.type}});
    for (std::string record : {std::string("{\"x\":") + c.json + "}", std::string(" { \"x\" : ") + c.json + " } \r"}) {
      // Behind a good neighbour, and behind a bad one, which makes the decoder look at each record alone.
      for (const char* neighbour : {"{\"x\":null}", "\""}) {
        Decoded got = decode_json(schema, {neighbour, record});
        if (c.row && *c.row) {
          ASSERT_FALSE(got.rows.empty()) << got.errors.back();
          EXPECT_EQ(got.rows.back(), c.row);
          EXPECT_EQ(got.records.back(), 1u);
        } else {
          ASSERT_FALSE(got.errors.empty());
          std::string start = c.row ? "1: not valid JSON" : "1: field x";
          EXPECT_THAT(got.errors.back(), HasSubstr(start));
        }
      }
    }
  }
}

TEST(JsonDecoder, Fields) {
  batch::Schema schema = schema_of({{"id", "INTEGER"}, {"userName", "VARCHAR"}});
  Decoded got = decode_json(schema, {
                                        R"({"id":1,"userName":"a"})",
                                        R"({"userName":"b"})",
                                        R"({"ID":3,"USERNAME":"c","extra":{"deep":[1,{"x":"\n"}]}})",
                                        R"({"id":4,"id":5,"userName":null,"userName":"late"})",
                                        R"({"\u0069d":6})",
                                        R"({})",
                                    });
  EXPECT_THAT(got.errors, IsEmpty());
  EXPECT_THAT(got.rows,
              ElementsAre("[+1] 1, a", "[+1] NULL, b", "[+1] 3, c", "[+1] 4, NULL", "[+1] 6, NULL", "[+1] NULL, NULL"));
}

TEST(JsonDecoder, NamesThatDifferOnlyByCase) {
  batch::Schema schema = schema_of({{"id", "INTEGER"}, {"ID", "INTEGER"}});
  Decoded got = decode_json(schema, {R"({"id":1,"ID":2})", R"({"Id":3})"});
  EXPECT_THAT(got.rows, ElementsAre("[+1] 1, 2", "[+1] NULL, NULL"));
}

TEST(JsonDecoder, AFailedRecordLeavesNothing) {
  batch::Schema schema = schema_of({{"s", "STRUCT(a INTEGER, b INTEGER)"}, {"l", "INTEGER[]"}, {"x", "INTEGER"}});
  Decoded got = decode_json(schema, {
                                        R"({"s":null,"l":[null,1],"x":"bad"})",
                                        R"({"s":{"a":null,"b":2},"l":null,"x":{}})",
                                        R"({"s":{"a":1,"b":2},"l":[7],"x":3})",
                                        R"({"s":{"a":9,"b":9},"l":[9],"x":9)",
                                        R"({})",
                                    });
  EXPECT_THAT(got.rows, ElementsAre("[+1] {'a': 1, 'b': 2}, [7], 3", "[+1] NULL, NULL, NULL"));
  EXPECT_THAT(got.records, ElementsAre(2u, 4u));
  EXPECT_THAT(got.errors, ElementsAre("0: field x: expected INTEGER, found \"bad\"",
                                      "1: field x: expected INTEGER, found {}", "3: not valid JSON at byte 33"));
}

TEST(JsonDecoder, Reasons) {
  batch::Schema schema = schema_of({{"s", "STRUCT(l INTEGER[])"}});
  Decoded got = decode_json(schema, {"", "  ", "[1]", "17", "{} {}", "{", R"({"s)", R"({"s":{"l":[1,2,[3, 4] ]}})",
                                     "{\"s\":}", "{\"s\" 1}", "{1:2}"});
  EXPECT_THAT(got.rows, IsEmpty());
  EXPECT_THAT(got.errors,
              ElementsAre("0: the record is empty", "1: the record is empty", "2: expected a JSON object, found [1]",
                          "3: expected a JSON object, found 17", "4: not valid JSON at byte 4",
                          "5: not valid JSON at byte 2", "6: not valid JSON: a string is not closed",
                          "7: field s.l[2]: expected INTEGER, found [3, 4]", "8: not valid JSON at byte 6",
                          "9: not valid JSON at byte 6", HasSubstr("10: not valid JSON at byte")));
}

TEST(JsonDecoder, ARecordThatEndsEarlyTakesNothingFromTheNext) {
  batch::Schema schema = schema_of({{"x", "INTEGER[]"}, {"s", "STRUCT(a INTEGER)"}});
  for (const char* cut :
       {R"({"x":)", R"({"x":[)", R"({"s":{"a":)", R"({"x")", "{", R"({"s":)", R"({"x":[1,)", R"({"other":[)"}) {
    Decoded got = decode_json(schema, {cut, R"({"x":[1],"s":{"a":1}})", R"([1]})"});
    EXPECT_THAT(got.rows, ElementsAre("[+1] [1], {'a': 1}")) << cut;
    EXPECT_THAT(got.errors.front(), HasSubstr("0: not valid JSON")) << cut;
  }
}

TEST(JsonDecoder, DepthOfUnknownFields) {
  batch::Schema schema = schema_of({{"x", "INTEGER"}});
  auto nested = [](size_t depth) {
    return "{\"y\":" + std::string(depth, '[') + std::string(depth, ']') + ",\"x\":1}";
  };
  Decoded got = decode_json(schema, {nested(1024), nested(1025), "{\"y\":" + std::string(200000, '[')});
  EXPECT_THAT(got.rows, ElementsAre("[+1] 1"));
  EXPECT_EQ(got.errors.size(), 2u);
}

TEST(JsonDecoder, LongRecordsBesideShortOnes) {
  batch::Schema schema = schema_of({{"x", "INTEGER"}, {"t", "VARCHAR"}});
  std::string text(10 << 20, 'x');
  std::vector<std::string> records = {R"({"x":1})", "{\"t\":\"" + text + "\",\"x\":2}", R"({"x":3})",
                                      "{\"skipped\":\"" + text, R"({"x":4})"};
  std::vector<std::string_view> views(records.begin(), records.end());
  auto decoder = make_json_decoder(schema, {});
  batch::Batch rows(schema);
  std::vector<uint32_t> decoded;
  std::vector<DecodeError> errors;
  ASSERT_TRUE(decoder->decode(views, rows, decoded, errors).ok());
  EXPECT_THAT(decoded, ElementsAre(0u, 1u, 2u, 4u));
  EXPECT_EQ(rows.column(1).at<batch::StringRef>(1).view(), text);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].reason, "not valid JSON: a string is not closed");
}

TEST(JsonDecoder, BatchesKeepTheirBytes) {
  batch::Schema schema = schema_of({{"t", "VARCHAR"}});
  auto decoder = make_json_decoder(schema, {});
  std::vector<batch::Batch> kept;
  for (int i = 0; i < 4; ++i) {
    std::string record = "{\"t\":\"the text of record " + std::to_string(i) + "\"}";
    std::vector<std::string_view> views = {record};
    std::vector<uint32_t> decoded;
    std::vector<DecodeError> errors;
    ASSERT_TRUE(decoder->decode(views, kept.emplace_back(schema), decoded, errors).ok());
  }
  for (int i = 0; i < 4; ++i) EXPECT_EQ(kept[i].row_text(0), "[+1] the text of record " + std::to_string(i));
}

TEST(JsonDecoder, EverNewKeys) {
  batch::Schema schema = schema_of({{"x", "INTEGER"}});
  std::vector<std::string> records;
  for (int i = 0; i < 2000; ++i) {
    std::string n = std::to_string(i);
    records.push_back("{\"a" + n + "\":1,\"x\":" + n + ",\"b" + n + "\":2,\"c" + n + "\":[]}");
  }
  Decoded got = decode_json(schema, records);
  EXPECT_THAT(got.errors, IsEmpty());
  EXPECT_EQ(got.rows.back(), "[+1] 1999");
}

TEST(JsonFieldReader, Reads) {
  JsonFieldReader reader;
  std::string text;
  auto read = [&](const char* record, std::vector<std::string> names) {
    return reader.read(record, names, text) ? text : "(none)";
  };
  EXPECT_EQ(read(R"({"a":"x","b":2})", {"b", "a"}), "2\x1fx");
  EXPECT_EQ(read(R"({"A":"x\n"})", {"a"}), "x\n");
  EXPECT_EQ(read(R"({"a":null})", {"a"}), "");
  EXPECT_EQ(read(R"({"b":1})", {"a", "b"}),
            "\x1f"
            "1");
  EXPECT_EQ(read(R"({"a":1,"a":2})", {"a"}), "1");
  EXPECT_EQ(read(R"({"a": {"x" : [1, true , "s"]} })", {"a"}), R"({"x":[1,true,"s"]})");
  EXPECT_EQ(read(R"({"a":1 broken)", {"a"}), "1");
  EXPECT_EQ(read(R"({"b":1 broken)", {"a"}), "(none)");
  EXPECT_EQ(read("[1]", {"a"}), "(none)");
  EXPECT_EQ(read("", {"a"}), "(none)");
  EXPECT_EQ(read("{\"a\":\"\xff\"}", {"a"}), "(none)");
}

}  // namespace
}  // namespace millrace::formats
