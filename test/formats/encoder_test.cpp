// Rows as text: fixed examples, and round trips through the decoders.
#include "formats/encoder.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "formats/decoding.h"

namespace millrace::formats {
namespace {

std::string ndjson(const batch::Schema& schema, const batch::Batch& rows) {
  std::string out;
  encode_ndjson(schema, rows, out);
  return out;
}

/// The value of column c after decoding and encoding it again.
std::string through(std::string_view type, std::string_view json) {
  batch::Schema schema = schema_of("c " + std::string(type));
  std::string record = "{\"c\":" + std::string(json) + "}";
  Decoding result = decode("json", schema, {record});
  if (!result.errors.empty()) return result.errors[0].reason;
  std::string text = ndjson(schema, result.rows);
  return text.substr(5, text.size() - 7);
}

TEST(Encoder, WritesEachTypeAsPromised) {
  EXPECT_EQ(through("BOOLEAN", "true"), "true");
  EXPECT_EQ(through("BIGINT", "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(through("UBIGINT", "18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(through("HUGEINT", "-12345678901234567890123"), "\"-12345678901234567890123\"");
  EXPECT_EQ(through("DECIMAL(10,2)", "-0.5"), "\"-0.50\"");
  EXPECT_EQ(through("DECIMAL(38,10)", "\"12345678901234567890.5\""), "\"12345678901234567890.5000000000\"");
  EXPECT_EQ(through("DOUBLE", "0.1"), "0.1");
  EXPECT_EQ(through("DOUBLE", "1e300"), "1e+300");
  EXPECT_EQ(through("VARCHAR", R"("a\"\\\u0001\n\u20ac")"), "\"a\\\"\\\\\\u0001\\n\xe2\x82\xac\"");
  EXPECT_EQ(through("BLOB", "\"aGVsbG8=\""), "\"aGVsbG8=\"");
  EXPECT_EQ(through("BLOB", "\"/w==\""), "\"/w==\"");
  EXPECT_EQ(through("UUID", "\"6F9619FF-8B86-D011-B42D-00CF4FC964FF\""), "\"6f9619ff-8b86-d011-b42d-00cf4fc964ff\"");
  EXPECT_EQ(through("DATE", "\"1969-12-31\""), "\"1969-12-31\"");
  EXPECT_EQ(through("TIME", "\"23:59:59.5\""), "\"23:59:59.500\"");
  EXPECT_EQ(through("TIMESTAMP", "\"1969-12-31 23:59:59.000001\""), "\"1969-12-31T23:59:59.000001Z\"");
  EXPECT_EQ(through("TIMESTAMPTZ", "\"2025-01-31T00:30:00+01:00\""), "\"2025-01-30T23:30:00Z\"");
  EXPECT_EQ(through("TIMESTAMP_S", "\"1960-01-01T00:00:00Z\""), "\"1960-01-01T00:00:00Z\"");
  EXPECT_EQ(through("TIMESTAMP_MS", "\"2025-01-31T00:00:00.5Z\""), "\"2025-01-31T00:00:00.500Z\"");
  EXPECT_EQ(through("INTEGER[]", "[1, null , 3]"), "[1,null,3]");
  EXPECT_EQ(through("VARCHAR[][]", "[[\"a\"],[],null]"), "[[\"a\"],[],null]");
  EXPECT_EQ(through("STRUCT(a INTEGER, b TIMESTAMP[])", R"({"b":["2025-01-31"],"a":1})"),
            R"({"a":1,"b":["2025-01-31T00:00:00Z"]})");
  EXPECT_EQ(through("STRUCT(a DECIMAL(4,1))[]", R"([{"a":1},null,{}])"), R"([{"a":"1.0"},null,{"a":null}])");
  EXPECT_EQ(through("MAP(VARCHAR, DATE[])", R"({"a":["2025-01-31"],"b c":null})"),
            R"({"a":["2025-01-31"],"b c":null})");
  EXPECT_EQ(through("JSON", "{ \"a\" :\n[1.50,\r\n\"x\\n\"]}"), "{ \"a\" : [1.50,  \"x\\n\"]}");
  EXPECT_EQ(through("INTEGER", "null"), "null");
}

TEST(Encoder, NamesWhatIsNotANumber) {
  batch::Schema schema = schema_of("a DOUBLE; b FLOAT");
  batch::Batch rows(schema);
  for (size_t row = 0; row < 3; ++row) {
    double value = row == 0   ? std::numeric_limits<double>::quiet_NaN()
                   : row == 1 ? std::numeric_limits<double>::infinity()
                              : -std::numeric_limits<double>::infinity();
    rows.mutable_column(0).set<double>(row, value);
    rows.mutable_column(1).set<float>(row, static_cast<float>(value));
  }
  rows.set_rows(3);
  EXPECT_EQ(ndjson(schema, rows),
            "{\"a\":\"NaN\",\"b\":\"NaN\"}\n{\"a\":\"Infinity\",\"b\":\"Infinity\"}\n{\"a\":\"-Infinity\",\"b\":\"-"
            "Infinity\"}\n");
  std::string csv;
  encode_csv(schema, rows, ',', csv);
  EXPECT_EQ(csv, "NaN,NaN\nInfinity,Infinity\n-Infinity,-Infinity\n");
}

TEST(Encoder, WritesARowOfDiffThreeThreeTimes) {
  batch::Schema schema = schema_of("a INTEGER; b VARCHAR");
  Decoding result = decode("json", schema, {R"({"a":1,"b":"x"})", R"({"a":2})"});
  result.rows.set_diffs({3, 1});
  EXPECT_EQ(ndjson(schema, result.rows),
            "{\"a\":1,\"b\":\"x\"}\n{\"a\":1,\"b\":\"x\"}\n{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":null}\n");
  std::string text;
  bool first = true;
  encode_json_rows(schema, result.rows, first, text);
  EXPECT_EQ(text, "[1,\"x\"],[1,\"x\"],[1,\"x\"],[2,null]");
  EXPECT_FALSE(first);
  encode_json_rows(schema, result.rows.select(std::vector<uint32_t>{1}), first, text);
  EXPECT_TRUE(text.ends_with("],[2,null]"));
}

TEST(Encoder, ReadsThroughSelections) {
  batch::Schema schema = schema_of("a INTEGER[]; b STRUCT(x VARCHAR); c VARCHAR");
  Decoding result = decode("json", schema,
                           {R"({"a":[1,2],"b":{"x":"one"},"c":"first text of some length"})",
                            R"({"a":[3],"b":{"x":"two"},"c":"second text of some length"})"});
  std::vector<uint32_t> order = {1, 0, 1};
  EXPECT_EQ(ndjson(schema, result.rows.select(order)),
            "{\"a\":[3],\"b\":{\"x\":\"two\"},\"c\":\"second text of some length\"}\n"
            "{\"a\":[1,2],\"b\":{\"x\":\"one\"},\"c\":\"first text of some length\"}\n"
            "{\"a\":[3],\"b\":{\"x\":\"two\"},\"c\":\"second text of some length\"}\n");
}

TEST(Encoder, QuotesCsvWhereNeeded) {
  batch::Schema schema = schema_of("a VARCHAR; b INTEGER; c INTEGER[]");
  Decoding result = decode("json", schema,
                           {R"({"a":"plain","b":1,"c":[1,2]})", R"({"a":"a,b","b":null,"c":[]})",
                            R"({"a":"say \"hi\"\r\n","b":3})", R"({"a":""})"});
  std::string csv;
  encode_csv_header(schema, ',', csv);
  encode_csv(schema, result.rows, ',', csv);
  EXPECT_EQ(csv, "a,b,c\nplain,1,\"[1,2]\"\n\"a,b\",,[]\n\"say \"\"hi\"\"\r\n\",3,\n\"\",,\n");
}

/// Random rows of one of each scalar type, half of the values at the edges of their type.
class RandomRows {
 public:
  explicit RandomRows(uint64_t seed) : random_(seed) {}

  batch::Schema schema() const {
    return schema_of(
        "a BOOLEAN; b TINYINT; c SMALLINT; d INTEGER; e BIGINT; f UTINYINT; g USMALLINT; h UINTEGER; i UBIGINT; j "
        "HUGEINT; k DECIMAL(4,2); "
        "l DECIMAL(9,0); m DECIMAL(18,6); n DECIMAL(38,20); o DOUBLE; p FLOAT; q VARCHAR; r BLOB; s UUID; t DATE; u "
        "TIME; v TIMESTAMP; "
        "w TIMESTAMP_S; x TIMESTAMP_MS; y TIMESTAMP_NS; z TIMESTAMPTZ");
  }

  void fill(const batch::Schema& schema, batch::Batch& rows, size_t count, bool text_only_utf8) {
    for (size_t c = 0; c < schema.size(); ++c) {
      batch::MutableColumn column = rows.mutable_column(c);
      for (size_t row = 0; row < count; ++row) {
        if (random_() % 8 == 0) {
          column.set_null(row);
        } else {
          set(schema[c].type, column, row, text_only_utf8);
        }
      }
    }
    rows.set_rows(count);
  }

 private:
  template <typename Integer>
  Integer integer() {
    constexpr Integer kEdges[] = {std::numeric_limits<Integer>::min(), std::numeric_limits<Integer>::max(), 0, 1,
                                  static_cast<Integer>(-1)};
    return random_() % 2 ? kEdges[random_() % 5] : static_cast<Integer>(random_());
  }
  int64_t below(int64_t limit) {
    return static_cast<int64_t>(random_() % (2 * static_cast<uint64_t>(limit) - 1)) - limit + 1;
  }
  std::string text(bool utf8) {
    static const std::vector<std::string> kParts = {
        "a", "\"", ",", "\n", "\r", "\\", "\x01", "\xc3\xa9", "\xf0\x9f\x98\x80", " ", "null", "\x7f", ";"};
    std::string out;
    for (size_t parts = random_() % 30; parts > 0; --parts)
      out += utf8 ? kParts[random_() % kParts.size()] : std::string(1, static_cast<char>(random_()));
    return out;
  }
  void set_decimal(const batch::Type& type, batch::MutableColumn& column, size_t row) {
    switch (type.decimal_width()) {
      case 4: return column.set<int16_t>(row, static_cast<int16_t>(below(10000)));
      case 9: return column.set<int32_t>(row, static_cast<int32_t>(below(1000000000)));
      case 18: return column.set<int64_t>(row, below(1000000000000000000));
      default:
        return column.set<batch::int128>(row, static_cast<batch::int128>(below(INT64_C(4000000000000000000))) *
                                                  static_cast<int64_t>(random_() >> 2));
    }
  }
  void set(const batch::Type& type, batch::MutableColumn& column, size_t row, bool utf8) {
    using batch::TypeId;
    switch (type.id()) {
      case TypeId::kBoolean: return column.set<bool>(row, random_() % 2);
      case TypeId::kTinyint: return column.set<int8_t>(row, integer<int8_t>());
      case TypeId::kSmallint: return column.set<int16_t>(row, integer<int16_t>());
      case TypeId::kInteger: return column.set<int32_t>(row, integer<int32_t>());
      case TypeId::kBigint: return column.set<int64_t>(row, integer<int64_t>());
      case TypeId::kUtinyint: return column.set<uint8_t>(row, integer<uint8_t>());
      case TypeId::kUsmallint: return column.set<uint16_t>(row, integer<uint16_t>());
      case TypeId::kUinteger: return column.set<uint32_t>(row, integer<uint32_t>());
      case TypeId::kUbigint: return column.set<uint64_t>(row, integer<uint64_t>());
      case TypeId::kHugeint:
        return column.set<batch::int128>(
            row, static_cast<batch::int128>(integer<int64_t>()) * static_cast<int64_t>(random_() >> 4));
      case TypeId::kDecimal: return set_decimal(type, column, row);
      case TypeId::kDouble: {
        auto value = random_() % 2 ? std::bit_cast<double>(random_()) : 0.1 * static_cast<double>(below(1000));
        return column.set<double>(row, std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value);
      }
      case TypeId::kFloat: {
        auto value = std::bit_cast<float>(static_cast<uint32_t>(random_()));
        return column.set<float>(row, std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : value);
      }
      case TypeId::kVarchar: return column.set_string(row, text(utf8));
      case TypeId::kBlob: return column.set_string(row, text(false));
      case TypeId::kUuid:
        return column.set<batch::int128>(
            row, static_cast<batch::int128>(random_()) << 64 | static_cast<batch::int128>(random_()));
      case TypeId::kDate: return column.set<int32_t>(row, static_cast<int32_t>(below(700000)));
      case TypeId::kTime: return column.set<int64_t>(row, static_cast<int64_t>(random_() % 86400000000));
      case TypeId::kTimestampS: return column.set<int64_t>(row, below(60000000000));
      case TypeId::kTimestampMs: return column.set<int64_t>(row, below(60000000000000));
      case TypeId::kTimestampNs: return column.set<int64_t>(row, below(9000000000000000) * 1000);
      default: return column.set<int64_t>(row, below(60000000000000000));
    }
  }
  std::mt19937_64 random_;
};

void expect_same_rows(const batch::Batch& a, const batch::Batch& b) {
  ASSERT_EQ(a.rows(), b.rows());
  for (size_t row = 0; row < a.rows(); ++row) {
    for (size_t column = 0; column < a.columns(); ++column) {
      ASSERT_EQ(a.value_text(column, row), b.value_text(column, row)) << a.type(column).name();
    }
  }
}

TEST(RoundTrip, JsonOfEveryScalarType) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RandomRows random(seed);
    batch::Schema schema = random.schema();
    batch::Batch rows(schema);
    random.fill(schema, rows, 300, true);
    std::string text = ndjson(schema, rows);
    std::vector<std::string_view> lines = split_view(text, '\n');
    lines.pop_back();
    Decoding back = decode("json", schema, lines);
    ASSERT_TRUE(back.errors.empty()) << seed << ": " << back.errors[0].reason << " in " << lines[back.errors[0].record];
    ASSERT_NO_FATAL_FAILURE(expect_same_rows(rows, back.rows));
    EXPECT_EQ(ndjson(schema, back.rows), text);
  }
}

TEST(RoundTrip, CsvOfEveryScalarType) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RandomRows random(seed);
    batch::Schema schema = random.schema();
    batch::Batch rows(schema);
    random.fill(schema, rows, 100, true);
    for (char delimiter : {',', ';', '\t'}) {
      std::vector<std::string> records;
      for (uint32_t row = 0; row < rows.rows(); ++row) {
        encode_csv(schema, rows.select(std::vector<uint32_t>{row}), delimiter, records.emplace_back());
        ASSERT_EQ(records.back().back(), '\n');
        records.back().pop_back();
      }
      DecoderOptions options;
      options.delimiter = delimiter;
      Decoding back = decode("csv", schema, {records.begin(), records.end()}, options);
      ASSERT_TRUE(back.errors.empty()) << seed << ": " << back.errors[0].reason << " in "
                                       << records[back.errors[0].record];
      ASSERT_NO_FATAL_FAILURE(expect_same_rows(rows, back.rows));
    }
  }
}

/// Random JSON of a type, written as the encoder writes it.
std::string random_json(const batch::Type& type, std::mt19937_64& random) {
  if (random() % 6 == 0) return "null";
  std::string out;
  switch (type.id()) {
    case batch::TypeId::kList:
      for (size_t count = random() % 4; count > 0; --count)
        out += (out.empty() ? "" : ",") + random_json(type.child(), random);
      return "[" + out + "]";
    case batch::TypeId::kStruct:
      for (size_t i = 0; i < type.struct_field_count(); ++i) {
        out += (i ? ",\"" : "\"") + type.struct_field_name(i) + "\":" + random_json(type.struct_field_type(i), random);
      }
      return "{" + out + "}";
    case batch::TypeId::kVarchar: return "\"" + std::string(random() % 20, 'v') + "\"";
    default: return std::to_string(static_cast<int32_t>(random()));
  }
}

TEST(RoundTrip, NestedJson) {
  batch::Schema schema = schema_of(
      "a INTEGER[][]; b STRUCT(x VARCHAR, y STRUCT(z INTEGER[], w VARCHAR)[]); c STRUCT(p INTEGER)[][]; d VARCHAR[]");
  std::mt19937_64 random(42);
  for (int round = 0; round < 20; ++round) {
    std::string text;
    for (int row = 0; row < 100; ++row) {
      for (size_t c = 0; c < schema.size(); ++c) {
        text += (c ? ",\"" : "{\"") + schema[c].name + "\":" + random_json(schema[c].type, random);
      }
      text += "}\n";
    }
    std::vector<std::string_view> lines = split_view(text, '\n');
    lines.pop_back();
    Decoding result = decode("json", schema, lines);
    ASSERT_TRUE(result.errors.empty()) << result.errors[0].reason;
    EXPECT_EQ(ndjson(schema, result.rows), text);
  }
}

}  // namespace
}  // namespace millrace::formats
