// Answers as text: exact numbers, tables that fit, CSV that can be read back.
#include "app/answer.h"

#include <gtest/gtest.h>

#include "app/answer_table.h"
#include "app/json_text.h"
#include "base/display.h"

namespace millrace::app {
namespace {

Answer parsed(std::string_view json) {
  auto answer = parse_answer(json);
  EXPECT_TRUE(answer.ok()) << render(answer.error());
  return answer.ok() ? *answer : Answer();
}

constexpr const char* kShop = R"({"columns":["item","n","note"],"types":["VARCHAR","BIGINT","VARCHAR"],)"
                              R"("rows":[["lamp",9223372036854775807,null],["desk, oak",-1,""],["a \"b\"",3,"x\ny"]]})";

TEST(Answer, NumbersKeepTheirText) {
  Answer answer = parsed(
      R"({"columns":["a","b"],"types":["BIGINT","DOUBLE"],"rows":[[9223372036854775807,1e-7],[-9223372036854775808,100000.0]]})");
  EXPECT_EQ(format_answer(answer, Format::kCsv, 0), "a,b\n9223372036854775807,1e-7\n-9223372036854775808,100000.0\n");
}

TEST(Answer, CsvTellsNullFromEmptyText) {
  EXPECT_EQ(format_answer(parsed(kShop), Format::kCsv, 0),
            "item,n,note\nlamp,9223372036854775807,\n\"desk, oak\",-1,\"\"\n\"a \"\"b\"\"\",3,\"x\ny\"\n");
}

TEST(Answer, JsonIsOneArrayOfObjects) {
  EXPECT_EQ(
      format_answer(parsed(R"({"columns":["a","b"],"types":["INTEGER","INTEGER[]"],"rows":[[1,[2,3]],[null,[]]]})"),
                    Format::kJson, 0),
      "[{\"a\":1,\"b\":[2,3]},\n{\"a\":null,\"b\":[]}]\n");
  EXPECT_EQ(format_answer(parsed(R"({"columns":[],"types":[],"rows":[],"message":"in sync"})"), Format::kTable, 0),
            "in sync\n");
}

TEST(Answer, NumbersStandAtTheRight) {
  EXPECT_EQ(
      format_answer(parsed(R"({"columns":["item","n"],"types":["VARCHAR","BIGINT"],"rows":[["a",1],["bcd",1000]]})"),
                    Format::kTable, 0),
      " item |    n\n------+------\n a    |    1\n bcd  | 1000\n(2 rows)\n");
}

TEST(Answer, ATableFitsTheTerminal) {
  Answer answer{{{"id", "BIGINT"}, {"text", "VARCHAR"}, {"more", "VARCHAR"}}, {}, {}};
  answer.rows.push_back({"7", "\"" + std::string(200, 'x') + "\"", "\"" + std::string(90, 'y') + "\""});
  for (size_t width : {40, 60, 80, 120}) {
    std::string text = table_text(answer, width);
    std::string line = text.substr(0, text.find('\n', text.find('\n') + 1));
    for (size_t at = 0; at < text.size();) {
      size_t end = text.find('\n', at);
      EXPECT_LE(display_width(text.substr(at, end - at)), width) << text;
      at = end + 1;
    }
  }
  EXPECT_NE(table_text(answer, 40).find("…"), std::string::npos);
  EXPECT_EQ(table_text(answer, 0).find("…"), std::string::npos);
}

TEST(Answer, WidthsOfCharacters) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("é"), 1u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("오징어"), 6u);
}

TEST(Answer, RefusesWhatIsNoAnswer) {
  for (const char* text :
       {"", "[]", "{\"columns\":[\"a\"],\"rows\":[[1,2]]}", "{\"columns\":[\"a\"", "{\"rows\":3}", "{a:1}"}) {
    EXPECT_FALSE(parse_answer(text).ok()) << text;
  }
}

TEST(JsonText, CutsWithoutChanging) {
  auto elements = json_elements(R"([ 1 , "a,]" , {"b":[1,2]}, [ ] , "\"" ])");
  ASSERT_TRUE(elements.ok());
  EXPECT_EQ(*elements, (std::vector<std::string_view>{"1", "\"a,]\"", "{\"b\":[1,2]}", "[ ]", "\"\\\"\""}));
  EXPECT_EQ(json_unquoted(R"("A\nß")"), "A\nß");
  EXPECT_EQ(json_member(R"({"a:":1,"b":{"c":2}})", "b"), "{\"c\":2}");
  EXPECT_EQ(json_member("{}", "b"), std::nullopt);
  for (const char* text : {"[1,]", "[,1]", "[1", "1]", "[1]2]", "[\"a]"})
    EXPECT_FALSE(json_elements(text).ok()) << text;
}

}  // namespace
}  // namespace millrace::app
