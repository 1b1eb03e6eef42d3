// CREATE STREAM from a sample: what is printed is accepted and decodes the sample.
#include "formats/infer.h"

#include <gtest/gtest.h>

#include "sql/lexer.h"

namespace millrace::formats {
namespace {

std::string inferred(std::string_view sample, InferOptions options = {}) {
  options.stream = "s";
  options.quote_name = sql::quote_name;
  auto text = infer_stream(sample, options);
  return text.ok() ? *text : "error: " + render(text.error());
}

TEST(Infer, JsonTypes) {
  std::string text = inferred(
      R"({"id":1,"order":"x","ts":"2025-01-01T00:00:00Z","day":"2025-01-01","w":1,"ok":true,"tags":["a"],"geo":{"lat":1.5,"lon":2},"none":null})"
      "\n"
      R"({"id":-3000000000,"order":"y","ts":"2025-01-02 10:00:00.5","day":"2025-02-01","w":2.5,"ok":false,"tags":[],"geo":{"lat":1}})"
      "\nbroken\n");
  for (const char* part :
       {"-- From 2 records. 1 more", "  id BIGINT,", "  \"order\" VARCHAR,", "  ts TIMESTAMP,", "  day DATE,",
        "  w DOUBLE,", "  ok BOOLEAN,", "  tags VARCHAR[],", "  geo STRUCT(lat DOUBLE, lon BIGINT),",
        "  none VARCHAR  -- always NULL", "WATERMARK FOR ts", ") WITH (format = 'json');"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Infer, LargeAndMixedValues) {
  std::string text = inferred("{\"a\":18446744073709551615,\"b\":1,\"A\":5}\n{\"a\":1,\"b\":\"x\"}");
  EXPECT_NE(text.find("a UBIGINT"), std::string::npos) << text;
  EXPECT_NE(text.find("b JSON  -- mixed numbers and text"), std::string::npos) << text;
  EXPECT_EQ(text.find("A "), std::string::npos) << text;
  EXPECT_NE(inferred("{\"a\":18446744073709551615}\n{\"a\":-1}").find("a HUGEINT"), std::string::npos);
}

TEST(Infer, AJsonArrayMayBeCut) {
  InferOptions options;
  options.whole = false;
  std::string text = inferred("[{\"a\":1,\"b\":\"],\"},{\"a\":2,\"b\":\"x\"},{\"a\":\"cut", options);
  EXPECT_NE(text.find("From 2 records"), std::string::npos) << text;
  EXPECT_NE(text.find("a BIGINT"), std::string::npos) << text;
}

TEST(Infer, Csv) {
  InferOptions options;
  options.load_path = "a/b.csv";
  std::string text = inferred(
      "\xef\xbb\xbfid;zip;amount;note;when\r\n1;00123;1.5;\"a;b\nc\";2025-01-01\r\n2;00456;;;2025-01-01 10:00:00\r\n",
      options);
  for (const char* part : {"From 2 records", "  id BIGINT,", "  zip VARCHAR,", "  amount DOUBLE,", "  note VARCHAR,",
                           "  \"when\" VARCHAR", "format = 'csv', delimiter = ';', load = 'a/b.csv'"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Infer, RefusesWhatHoldsNothing) {
  for (const char* sample : {"", " \n", "[1,2]", "{]", "\x1f\x8b\x08"})
    EXPECT_EQ(inferred(sample).find("error: "), 0u) << sample;
}

}  // namespace
}  // namespace millrace::formats
