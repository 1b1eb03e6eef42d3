// What a column of each type takes from JSON, and what a record that does not fit says.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/decoding.h"

namespace millrace::formats {
namespace {

struct Case {
  const char* type;
  const char* json;
  const char* expected;  ///< as DuckDB prints it; "!": a dead letter
};

const Case kCases[] = {
    {"BOOLEAN", "true", "true"},
    {"BOOLEAN", "false", "false"},
    {"BOOLEAN", "1", "!"},
    {"BOOLEAN", "\"true\"", "!"},
    {"TINYINT", "127", "127"},
    {"TINYINT", "-128", "-128"},
    {"TINYINT", "128", "!"},
    {"TINYINT", "-129", "!"},
    {"UTINYINT", "255", "255"},
    {"UTINYINT", "256", "!"},
    {"UTINYINT", "-1", "!"},
    {"SMALLINT", "-32768", "-32768"},
    {"SMALLINT", "32768", "!"},
    {"USMALLINT", "65535", "65535"},
    {"USMALLINT", "65536", "!"},
    {"INTEGER", "2147483647", "2147483647"},
    {"INTEGER", "2147483648", "!"},
    {"UINTEGER", "4294967295", "4294967295"},
    {"UINTEGER", "4294967296", "!"},
    {"INTEGER", "1.0", "1"},
    {"INTEGER", "1e3", "1000"},
    {"INTEGER", "12.50e1", "125"},
    {"INTEGER", "1.5", "!"},
    {"INTEGER", "1e-3", "!"},
    {"INTEGER", "\"7\"", "!"},
    {"INTEGER", "true", "!"},
    {"INTEGER", "-0", "0"},
    {"INTEGER", "[1]", "!"},
    {"INTEGER", "{\"a\":1}", "!"},
    {"INTEGER", "null", "NULL"},
    {"INTEGER", "0e9", "0"},
    {"BIGINT", "9223372036854775807", "9223372036854775807"},
    {"BIGINT", "9223372036854775808", "!"},
    {"BIGINT", "-9223372036854775808", "-9223372036854775808"},
    {"BIGINT", "-9223372036854775809", "!"},
    {"BIGINT", "9007199254740993", "9007199254740993"},
    {"BIGINT", "1e18", "1000000000000000000"},
    {"BIGINT", "1e400", "!"},
    {"UBIGINT", "18446744073709551615", "18446744073709551615"},
    {"UBIGINT", "18446744073709551616", "!"},
    {"HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"},
    {"HUGEINT", "170141183460469231731687303715884105728", "!"},
    {"HUGEINT", "\"-12345678901234567890123\"", "-12345678901234567890123"},
    {"DECIMAL(10,2)", "12.5", "12.50"},
    {"DECIMAL(10,2)", "\"12.50\"", "12.50"},
    {"DECIMAL(10,2)", "12.505", "!"},
    {"DECIMAL(10,2)", "1e9", "!"},
    {"DECIMAL(10,2)", "99999999.99", "99999999.99"},
    {"DECIMAL(10,2)", "100000000", "!"},
    {"DECIMAL(38,4)", "\"1234567890123456789012345678901234.5678\"", "1234567890123456789012345678901234.5678"},
    {"DECIMAL(4,1)", "-0.1", "-0.1"},
    {"DECIMAL(18,3)", "0.001", "0.001"},
    {"DECIMAL(10,2)", "\"x\"", "!"},
    {"DOUBLE", "0.1", "0.1"},
    {"DOUBLE", "1", "1.0"},
    {"DOUBLE", "-1e-3", "-0.001"},
    {"DOUBLE", "1.7976931348623157e308", "1.7976931348623157e+308"},
    {"DOUBLE", "5e-324", "5e-324"},
    {"DOUBLE", "true", "!"},
    {"DOUBLE", "1e999", "!"},
    {"DOUBLE", "\"1.5\"", "!"},
    {"DOUBLE", "\"NaN\"", "nan"},
    {"DOUBLE", "\"-Infinity\"", "-inf"},
    {"FLOAT", "1.5", "1.5"},
    {"FLOAT", "16777217", "16777216.0"},
    {"VARCHAR", "\"\"", ""},
    {"VARCHAR", "\"twelve bytes\"", "twelve bytes"},
    {"VARCHAR", "\"more than twelve bytes\"", "more than twelve bytes"},
    {"VARCHAR", "\"\\u0041\\n\\\"\\\\\\/\"", "A\n\"\\/"},
    {"VARCHAR", "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
    {"VARCHAR", "\"\\ud83d\"", "!"},
    {"VARCHAR", "\"\\ude00\\ud83d\"", "!"},
    {"VARCHAR", "\"\xc3\xa9\"", "\xc3\xa9"},
    {"VARCHAR", "\"\xc3\"", "!"},
    {"VARCHAR", "\"\xed\xa0\x80\"", "!"},
    {"VARCHAR", "\"a\nb\"", "!"},
    {"VARCHAR", "\"\\x\"", "!"},
    {"VARCHAR", "\"\\u00g0\"", "!"},
    {"VARCHAR", "7", "!"},
    {"VARCHAR", "true", "!"},
    {"VARCHAR", "null", "NULL"},
    {"VARCHAR", "[\"a\"]", "!"},
    {"VARCHAR", "{}", "!"},
    {"BLOB", "\"aGVsbG8=\"", "hello"},
    {"BLOB", "\"\"", ""},
    {"BLOB", "\"aGVsbG8\"", "!"},
    {"BLOB", "\"a*==\"", "!"},
    {"BLOB", "7", "!"},
    {"UUID", "\"6f9619ff-8b86-d011-b42d-00cf4fc964ff\"", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"},
    {"UUID", "\"6F9619FF-8B86-D011-B42D-00CF4FC964FF\"", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"},
    {"UUID", "\"6f9619ff8b86-d011-b42d-00cf4fc964ff0\"", "!"},
    {"UUID", "7", "!"},
    {"DATE", "\"2024-02-29\"", "2024-02-29"},
    {"DATE", "\"2023-02-29\"", "!"},
    {"DATE", "\"2024-13-01\"", "!"},
    {"DATE", "\"1969-12-31\"", "1969-12-31"},
    {"DATE", "19000", "!"},
    {"TIME", "\"23:59:59.5\"", "23:59:59.5"},
    {"TIME", "\"24:00:01\"", "!"},
    {"TIME", "\"7\"", "!"},
    {"TIMESTAMP", "\"2025-01-31T23:59:59.123456Z\"", "2025-01-31 23:59:59.123456"},
    {"TIMESTAMP", "\"2025-01-31 23:59:59\"", "2025-01-31 23:59:59"},
    {"TIMESTAMP", "\"2025-01-31T23:59:59+02:00\"", "2025-01-31 21:59:59"},
    {"TIMESTAMP", "\"2025-01-31\"", "2025-01-31 00:00:00"},
    {"TIMESTAMP", "\"2025-02-31T00:00:00Z\"", "!"},
    {"TIMESTAMP", "\"yesterday\"", "!"},
    {"TIMESTAMP", "true", "!"},
    {"TIMESTAMP_MS", "\"2025-01-31T23:59:59.123Z\"", "2025-01-31 23:59:59.123"},
    {"TIMESTAMP_S", "\"1969-12-31T23:59:59Z\"", "1969-12-31 23:59:59"},
    {"INTEGER[]", "[1,null,3]", "[1, NULL, 3]"},
    {"INTEGER[]", "[]", "[]"},
    {"INTEGER[]", "[1,\"x\"]", "!"},
    {"INTEGER[]", "1", "!"},
    {"INTEGER[]", "{}", "!"},
    {"VARCHAR[][]", "[[\"a\"],[],null,[\"b\",null]]", "[[a], [], NULL, [b, NULL]]"},
    {"STRUCT(a INTEGER, b VARCHAR)", "{\"b\":\"x\",\"a\":1,\"c\":[{}]}", "{'a': 1, 'b': x}"},
    {"STRUCT(a INTEGER, b VARCHAR)", "{}", "{'a': NULL, 'b': NULL}"},
    {"STRUCT(a INTEGER, b VARCHAR)", "{\"a\":\"x\"}", "!"},
    {"STRUCT(a INTEGER)", "[]", "!"},
    {"STRUCT(a INTEGER[], s STRUCT(x BOOLEAN))", "{\"s\":{\"x\":true},\"a\":[1]}", "{'a': [1], 's': {'x': true}}"},
    {"MAP(VARCHAR, INTEGER)", "{\"b\":1,\"a\":null,\"b\":3}", "{b=1, a=NULL}"},
    {"MAP(VARCHAR, INTEGER)", "{}", "{}"},
    {"MAP(VARCHAR, INTEGER)", "{\"b\":\"x\"}", "!"},
    {"MAP(VARCHAR, INTEGER)", "[]", "!"},
    {"MAP(VARCHAR, INTEGER)", "{\"b\":1,}", "!"},
    {"MAP(VARCHAR, VARCHAR[])[]", "[{\"k\\n\":[\"x\"]},null,{}]", "[{'k\n'=[x]}, NULL, {}]"},
    {"JSON", "{ \"a\": [1, 2] }", "{ \"a\": [1, 2] }"},
    {"JSON", "7 ", "7"},
    {"JSON", "\"x\"", "\"x\""},
    {"JSON", "null", "NULL"},
    {"JSON", "[1,]", "!"},
    {"JSON", "nul", "!"},
    {"JSON[]", "[1,{\"a\":null},null]", "[1, '{\"a\":null}', NULL]"},
    {"STRUCT(a INTEGER)[]", "[{\"a\":1},{\"a\":null},null,{}]", "[{'a': 1}, {'a': NULL}, NULL, {'a': NULL}]"},
};

TEST(JsonTypes, TakeWhatTheDocumentationSays) {
  for (const Case& one : kCases) {
    std::string record = std::string("{\"c\":") + one.json + "}";
    std::string found = decode_json(std::string("c ") + one.type, {record}).only();
    if (std::string_view(one.expected) == "!") {
      EXPECT_TRUE(found.starts_with("error: ")) << one.type << " from " << one.json << ": " << found;
    } else {
      EXPECT_EQ(found, one.expected) << one.type << " from " << one.json;
    }
  }
}

TEST(JsonTypes, ValuesStayInTheirRowsWhenOthersFail) {
  for (const Case& one : kCases) {
    std::string record = std::string("{\"c\":") + one.json + "}";
    std::string nothing = "{}";
    std::string broken = std::string("{\"c\":") + one.json + ",\"d\":\"x\"}";
    std::string columns = std::string("c ") + one.type + "; d INTEGER";
    Decoding result = decode_json(columns, {broken, record, broken, nothing, broken, record});
    bool bad = std::string_view(one.expected) == "!";
    ASSERT_EQ(result.rows.rows(), bad ? 1u : 3u) << one.type << " from " << one.json;
    EXPECT_EQ(result.rows.value_text(0, bad ? 0 : 1), "NULL");
    if (bad) continue;
    EXPECT_EQ(result.rows.value_text(0, 0), one.expected) << one.type << " from " << one.json;
    EXPECT_EQ(result.rows.value_text(0, 2), one.expected) << one.type << " from " << one.json;
  }
}

TEST(JsonReasons, NameFieldTypeAndValue) {
  EXPECT_EQ(decode_json("seq INTEGER", {R"({"seq":"abc"})"}).errors[0].reason,
            "field seq: expected INTEGER, found \"abc\"");
  EXPECT_EQ(decode_json("seq INTEGER", {R"({"seq":3000000000})"}).errors[0].reason,
            "field seq: expected INTEGER, found 3000000000");
  EXPECT_EQ(decode_json("items STRUCT(price DECIMAL(10,2))[]", {R"({"items":[{},{"price":12.505}]})"}).errors[0].reason,
            "field items[1].price: expected DECIMAL(10,2), found 12.505");
  std::string text = decode_json("seq INTEGER", {"{\"seq\":\"" + std::string(1000, 'x') + "\"}"}).errors[0].reason;
  EXPECT_LT(text.size(), 120u);
  for (const char* record : {"[]", "7", "\"x\"", "null", "true", "[{\"seq\":1}]"}) {
    EXPECT_TRUE(decode_json("seq INTEGER", {record}).errors[0].reason.starts_with("expected a JSON object, found "))
        << record;
  }
  for (const char* record : {"", " ", "{", "{\"seq\":1", "{\"seq\":1}}", "{\"seq\":1}{}", "{\"seq\":1} x", "{'seq':1}",
                             "{\"seq\":01}", "{\"seq\":1,}", "{\"seq\" 1}"}) {
    EXPECT_EQ(decode_json("seq INTEGER", {record}).errors.size(), 1u) << record;
  }
}

TEST(JsonFields, MatchExactlyElseWithoutCaseWhenUnambiguous) {
  EXPECT_EQ(decode_json("PlayId INTEGER", {R"({"playid":1})"}).only(), "1");
  EXPECT_EQ(decode_json("PlayId INTEGER", {R"({"PLAYID":1})"}).only(), "1");
  EXPECT_EQ(decode_json("playid INTEGER", {R"({"play\u0069d":1})"}).only(), "1");
  EXPECT_EQ(decode_json("a INTEGER", {R"({"b":1})"}).only(), "NULL");
}

TEST(JsonFields, ManyOrdersAndUnknownOnes) {
  std::vector<std::string> records;
  for (int i = 0; i < 200; ++i) {
    std::string number = std::to_string(i);
    switch (i % 5) {
      case 0: records.push_back("{\"a\":" + number + ",\"b\":\"x" + number + "\",\"c\":true}"); break;
      case 1: records.push_back("{\"c\":true,\"b\":\"x" + number + "\",\"a\":" + number + "}"); break;
      case 2:
        records.push_back("{\"zz\":[1,{\"a\":5}],\"a\":" + number + ",\"zz2\":{},\"b\":\"x" + number +
                          "\",\"c\":true,\"d\":null}");
        break;
      case 3: records.push_back("{ \"b\" : \"x" + number + "\" ,\t\"A\" : " + number + ", \"C\": true }\r"); break;
      default:
        records.push_back("{\"\":0,\"a \":1,\"b\":\"x" + number + "\",\"\\u0061\":" + number + ",\"c\":true}");
        break;
    }
  }
  Decoding result = decode_json("a BIGINT; b VARCHAR; c BOOLEAN", {records.begin(), records.end()});
  ASSERT_EQ(result.rows.rows(), records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    std::string number = std::to_string(i);
    EXPECT_EQ(result.rows.row_text(i), "[+1] " + number + ", x" + number + ", true") << records[i];
  }
}

TEST(JsonFields, LargeMapsKeepTheFirstOfEachKey) {
  nlohmann::ordered_json expected;
  std::string record = "{\"m\":{";
  for (int i = 0; i < 3000; ++i) {
    std::string key = "key number " + std::to_string(i * 7919 % 1000);
    if (!expected.contains(key)) expected[key] = i;
    record += (i ? ",\"" : "\"") + key + "\":" + std::to_string(i);
  }
  record += "}}";
  Decoding result = decode_json("m MAP(VARCHAR, INTEGER)", {record, record});
  ASSERT_TRUE(result.errors.empty()) << result.errors[0].reason;
  EXPECT_EQ(result.rows.json_text(0, 1), expected.dump());
}

TEST(JsonFields, ManyColumns) {
  std::string columns;
  std::string record = "{";
  for (int i = 0; i < 300; ++i) {
    columns += (i ? "; c" : "c") + std::to_string(i) + " INTEGER";
    record += (i ? ",\"c" : "\"c") + std::to_string(299 - i) + "\":" + std::to_string(299 - i);
  }
  record += "}";
  Decoding result = decode_json(columns, {record, record});
  ASSERT_TRUE(result.errors.empty());
  for (size_t i = 0; i < 300; ++i) EXPECT_EQ(result.rows.value_text(i, 1), std::to_string(i));
}

TEST(JsonRecords, AppendToABatchAndOutliveTheirBytes) {
  batch::Schema schema = schema_of("a VARCHAR");
  auto decoder = std::move(make_decoder("json", schema, {})).value();
  std::vector<uint32_t> decoded;
  std::vector<DecodeError> errors;
  batch::Batch rows(schema);
  batch::Batch other(schema);
  for (int turn = 0; turn < 5; ++turn) {
    std::string bytes = "{\"a\":\"a text of more than twelve bytes " + std::to_string(turn) + "\"}";
    std::vector<std::string_view> records = {bytes};
    ASSERT_TRUE(decoder->decode(records, turn == 2 ? other : rows, decoded, errors).ok());
    bytes.assign(bytes.size(), '#');
  }
  ASSERT_EQ(rows.rows(), 4u);
  EXPECT_EQ(rows.value_text(0, 0), "a text of more than twelve bytes 0");
  EXPECT_EQ(rows.value_text(0, 1), "a text of more than twelve bytes 1");
  EXPECT_EQ(rows.value_text(0, 3), "a text of more than twelve bytes 4");
  EXPECT_EQ(other.value_text(0, 0), "a text of more than twelve bytes 2");
}

TEST(Decoders, RefuseWhatTheyCannotFill) {
  auto refused = make_decoder("json", schema_of("a INTERVAL"), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("column a"), std::string::npos);
  EXPECT_FALSE(make_decoder("xml", schema_of("a INTEGER"), {}).ok());
  EXPECT_FALSE(make_decoder("raw", schema_of("a INTEGER"), {}).ok());
  Decoding raw = decode("raw", schema_of("line VARCHAR"), {"any text", "\xff", ""});
  EXPECT_EQ(raw.decoded, (std::vector<uint32_t>{0, 2}));
}

}  // namespace
}  // namespace millrace::formats
