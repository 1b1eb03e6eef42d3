// Whatever stands in the text: the parser ends, never crashes, and each error points into the text.
#include <gtest/gtest.h>

#include <random>

#include "sql/lexer.h"
#include "sql/statement.h"

namespace millrace::sql {
namespace {

const char* const kValid[] = {
    "CREATE OR REPLACE STREAM plays (play_id UUID, seconds DECIMAL(10,2) NOT NULL, \"o\"\"k\" STRUCT(end INT, b "
    "VARCHAR[])[], ts TIMESTAMP, "
    "WATERMARK FOR ts AS ts - INTERVAL '30' SECOND) WITH (format = 'js''on', partitions = -4, a.b = true, w = INTERVAL "
    "1 DAY);",
    "CREATE TABLE IF NOT EXISTS t (a INT, b TIMESTAMP WITH TIME ZONE, PRIMARY KEY (a, b), WATERMARK FOR b DELAY '5s') "
    "WITH (connector = file);",
    "CREATE MATERIALIZED VIEW v (x, y) WITH (on_error = stop) AS SELECT $$a;b$$, {'k': [1, 2]} FROM tumble(t, ts, "
    "INTERVAL 1 DAY) "
    "ALLOW LATENESS '1 hour' /* c /* d */ */ GROUP BY ALL -- e\n EMIT ON WINDOW CLOSE;",
    "CREATE SINK s AS SELECT a FROM t EMIT CHANGES WITH (connector = 'file', path = E'\\'x'); CREATE SINK r FROM v;",
    "CREATE MACRO m(a, b := 2) AS a + b; DROP VIEW IF EXISTS a, b CASCADE; SHOW CREATE SINK s; DESCRIBE SELECT 1; SHOW "
    "TIME ZONE",
    "EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1; SUBSCRIBE TO (SELECT a FROM t) FROM POSITION '12'; SUBSCRIBE v FROM "
    "BEGINNING",
    "INSERT INTO t (a, b) VALUES (1, 'x'); UPDATE t SET a = 1 WHERE b; DELETE FROM t WHERE größe > 1e-3; SYNC; FLUSH;",
};

/// Parses; counts the errors. Every span of what was parsed and of the error must lie in the text.
size_t parse_any(std::string_view text) {
  Result<std::vector<Statement>> result = parse_statements(text);
  if (result.ok()) {
    for (const Statement& statement : *result) {
      EXPECT_LE(statement.span.offset + statement.span.length, text.size());
      EXPECT_EQ(statement.text, text.substr(statement.span.offset, statement.span.length));
      if (const auto* select = std::get_if<Select>(&statement.body)) {
        const SqlText& sql = select->query.sql;
        EXPECT_LE(sql.span.offset + sql.text.size(), text.size());
        for (size_t i = 0; i < sql.text.size(); ++i) {
          EXPECT_TRUE(sql.text[i] == text[sql.span.offset + i] || sql.text[i] == ' ') << text;
        }
      }
    }
    return 0;
  }
  const Error& error = result.error();
  EXPECT_EQ(error.fault, Fault::kUser) << error.message;
  EXPECT_EQ(error.code.size(), 5u);
  EXPECT_FALSE(error.message.empty());
  EXPECT_TRUE(error.position.has_value()) << error.message << '\n' << text;
  if (error.position) {
    EXPECT_LE(error.position->offset, text.size()) << error.message << '\n' << text;
    EXPECT_LE(error.position->offset + error.position->length, text.size() + 1) << error.message << '\n' << text;
    EXPECT_GE(error.position->length, 1u) << error.message << '\n' << text;
  }
  return 1;
}

TEST(ParserProperty, TheSeedsAreValid) {
  for (const char* text : kValid) EXPECT_EQ(parse_any(text), 0u) << text;
}

TEST(ParserProperty, CutAtEveryByte) {
  size_t errors = 0;
  for (std::string_view text : kValid) {
    for (size_t i = 0; i <= text.size(); ++i) {
      errors += parse_any(text.substr(0, i));
      errors += parse_any(text.substr(i));
      errors += parse_any(std::string(text.substr(0, i)) + std::string(text.substr(std::min(i + 1, text.size()))));
    }
  }
  EXPECT_GT(errors, 1000u);
}

TEST(ParserProperty, ChangedAtEveryByte) {
  static constexpr std::string_view kBytes = "'\"$();,.=- \\/*[]{}x0\n\x01\xC3\xFF";
  size_t errors = 0;
  for (std::string_view text : kValid) {
    for (size_t i = 0; i < text.size(); ++i) {
      for (char c : std::string(kBytes) + '\0') {
        std::string changed(text);
        changed[i] = c;
        errors += parse_any(changed);
        changed = text;
        changed.insert(i, 1, c);
        errors += parse_any(changed);
      }
    }
  }
  EXPECT_GT(errors, 10000u);
}

TEST(ParserProperty, TokensLeftOutRepeatedAndSwapped) {
  for (std::string_view text : kValid) {
    Result<std::vector<Token>> tokens = tokenize(text);
    ASSERT_TRUE(tokens.ok());
    for (size_t i = 0; i + 1 < tokens->size(); ++i) {
      const Token& token = (*tokens)[i];
      std::string before(text.substr(0, token.offset));
      std::string self(token_text(text, token));
      std::string behind(text.substr(token.end()));
      parse_any(before + behind);
      parse_any(before + self + ' ' + self + behind);
      parse_any(before + " EMIT " + self + behind);
      parse_any(before + " ( " + self + behind);
      parse_any(before + " ; " + self + behind);
      parse_any(behind + ' ' + before);
    }
  }
}

TEST(ParserProperty, RandomTokensAndBytes) {
  static const std::vector<std::string> kWords = {
      "CREATE",  "OR",    "REPLACE",   "STREAM",   "TABLE",     "MATERIALIZED",
      "VIEW",    "SINK",  "MACRO",     "IF",       "NOT",       "EXISTS",
      "(",       ")",     ",",         ";",        "a",         "\"b\"",
      "'c'",     "INT",   "WITH",      "=",        "AS",        "FROM",
      "SELECT",  "EMIT",  "CHANGES",   "ON",       "WINDOW",    "CLOSE",
      "FINAL",   "ALLOW", "LATENESS",  "INTERVAL", "1",         "DAY",
      "DROP",    "SHOW",  "EXPLAIN",   "ANALYZE",  "SUBSCRIBE", "TO",
      "INSERT",  "INTO",  "VALUES",    "UPDATE",   "SET",       "DELETE",
      "PRIMARY", "KEY",   "WATERMARK", "FOR",      "DELAY",     "[",
      "]",       "."};
  std::mt19937_64 random(20251124);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    size_t length = random() % 14;
    for (size_t i = 0; i < length; ++i) text += kWords[random() % kWords.size()] + ' ';
    parse_any(text);
    std::string bytes;
    for (size_t i = 0; i < length * 2; ++i)
      bytes += static_cast<char>(random() % 3 == 0 ? random() : 32 + random() % 96);
    parse_any(bytes);
  }
}

TEST(ParserProperty, DeepNestingDoesNotOverflowTheStack) {
  std::string text = "SELECT " + std::string(1000000, '(');
  EXPECT_EQ(parse_any(text), 1u);
  std::string type = "CREATE STREAM s (a ";
  for (int i = 0; i < 100000; ++i) type += "STRUCT(a ";
  EXPECT_EQ(parse_any(type), 1u);
  EXPECT_EQ(parse_any(std::string(100000, ';')), 0u);
  std::string comment;
  for (int i = 0; i < 100000; ++i) comment += "/*";
  EXPECT_EQ(parse_any(comment), 1u);
}

}  // namespace
}  // namespace millrace::sql
