// INSERT, UPDATE, DELETE.
#include <utility>

#include "sql/parser_parts.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

bool at_tail(const Cursor& cursor) { return cursor.at("RETURNING") || cursor.at_all({"ON", "CONFLICT"}); }

/// RETURNING and the end of the statement.
Status parse_returning(Cursor& cursor, std::optional<Returning>& returning) {
  if (!cursor.at("RETURNING")) return cursor.expect_end();
  returning.emplace();
  returning->span = cursor.peek().span();
  cursor.advance();
  if (cursor.accept_operator("*")) return cursor.expect_end();
  do {
    if (!cursor.at_name()) return cursor.expected("* or a column", "RETURNING takes columns, not expressions");
    MR_ASSIGN(Name name, cursor.expect_any_name("a column"));
    std::string alias = name.text;
    if (cursor.accept("AS") || cursor.at_name()) {
      MR_ASSIGN(Name other, cursor.expect_any_name("a name"));
      alias = std::move(other.text);
    }
    returning->columns.push_back({std::move(name), std::move(alias)});
  } while (cursor.accept(TokenKind::kComma));
  return cursor.expect_end("RETURNING takes columns, not expressions");
}

bool at_set_end(const Cursor& cursor) {
  return cursor.at(TokenKind::kComma) || cursor.at_any({"FROM", "WHERE", "RETURNING"});
}

/// SET …, up to what cannot be part of it.
Status parse_set(Cursor& cursor, SetList& set) {
  MR_TRY(cursor.expect("SET"));
  do {
    if (cursor.at(TokenKind::kLeftParenthesis)) {
      return refused(cursor.peek().span(), "SET takes one column at a time", "write a = …, b = …");
    }
    MR_ASSIGN(Name column, cursor.expect_any_name("a column"));
    if (!cursor.accept_operator("=")) return cursor.expected("=");
    const size_t first = cursor.position();
    MR_TRY(cursor.skip_until(at_set_end, false));
    if (cursor.position() == first) return cursor.expected("a value");
    set.emplace_back(std::move(column), cursor.text_since(first));
  } while (cursor.accept(TokenKind::kComma));
  return {};
}

Status parse_where(Cursor& cursor, std::optional<SqlText>& where) {
  if (!cursor.accept("WHERE")) return {};
  const size_t first = cursor.position();
  MR_TRY(cursor.skip_until(at_tail, false));
  if (cursor.position() == first) return cursor.expected("a condition");
  where = cursor.text_since(first);
  return {};
}

/// The name of the table, and the one that stands for it.
Status parse_changed_table(Cursor& cursor, Name& table, std::string& alias) {
  MR_ASSIGN(table, cursor.expect_name("the name of a table"));
  alias = table.text;
  const bool named =
      cursor.accept("AS") || (cursor.at_name() && !cursor.at_any({"SET", "WHERE", "USING", "RETURNING"}));
  if (!named) return {};
  MR_ASSIGN(Name name, cursor.expect_name("another name for the table"));
  alias = std::move(name.text);
  return {};
}

Status refuse_other_tables(const Cursor& cursor) {
  if (!cursor.at_any({"FROM", "USING"})) return {};
  return refused(cursor.peek().span(), "another table beside the one that is changed is not available here",
                 "ask it in a subquery: WHERE EXISTS (SELECT … FROM …), SET a = (SELECT … FROM …)");
}

Status parse_on_conflict(Cursor& cursor, Insert& insert) {
  if (!cursor.at("ON")) return {};
  OnConflict conflict;
  conflict.span = cursor.peek().span();
  cursor.advance(2);
  if (cursor.at(TokenKind::kLeftParenthesis)) {
    MR_ASSIGN(conflict.columns, cursor.expect_name_list("a column"));
  }
  MR_TRY(cursor.expect("DO", "write ON CONFLICT DO NOTHING, or DO UPDATE SET …"));
  conflict.update = cursor.accept("UPDATE");
  if (conflict.update) {
    MR_TRY(parse_set(cursor, conflict.set));
    MR_TRY(parse_where(cursor, conflict.where));
  } else {
    MR_TRY(cursor.expect("NOTHING"));
  }
  insert.on_conflict = std::move(conflict);
  return {};
}

}  // namespace

Result<Statement::Body> parse_insert(Cursor& cursor) {
  cursor.advance();
  if (cursor.at("OR")) {
    return refused(cursor.peek().span(), "INSERT OR … is not available",
                   "in a table with a PRIMARY KEY a later row replaces the earlier one of its key anyway");
  }
  MR_TRY(cursor.expect("INTO"));
  Insert insert;
  MR_ASSIGN(insert.table, cursor.expect_name("the name of a stream or table"));
  bool query_in_brackets =
      cursor.at(TokenKind::kLeftParenthesis) && cursor.at_any({"SELECT", "WITH", "FROM", "VALUES"}, 1);
  if (cursor.at(TokenKind::kLeftParenthesis) && !query_in_brackets) {
    if (!cursor.at_name(1)) {
      cursor.advance();
      return cursor.expected("a column", "VALUES stands before the values");
    }
    MR_ASSIGN(insert.columns, cursor.expect_name_list("a column"));
  }
  if (!at_query(cursor)) return cursor.expected("VALUES or a query", keyword_hint(cursor, {"VALUES", "SELECT"}));
  size_t first = cursor.position();
  MR_TRY(cursor.skip_until(at_tail, false));
  insert.source = cursor.text_since(first);
  MR_TRY(parse_on_conflict(cursor, insert));
  MR_TRY(parse_returning(cursor, insert.returning));
  return Statement::Body(std::move(insert));
}

Result<Statement::Body> parse_update(Cursor& cursor) {
  cursor.advance();
  Update update;
  MR_TRY(parse_changed_table(cursor, update.table, update.alias));
  MR_TRY(parse_set(cursor, update.set));
  MR_TRY(refuse_other_tables(cursor));
  MR_TRY(parse_where(cursor, update.where));
  MR_TRY(parse_returning(cursor, update.returning));
  return Statement::Body(std::move(update));
}

Result<Statement::Body> parse_delete(Cursor& cursor) {
  cursor.advance();
  MR_TRY(cursor.expect("FROM"));
  Delete removal;
  MR_TRY(parse_changed_table(cursor, removal.table, removal.alias));
  MR_TRY(refuse_other_tables(cursor));
  MR_TRY(parse_where(cursor, removal.where));
  MR_TRY(parse_returning(cursor, removal.returning));
  return Statement::Body(std::move(removal));
}

}  // namespace millrace::sql
