// ALTER STREAM … ADD COLUMN.
#include "base/text.h"
#include "sql/parser_parts.h"

namespace millrace::sql {
namespace {

constexpr const char* kForm = "write ALTER STREAM name ADD COLUMN column type [DEFAULT value]";

/// ALTER of something else, or another change.
Error refuse_alter(const Cursor& cursor, std::string message, std::string hint) {
  return refused(cursor.peek().span(), std::move(message), std::move(hint));
}

Error other_object(const Cursor& cursor) {
  if (cursor.at("TABLE")) {
    return refuse_alter(cursor, "ALTER TABLE is not part of this version",
                        "put the columns into a second table with the same key, and join them in a view");
  }
  if (cursor.at_any({"MATERIALIZED", "VIEW", "SINK", "MACRO", "FUNCTION"})) {
    return refuse_alter(cursor, "ALTER changes streams alone", "write CREATE OR REPLACE with the new definition");
  }
  return cursor.expected("STREAM", kForm);
}

Status parse_default(Cursor& cursor, AddColumn& add) {
  if (cursor.at_all({"NOT", "NULL"})) {
    return refuse_alter(cursor, "an added column takes NULL: " + add.column.name,
                        "rows that were there before have no value for it; check it in a view");
  }
  (void)cursor.accept("NULL");
  if (!cursor.accept("DEFAULT")) return cursor.expect_end();
  const size_t first = cursor.position();
  MR_TRY(cursor.skip_until([](const Cursor& at) { return at.at(TokenKind::kComma); }, true));
  if (cursor.position() == first) return cursor.expected("a value", "e.g. DEFAULT 0");
  add.default_value = cursor.text_since(first);
  if (cursor.at(TokenKind::kComma)) {
    return refuse_alter(cursor, "ALTER adds one column at a time", "write a statement for each column");
  }
  return cursor.expect_end();
}

}  // namespace

Result<Statement::Body> parse_alter(Cursor& cursor) {
  cursor.advance();
  if (!cursor.accept("STREAM")) return other_object(cursor);
  AddColumn add;
  MR_ASSIGN(add.name, cursor.expect_name("the stream"));
  if (!cursor.accept("ADD")) {
    return refuse_alter(cursor, "ALTER STREAM adds columns, and changes nothing else",
                        "DROP it, then CREATE it anew; what a view needs otherwise it can compute");
  }
  (void)cursor.accept("COLUMN");
  add.if_not_exists = cursor.accept_all({"IF", "NOT", "EXISTS"});
  const size_t first = cursor.position();
  MR_ASSIGN(const Name column, cursor.expect_any_name("a column"));
  add.column.name = column.text;
  const size_t type_first = cursor.position();
  MR_ASSIGN(add.column.type_text, parse_column_type(cursor, column.text));
  add.column.type_span = cursor.span_since(type_first);
  add.column.span = cursor.span_since(first);
  MR_TRY(parse_default(cursor, add));
  return Statement::Body(std::move(add));
}

}  // namespace millrace::sql
