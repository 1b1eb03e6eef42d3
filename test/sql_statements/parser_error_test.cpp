// Every mistake is told with its place, what was expected, and for usual slips what to write.
#include <gtest/gtest.h>

#include "sql/statement.h"

namespace millrace::sql {
namespace {

struct Case {
  const char* text;  ///< the mark § stands before the byte that the error must point at
  const char* message;
  const char* hint = "";  ///< a part of the hint
};

constexpr std::string_view kMark = "§";

void check_all(std::initializer_list<Case> cases, const char* code) {
  for (const Case& one : cases) {
    std::string text = one.text;
    size_t mark = text.find(kMark);
    ASSERT_NE(mark, std::string::npos) << text;
    text.erase(mark, kMark.size());
    Result<std::vector<Statement>> result = parse_statements(text);
    if (result.ok()) {
      ADD_FAILURE() << "no error: " << text;
      continue;
    }
    const Error& error = result.error();
    EXPECT_EQ(error.code, code) << text;
    EXPECT_EQ(error.fault, Fault::kUser) << text;
    EXPECT_EQ(error.message, one.message) << text;
    ASSERT_TRUE(error.position) << text;
    EXPECT_EQ(error.position->offset, mark) << render(error, text);
    EXPECT_NE(error.hint.find(one.hint), std::string::npos) << error.hint << " / " << one.hint;
  }
}

TEST(ParserErrors, FirstWords) {
  check_all(
      {
          {"§SELEC 1", "expected a statement, found SELEC", "did you mean SELECT?"},
          {"§42", "expected a statement, found 42", "statements start with"},
          {"SELECT 1; §CRAETE STREAM s (a INT)", "expected a statement, found CRAETE", "did you mean CREATE?"},
          {"CREATE §MATERIALISED VIEW v AS SELECT 1",
           "expected STREAM, TABLE, VIEW, MATERIALIZED VIEW, SINK or MACRO, found MATERIALISED",
           "did you mean MATERIALIZED?"},
          {"CREATE§ ",
           "expected STREAM, TABLE, VIEW, MATERIALIZED VIEW, SINK or MACRO, found the end of the statement"},
          {"CREATE §SOURCE s", "expected STREAM or TABLE, found SOURCE", "CREATE STREAM"},
          {"CREATE OR §STREAM s (a INT)", "expected REPLACE, found STREAM"},
          {"CREATE MATERIALIZED §v AS SELECT 1", "expected VIEW, found v"},
          {"SYNC §now", "expected the end of the statement, found now"},
          {"SYNC §SELECT 1", "expected the end of the statement, found SELECT", ";"},
      },
      sqlstate::kSyntaxError);
}

TEST(ParserErrors, Columns) {
  check_all(
      {
          {"CREATE STREAM s (a INT §b INT)", "expected , or ), found b", "is a comma missing"},
          {"CREATE STREAM s (a INT§ ", "expected , or ), found the end of the statement"},
          {"CREATE STREAM s (a INT, §)", "expected a column, found )", "remove the comma"},
          {"CREATE STREAM s (§)", "expected a column, found )"},
          {"CREATE STREAM s (a§)", "expected a type for column a, found )", "e.g. a BIGINT"},
          {"CREATE STREAM s (offset§, b INT)", "expected a type for column offset, found ,", "\"offset\" BIGINT"},
          {"CREATE STREAM s (a §NOT NULL)", "expected a type for column a, found NOT"},
          {"CREATE STREAM s (§'a' INT)", "expected a column, found 'a'", "double quotes"},
          {"CREATE STREAM s (a STRUCT(b INT)§", "expected , or ), found the end of the statement"},
          {"CREATE STREAM s (a DECIMAL§(10;", "a bracket is not closed: ("},
          {"CREATE STREAM s (a INT[§x])", "expected ], found x"},
          {"CREATE STREAM s §a INT", "expected ( and the columns, found a"},
          {"CREATE STREAM §(a INT)", "expected a name for the stream, found ("},
          {"CREATE STREAM §order (a INT)", "expected a name for the stream, found order", "\"order\""},
          {"CREATE STREAM main§.s (a INT)", "names have no schema or database before them: main.",
           "write the name alone"},
          {"CREATE STREAM s (a INT §PRIMARY KEY)", "a stream has no primary key", "CREATE TABLE"},
          {"CREATE TABLE t (a INT PRIMARY KEY, §PRIMARY KEY (a))", "PRIMARY KEY is given twice", "PRIMARY KEY (a, b)"},
          {"CREATE TABLE t (a INT, PRIMARY KEY (§))", "expected a column of the key, found )"},
          {"CREATE STREAM s (a TIMESTAMP, WATERMARK FOR a AS§)", "expected an expression, found )",
           "a - INTERVAL 10 SECOND"},
          {"CREATE STREAM s (a TIMESTAMP, WATERMARK FOR a AS §(a", "a bracket is not closed: ("},
          {"CREATE STREAM s (a TIMESTAMP, WATERMARK FOR a, §WATERMARK FOR a)", "WATERMARK is given twice"},
          {"CREATE STREAM s (a TIMESTAMP, WATERMARK FOR a DELAY §5)", "expected an interval behind DELAY, found 5",
           "INTERVAL 10 SECOND"},
          {"CREATE STREAM s (a TIMESTAMP, WATERMARK FOR a DELAY INTERVAL 5§)",
           "expected a unit such as SECOND, MINUTE, HOUR or DAY, found )"},
          {"CREATE OR REPLACE STREAM §IF NOT EXISTS s (a INT)", "OR REPLACE and IF NOT EXISTS contradict each other"},
          {"CREATE STREAM IF §EXISTS s (a INT)", "expected NOT, found EXISTS"},
      },
      sqlstate::kSyntaxError);
}

TEST(ParserErrors, Options) {
  check_all(
      {
          {"CREATE STREAM s (a INT) WITH §format = 'json'", "expected (, found format", "WITH (name = value"},
          {"CREATE STREAM s (a INT) WITH (format §'json')", "expected = behind format, found 'json'"},
          {"CREATE STREAM s (a INT) WITH (format = §)", "expected a value for format, found )"},
          {"CREATE STREAM s (a INT) WITH (§= 1)", "expected the name of an option, found ="},
          {"CREATE STREAM s (a INT) WITH (a = 1 §b = 2)", "expected , or ), found b", "is a comma missing"},
          {"CREATE STREAM s (a INT) WITH (a = 1, §A = 2)", "an option is given twice: a"},
          {"CREATE STREAM s (a INT) WITH (a = -§b)", "expected a number, found b"},
          {"CREATE STREAM s (a INT) WITH (a = 1§", "expected , or ), found the end of the statement"},
          {"CREATE STREAM s (a INT) §OPTIONS (a = 1)", "expected the end of the statement, found OPTIONS",
           "WITH (name = value"},
          {"CREATE STREAM s (a INT) §CREATE STREAM t (a INT)", "expected the end of the statement, found CREATE",
           "end the statement before with ;"},
      },
      sqlstate::kSyntaxError);
}

TEST(ParserErrors, Queries) {
  check_all(
      {
          {"CREATE VIEW v AS§ ", "expected a query, found the end of the statement"},
          {"CREATE VIEW v AS §SELCT 1", "expected a query, found SELCT", "did you mean SELECT?"},
          {"CREATE VIEW v §SELECT 1", "expected AS, found SELECT", "AS stands before the query"},
          {"CREATE VIEW §AS SELECT 1", "expected a name for the view, found AS", "double quotes"},
          {"CREATE VIEW v AS SELECT 1 §EMIT CHANGES", "a plain view emits nothing: it is put in place of its name",
           "CREATE MATERIALIZED VIEW"},
          {"CREATE VIEW v §WITH (a = 1) AS SELECT 1", "a plain view takes no WITH options"},
          {"SELECT a FROM t §WITH (a = 1)", "this statement takes no WITH options"},
          {"SELECT §(1", "a bracket is not closed: (", "close it with )"},
          {"SELECT 1§)", "nothing was opened before )"},
          {"SELECT (1§]", "expected ), found ]"},
          {"SELECT a FROM t EMIT§", "expected CHANGES or ON WINDOW CLOSE, found the end of the statement"},
          {"SELECT a FROM t EMIT §CHANGE", "expected CHANGES or ON WINDOW CLOSE, found CHANGE",
           "did you mean CHANGES?"},
          {"SELECT a FROM t EMIT ON WINDOW§", "expected CLOSE, found the end of the statement"},
          {"SELECT a FROM t EMIT CHANGES §EMIT FINAL", "EMIT is given twice"},
          {"SELECT a FROM t EMIT CHANGES §WHERE a > 1", "expected the end of the statement, found WHERE", "come last"},
          {"SELECT * FROM (SELECT a FROM t §EMIT CHANGES)", "EMIT stands inside brackets",
           "at the end of the statement"},
          {"SELECT a FROM t ALLOW LATENESS §5", "expected an interval behind ALLOW LATENESS, found 5"},
          {"SELECT a FROM t ALLOW LATENESS§ ",
           "expected an interval behind ALLOW LATENESS, found the end of the statement"},
          {"SELECT a FROM t ALLOW LATENESS '1s' §ALLOW LATENESS '2s'", "ALLOW LATENESS is given twice"},
          {"CREATE MATERIALIZED VIEW v AS SELECT a FROM t\n§CREATE SINK s FROM v",
           "expected the end of the statement, found CREATE", "end the statement before with ;"},
          {"CREATE MATERIALIZED VIEW v WITH (a = 1) AS SELECT a FROM t §WITH (b = 1)", "WITH options are given twice"},
          {"SELECT 1; SELECT §'abc", "a string is not closed"},
      },
      sqlstate::kSyntaxError);
}

TEST(ParserErrors, SinksMacrosCommands) {
  check_all(
      {
          {"CREATE SINK s §INTO iceberg FROM v", "expected FROM or AS, found INTO", "WITH (connector"},
          {"CREATE SINK s FROM §(SELECT 1)", "expected the name of a view, table or stream, found (", "AS SELECT"},
          {"CREATE SINK s FROM v §WHERE a > 1", "expected the end of the statement, found WHERE", "AS SELECT"},
          {"CREATE SINK s §SELECT 1", "expected FROM or AS, found SELECT", "AS stands before"},
          {"CREATE MACRO m §AS 1", "expected (, found AS", "empty brackets"},
          {"CREATE MACRO m(a) AS§", "expected an expression, or TABLE and a query, found the end of the statement"},
          {"DROP §plays", "expected STREAM, TABLE, VIEW, MATERIALIZED VIEW, SINK or MACRO, found plays",
           "DROP STREAM plays"},
          {"DROP STREAM§", "expected the name of a stream, found the end of the statement"},
          {"DROP STREAM a §b", "expected the end of the statement, found b"},
          {"SHOW §STREAM",
           "expected STREAMS, TABLES, VIEWS, MATERIALIZED VIEWS, SINKS, MACROS, WATERMARKS, CONNECTORS, ALL or CREATE, "
           "found STREAM",
           "did you mean STREAMS?"},
          {"SHOW§",
           "expected STREAMS, TABLES, VIEWS, MATERIALIZED VIEWS, SINKS, MACROS, WATERMARKS, CONNECTORS, ALL or CREATE, "
           "found the end of the statement"},
          {"DESCRIBE §1", "expected the name of an object, or a query, found 1"},
          {"EXPLAIN §EXPLAIN SELECT 1", "EXPLAIN stands inside EXPLAIN"},
          {"EXPLAIN (FORMAT §XML) SELECT 1", "expected JSON or TEXT, found XML"},
          {"SUBSCRIBE TO v FROM §somewhere", "expected NOW, BEGINNING or a position, found somewhere"},
          {"SUBSCRIBE TO (SELECT 1§", "expected ), found the end of the statement"},
          {"INSERT §plays VALUES (1)", "expected INTO, found plays"},
          {"INSERT INTO plays (§1, 2)", "expected a column, found 1", "VALUES"},
          {"INSERT INTO plays §VALUE (1)", "expected VALUES or a query, found VALUE", "did you mean VALUES?"},
          {"UPDATE t§ ", "expected SET, found the end of the statement"},
          {"DELETE §t", "expected FROM, found t"},
      },
      sqlstate::kSyntaxError);
}

TEST(ParserErrors, UnderstoodAndRefused) {
  check_all(
      {
          {"ALTER §TABLE t ADD a INT", "ALTER TABLE is not part of this version", "second table"},
          {"ALTER §VIEW v ADD a INT", "ALTER changes streams alone", "CREATE OR REPLACE"},
          {"ALTER STREAM s §DROP COLUMN a", "ALTER STREAM adds columns, and changes nothing else", "CREATE it anew"},
          {"ALTER STREAM s ADD a INT §NOT NULL", "an added column takes NULL: a", "in a view"},
          {"ALTER STREAM s ADD a INT DEFAULT 1§, ADD b INT", "ALTER adds one column at a time", "a statement for each"},
          {"§COPY t TO 'x'", "this statement is not available: COPY", "CREATE SINK"},
          {"§BEGIN", "this statement is not available: BEGIN", "leave it out"},
          {"CREATE §INDEX i ON t(a)", "there are no indexes"},
          {"CREATE §TEMP TABLE t (a INT)", "there are no temporary objects"},
          {"CREATE TABLE t §AS SELECT 1", "a table has columns of its own and no query", "CREATE MATERIALIZED VIEW"},
          {"CREATE TABLE t (a INT §DEFAULT 1)", "this constraint is not available: DEFAULT"},
          {"CREATE TABLE t (a INT, §UNIQUE (a))", "this constraint is not available: UNIQUE"},
          {"CREATE TABLE t (a INT §GENERATED ALWAYS AS (1))", "columns are not computed here"},
          {"SELECT a FROM t §EMIT EVERY INTERVAL '1s'", "this form of EMIT is not available: EVERY",
           "EMIT ON WINDOW CLOSE"},
          {"UPDATE t SET §(a, b) = (1, 2)", "SET takes one column at a time"},
          {"UPDATE t SET a = 1 §FROM u WHERE true", "another table beside the one that is changed is not available here", "subquery"},
          {"DELETE FROM t §USING u WHERE true", "another table beside the one that is changed is not available here", "subquery"},
          {"§EXPLAIN CREATE STREAM s (a INT)", "there is no plan to explain"},
      },
      sqlstate::kNotSupported);
}

TEST(ParserErrors, LatenessInMonthsIsRefused) {
  Result<std::vector<Statement>> result = parse_statements("SELECT a FROM t ALLOW LATENESS INTERVAL 1 MONTH");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, sqlstate::kInvalidParameter);
  EXPECT_EQ(result.error().position->offset, 31u);
  EXPECT_NE(result.error().hint.find("write days"), std::string::npos);
}

}  // namespace
}  // namespace millrace::sql
