// The parts of the parser, one function a statement or clause. Private to the parser; statement.h is its door.
//
// Each function starts at the token that its comment names and leaves the cursor behind what it read.
#pragma once

#include <optional>
#include <vector>

#include "sql/parser_cursor.h"
#include "sql/statement.h"

namespace millrace::sql {

/// One whole statement. `nested`: inside EXPLAIN, which cannot stand in itself.
Result<Statement::Body> parse_body(Cursor& cursor, bool nested);

/// `WITH (name = value, …)`, at WITH.
Result<std::vector<Option>> parse_options(Cursor& cursor);

/// A query that takes the rest of the statement, with EMIT and ALLOW LATENESS. A WITH list behind it goes to
/// `trailing`, or is an error when that is null.
Result<Query> parse_query(Cursor& cursor, std::vector<Option>* trailing);
/// Whether the next token can start a query.
bool at_query(const Cursor& cursor);
/// `INTERVAL 10 SECOND`, `INTERVAL '10s'` or `'10s'`.
Result<SqlText> parse_interval(Cursor& cursor, std::string_view what);
/// The same as a length of time: no months or years.
Result<Duration> parse_interval_duration(Cursor& cursor, std::string_view what);

/// What stands between the brackets of CREATE STREAM and CREATE TABLE.
struct ColumnList {
  std::vector<ColumnDefinition> columns;
  std::vector<Name> primary_key;
  std::optional<SourceSpan> primary_key_span;
  std::optional<WatermarkDefinition> watermark;
};
/// At `(`.
Result<ColumnList> parse_column_list(Cursor& cursor);
/// The type of a column, at its first word: as DuckDB reads it.
Result<std::string> parse_column_type(Cursor& cursor, const std::string& column);

/// All at the word behind CREATE [OR REPLACE].
Result<Statement::Body> parse_create(Cursor& cursor);
Result<Statement::Body> parse_create_stream(Cursor& cursor, CreateMode mode);
Result<Statement::Body> parse_create_table(Cursor& cursor, CreateMode mode);
Result<Statement::Body> parse_create_materialized_view(Cursor& cursor, CreateMode mode);
Result<Statement::Body> parse_create_view(Cursor& cursor, CreateMode mode);
Result<Statement::Body> parse_create_sink(Cursor& cursor, CreateMode mode);
Result<Statement::Body> parse_create_macro(Cursor& cursor, CreateMode mode);

/// All at the first word of the statement.
Result<Statement::Body> parse_alter(Cursor& cursor);
Result<Statement::Body> parse_drop(Cursor& cursor);
Result<Statement::Body> parse_show(Cursor& cursor);
Result<Statement::Body> parse_describe(Cursor& cursor);
Result<Statement::Body> parse_explain(Cursor& cursor, bool nested);
Result<Statement::Body> parse_subscribe(Cursor& cursor);
Result<Statement::Body> parse_insert(Cursor& cursor);
Result<Statement::Body> parse_update(Cursor& cursor);
Result<Statement::Body> parse_delete(Cursor& cursor);

/// STREAM, TABLE, VIEW, MATERIALIZED VIEW, SINK, MACRO or FUNCTION, if one is there.
std::optional<ObjectKind> accept_object_kind(Cursor& cursor);
/// `did you mean MATERIALIZED?` for the next token, or empty.
std::string keyword_hint(const Cursor& cursor, const std::vector<std::string>& keywords);

}  // namespace millrace::sql
