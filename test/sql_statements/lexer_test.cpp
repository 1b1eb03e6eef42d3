#include "sql/lexer.h"

#include <gtest/gtest.h>

namespace millrace::sql {
namespace {

/// The tokens' texts with bars between them; an error as `message @offset`.
std::string cut(std::string_view text) {
  Result<std::vector<Token>> tokens = tokenize(text);
  if (!tokens.ok()) return tokens.error().message + " @" + std::to_string(tokens.error().position->offset);
  std::string joined;
  for (const Token& token : *tokens) {
    if (token.kind == TokenKind::kEnd) break;
    joined += std::string(joined.empty() ? "" : "|") + std::string(token_text(text, token));
  }
  return joined;
}

std::string value_of(std::string_view text) {
  Result<std::vector<Token>> tokens = tokenize(text);
  return tokens.ok() && tokens->size() == 2 ? token_value(text, tokens->front()) : "not one token";
}

TEST(Lexer, CutsLikePostgres) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"  \n\t ", ""},
      {"SELECT a,b FROM t;", "SELECT|a|,|b|FROM|t|;"},
      {"a.b.\"c d\"", "a|.|b|.|\"c d\""},
      {"x=-1", "x|=|-|1"},
      {"a<=b<>c!=d", "a|<=|b|<>|c|!=|d"},
      {"a::INT[]", "a|::|INT|[|]"},
      {"f(p := 1, q => 2)", "f|(|p|:=|1|,|q|=>|2|)"},
      {"j->'a'->>'b'", "j|->|'a'|->>|'b'"},
      {"a@-1", "a|@-|1"},
      {"a*-1", "a|*|-|1"},
      {"1.5e-3 .5 1. 0xFF 1_000", "1.5e-3|.5|1.|0xFF|1_000"},
      {"[1:2]", "[|1|:|2|]"},
      {"a--comment\n+b", "a|+|b"},
      {"a/* x /* nested */ y */b", "a|b"},
      {"a+--x\nb", "a|+|b"},
      {"a+/*x*/b", "a|+|b"},
      {"'it''s' E'a\\'b' x'ff' 'a'", "'it''s'|E'a\\'b'|x'ff'|'a'"},
      {"$$a'b$$ $t$ $$ $t$", "$$a'b$$|$t$ $$ $t$"},
      {"$1 $name", "$1|$name"},
      {"größe + \xC2\xA0"
       "b",
       "größe|+|b"},
      {"\xEF\xBB\xBFSELECT", "SELECT"},
      {"{'a': 1}", "{|'a'|:|1|}"},
      {"'-- no comment' \"/* nor here\"", "'-- no comment'|\"/* nor here\""},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(cut(text), expected) << text;
}

TEST(Lexer, WhatIsNotClosedIsAnErrorAtItsStart) {
  const std::pair<const char*, const char*> cases[] = {
      {"SELECT 'abc", "a string is not closed @7"},
      {"SELECT 'abc''", "a string is not closed @7"},
      {"SELECT E'abc\\'", "a string is not closed @7"},
      {"SELECT E'abc\\", "a string is not closed @7"},
      {"a \"b", "a quoted name is not closed @2"},
      {"a \"\"", "a quoted name is empty @2"},
      {"a /* b", "a comment is not closed @2"},
      {"a /* b /* c */", "a comment is not closed @2"},
      {"a $$b$", "a string is not closed @2"},
      {"a $x$ b $y$", "a string is not closed @2"},
      {"a ${b}", "unexpected character: $ @2"},
      {"12abc", "letters follow a number: 12 @0"},
      {"a \\d", "unexpected character: \\ @2"},
      {"a \x01", "unexpected control character @2"},
      {"SELECT \xE2\x80\x98x\xE2\x80\x99", "unexpected typographic quote @7"},
      {"a \xC3(", "the text is not valid UTF-8 @2"},
      {"a \xED\xA0\x80", "the text is not valid UTF-8 @2"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(cut(text), expected) << text;
  EXPECT_EQ(cut(std::string_view("a\0b", 3)), "the text holds a zero byte @1");
}

TEST(Lexer, Values) {
  EXPECT_EQ(value_of("'it''s'"), "it's");
  EXPECT_EQ(value_of("''"), "");
  EXPECT_EQ(value_of("E'a\\nb\\'c''d'"), "a\nb'c'd");
  EXPECT_EQ(value_of("$t$a$$b$t$"), "a$$b");
  EXPECT_EQ(value_of("$$$$"), "");
  EXPECT_EQ(value_of("\"a\"\"b\""), "a\"b");
  EXPECT_EQ(value_of("Word"), "Word");
}

TEST(Lexer, NamesAreQuotedWhereNeeded) {
  EXPECT_EQ(quote_name("plays"), "plays");
  EXPECT_EQ(quote_name("Plays_2"), "Plays_2");
  EXPECT_EQ(quote_name("Offset"), "\"Offset\"");
  EXPECT_EQ(quote_name("a b\"c"), "\"a b\"\"c\"");
  EXPECT_EQ(quote_name(""), "\"\"");
  EXPECT_EQ(quote_name("2x"), "\"2x\"");
}

TEST(Lexer, ShellKnowsWhenAStatementIsWhole) {
  EXPECT_TRUE(ends_statement("SELECT 1;"));
  EXPECT_TRUE(ends_statement("SELECT ';' ; -- done"));
  EXPECT_FALSE(ends_statement("SELECT 1"));
  EXPECT_FALSE(ends_statement("SELECT ';"));
  EXPECT_FALSE(ends_statement("SELECT /* ;"));
  EXPECT_FALSE(ends_statement("SELECT $$ ;"));
  EXPECT_FALSE(ends_statement(""));
  EXPECT_TRUE(ends_statement("SELECT 12abc;"));  // wrong in any case: show the error
}

}  // namespace
}  // namespace millrace::sql
