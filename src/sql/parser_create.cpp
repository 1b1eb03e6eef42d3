// CREATE …, and the WITH list.
#include "base/text.h"
#include "sql/parser_parts.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

/// [IF NOT EXISTS], behind the kind of object.
Status parse_if_not_exists(Cursor& cursor, CreateMode& mode) {
  SourceSpan span = cursor.peek().span();
  if (!cursor.at("IF")) return {};
  if (!cursor.accept_all({"IF", "NOT", "EXISTS"})) {
    cursor.advance();
    MR_TRY(cursor.expect("NOT"));
    return cursor.expect("EXISTS");
  }
  if (mode.or_replace)
    return syntax_error(span, "OR REPLACE and IF NOT EXISTS contradict each other", "keep one of them");
  mode.if_not_exists = true;
  return {};
}

Result<std::vector<Option>> parse_optional_options(Cursor& cursor) {
  if (!cursor.at("WITH")) return std::vector<Option>();
  return parse_options(cursor);
}

/// CREATE STREAM s AS SELECT, which ksqlDB has.
Status refuse_as_query(const Cursor& cursor, std::string_view kind) {
  if (!cursor.at("AS")) return {};
  return refused(cursor.peek().span(), "a " + std::string(kind) + " has columns of its own and no query",
                 "for a kept result of a query write CREATE MATERIALIZED VIEW name AS SELECT …");
}

std::string end_hint(const Cursor& cursor) {
  if (cursor.at(TokenKind::kWord) && iequals(cursor.word(), "OPTIONS"))
    return "options are written WITH (name = value, …)";
  return {};
}

Result<Option> parse_option(Cursor& cursor) {
  static const std::string kHint = "options are written name = value, e.g. format = 'json'";
  Option option;
  size_t first = cursor.position();
  if (cursor.at(TokenKind::kString)) {
    option.name = to_lower_ascii(cursor.value());
    cursor.advance();
  } else {
    if (!cursor.at_name()) return cursor.expected("the name of an option", kHint);
    option.name = to_lower_ascii(cursor.value());
    cursor.advance();
    while (cursor.accept(TokenKind::kDot)) {
      if (!cursor.at_name()) return cursor.expected("the rest of the option's name", kHint);
      option.name += '.' + to_lower_ascii(cursor.value());
      cursor.advance();
    }
  }
  option.name_span = cursor.span_since(first);
  if (!cursor.accept_operator("=") && !cursor.accept_operator(":=") && !cursor.accept_operator("=>")) {
    return cursor.expected("= behind " + option.name, kHint);
  }
  size_t value_first = cursor.position();
  if (cursor.at("INTERVAL")) {
    cursor.advance();
    while (cursor.at(TokenKind::kNumber) || cursor.at(TokenKind::kString) || cursor.at(TokenKind::kWord)) {
      if (!option.value.empty()) option.value += ' ';
      option.value += cursor.value();
      cursor.advance();
    }
    if (option.value.empty()) return cursor.expected("a length of time", "e.g. '10 seconds'");
    option.value_span = cursor.span_since(value_first);
    return option;
  }
  std::string sign;
  if (cursor.at_operator("-") || cursor.at_operator("+")) {
    if (cursor.at_operator("-")) sign = "-";
    cursor.advance();
    if (!cursor.at(TokenKind::kNumber)) return cursor.expected("a number");
  }
  if (cursor.at(TokenKind::kString)) {
    option.kind = OptionValueKind::kString;
  } else if (cursor.at(TokenKind::kNumber)) {
    option.kind = OptionValueKind::kNumber;
  } else if (cursor.at_any({"TRUE", "FALSE"})) {
    option.kind = OptionValueKind::kBoolean;
  } else if (cursor.at_name()) {
    option.kind = OptionValueKind::kWord;
  } else {
    return cursor.expected("a value for " + option.name, "values are strings, numbers, true, false or words");
  }
  option.value = sign + cursor.value();
  if (option.kind == OptionValueKind::kBoolean) option.value = to_lower_ascii(option.value);
  cursor.advance();
  option.value_span = cursor.span_since(value_first);
  return option;
}

Error unknown_kind(const Cursor& cursor) {
  static const std::vector<std::string> kKinds = {"STREAM", "TABLE", "VIEW",    "MATERIALIZED",
                                                  "SINK",   "MACRO", "FUNCTION"};
  SourceSpan span = cursor.peek().span();
  if (cursor.at("SOURCE"))
    return cursor.expected("STREAM or TABLE", "a source is a stream: CREATE STREAM name (…) WITH (connector = …)");
  if (cursor.at("INDEX") || cursor.at_all({"UNIQUE", "INDEX"})) {
    return refused(span, "there are no indexes", "a materialized view is kept by its key; leave the statement out");
  }
  if (cursor.at_any({"TEMP", "TEMPORARY"}))
    return refused(span, "there are no temporary objects", "leave the word out, and DROP the object later");
  if (cursor.at_any(
          {"SCHEMA", "DATABASE", "ROLE", "USER", "TYPE", "SEQUENCE", "TRIGGER", "EXTENSION", "SECRET", "CONNECTION"})) {
    return refused(span, "this cannot be created: " + std::string(cursor.word()),
                   "STREAM, TABLE, VIEW, MATERIALIZED VIEW, SINK and MACRO can");
  }
  return cursor.expected("STREAM, TABLE, VIEW, MATERIALIZED VIEW, SINK or MACRO", keyword_hint(cursor, kKinds));
}

}  // namespace

Result<std::vector<Option>> parse_options(Cursor& cursor) {
  MR_TRY(cursor.expect("WITH"));
  MR_TRY(cursor.expect(TokenKind::kLeftParenthesis, "(", "options are written WITH (name = value, …)"));
  std::vector<Option> options;
  if (cursor.accept(TokenKind::kRightParenthesis)) return options;
  do {
    MR_ASSIGN(Option option, parse_option(cursor));
    for (const Option& earlier : options) {
      if (earlier.name == option.name) {
        return syntax_error(option.name_span, "an option is given twice: " + option.name, "keep one of them");
      }
    }
    options.push_back(std::move(option));
  } while (cursor.accept(TokenKind::kComma));
  bool next_option = cursor.at_name() && cursor.at_operator("=", 1);
  MR_TRY(cursor.expect(TokenKind::kRightParenthesis, ", or )", next_option ? "is a comma missing before it?" : ""));
  return options;
}

Result<Statement::Body> parse_create(Cursor& cursor) {
  MR_TRY(cursor.expect("CREATE"));
  CreateMode mode;
  if (cursor.accept("OR")) {
    MR_TRY(cursor.expect("REPLACE"));
    mode.or_replace = true;
  }
  if (cursor.accept("STREAM")) return parse_create_stream(cursor, mode);
  if (cursor.accept("TABLE")) return parse_create_table(cursor, mode);
  if (cursor.accept("VIEW")) return parse_create_view(cursor, mode);
  if (cursor.accept("SINK")) return parse_create_sink(cursor, mode);
  if (cursor.accept("MACRO") || cursor.accept("FUNCTION")) return parse_create_macro(cursor, mode);
  if (cursor.accept("MATERIALIZED")) {
    MR_TRY(cursor.expect("VIEW"));
    return parse_create_materialized_view(cursor, mode);
  }
  return unknown_kind(cursor);
}

Result<Statement::Body> parse_create_stream(Cursor& cursor, CreateMode mode) {
  CreateStream create;
  MR_TRY(parse_if_not_exists(cursor, mode));
  create.mode = mode;
  MR_ASSIGN(create.name, cursor.expect_name("a name for the stream"));
  MR_TRY(refuse_as_query(cursor, "stream"));
  MR_ASSIGN(ColumnList list, parse_column_list(cursor));
  if (list.primary_key_span) {
    return syntax_error(*list.primary_key_span, "a stream has no primary key",
                        "write CREATE TABLE: there, a later row replaces an earlier one of the same key");
  }
  create.columns = std::move(list.columns);
  create.watermark = std::move(list.watermark);
  MR_ASSIGN(create.options, parse_optional_options(cursor));
  MR_TRY(cursor.expect_end(end_hint(cursor)));
  return Statement::Body(std::move(create));
}

Result<Statement::Body> parse_create_table(Cursor& cursor, CreateMode mode) {
  CreateTable create;
  MR_TRY(parse_if_not_exists(cursor, mode));
  create.mode = mode;
  MR_ASSIGN(create.name, cursor.expect_name("a name for the table"));
  MR_TRY(refuse_as_query(cursor, "table"));
  MR_ASSIGN(ColumnList list, parse_column_list(cursor));
  create.columns = std::move(list.columns);
  create.primary_key = std::move(list.primary_key);
  create.watermark = std::move(list.watermark);
  MR_ASSIGN(create.options, parse_optional_options(cursor));
  MR_TRY(cursor.expect_end(end_hint(cursor)));
  return Statement::Body(std::move(create));
}

Result<Statement::Body> parse_create_materialized_view(Cursor& cursor, CreateMode mode) {
  CreateMaterializedView create;
  MR_TRY(parse_if_not_exists(cursor, mode));
  create.mode = mode;
  MR_ASSIGN(create.name, cursor.expect_name("a name for the materialized view"));
  if (cursor.at(TokenKind::kLeftParenthesis)) {
    MR_ASSIGN(create.columns, cursor.expect_name_list("a column"));
  }
  MR_ASSIGN(create.options, parse_optional_options(cursor));
  MR_TRY(cursor.expect("AS", at_query(cursor) ? "AS stands before the query" : ""));
  MR_ASSIGN(create.query, parse_query(cursor, &create.options));
  return Statement::Body(std::move(create));
}

Result<Statement::Body> parse_create_view(Cursor& cursor, CreateMode mode) {
  CreateView create;
  MR_TRY(parse_if_not_exists(cursor, mode));
  create.mode = mode;
  MR_ASSIGN(create.name, cursor.expect_name("a name for the view"));
  if (cursor.at(TokenKind::kLeftParenthesis)) {
    MR_ASSIGN(create.columns, cursor.expect_name_list("a column"));
  }
  if (cursor.at("WITH")) {
    return syntax_error(cursor.peek().span(), "a plain view takes no WITH options", "CREATE MATERIALIZED VIEW does");
  }
  MR_TRY(cursor.expect("AS", at_query(cursor) ? "AS stands before the query" : ""));
  MR_ASSIGN(create.query, parse_query(cursor, nullptr));
  if (create.query.emit_span) {
    return syntax_error(*create.query.emit_span, "a plain view emits nothing: it is put in place of its name",
                        "write CREATE MATERIALIZED VIEW, or EMIT where the view is used");
  }
  return Statement::Body(std::move(create));
}

Result<Statement::Body> parse_create_sink(Cursor& cursor, CreateMode mode) {
  CreateSink create;
  MR_TRY(parse_if_not_exists(cursor, mode));
  create.mode = mode;
  MR_ASSIGN(create.name, cursor.expect_name("a name for the sink"));
  if (cursor.at("WITH")) {
    MR_ASSIGN(create.options, parse_options(cursor));
  }
  if (cursor.accept("AS")) {
    MR_ASSIGN(Query query, parse_query(cursor, &create.options));
    create.source = std::move(query);
    return Statement::Body(std::move(create));
  }
  std::string hint = cursor.at("INTO") ? "the destination goes into WITH (connector = …)" : "";
  if (at_query(cursor) && !cursor.at("FROM")) hint = "AS stands before the query";
  if (!cursor.accept("FROM")) return cursor.expected("FROM or AS", std::move(hint));
  if (cursor.at(TokenKind::kLeftParenthesis))
    return cursor.expected("the name of a view, table or stream", "for a query write AS SELECT …");
  MR_ASSIGN(create.source, cursor.expect_name("the name of a view, table or stream"));
  if (cursor.at("WITH") && !create.options.empty()) {
    return syntax_error(cursor.peek().span(), "WITH options are given twice", "put them into one list");
  }
  if (cursor.at("WITH")) {
    MR_ASSIGN(create.options, parse_options(cursor));
  }
  bool more_query = cursor.at_any({"WHERE", "GROUP", "JOIN", "EMIT", "ORDER", "LIMIT"});
  MR_TRY(cursor.expect_end(more_query ? "for a query write AS SELECT …" : end_hint(cursor)));
  return Statement::Body(std::move(create));
}

Result<Statement::Body> parse_create_macro(Cursor& cursor, CreateMode mode) {
  CreateMacro create;
  MR_TRY(parse_if_not_exists(cursor, mode));
  create.mode = mode;
  size_t first = cursor.position();
  MR_ASSIGN(create.name, cursor.expect_name("a name for the macro"));
  if (!cursor.at(TokenKind::kLeftParenthesis))
    return cursor.expected("(", "a macro has parameters, or empty brackets: name() AS …");
  cursor.advance();
  MR_TRY(cursor.skip_until([](const Cursor&) { return false; }, true));
  MR_TRY(cursor.expect(TokenKind::kRightParenthesis, ")"));
  MR_TRY(cursor.expect("AS"));
  if (cursor.at_end()) return cursor.expected("an expression, or TABLE and a query");
  MR_TRY(cursor.skip_until([](const Cursor&) { return false; }, false));
  create.definition = cursor.text_since(first);
  return Statement::Body(std::move(create));
}

}  // namespace millrace::sql
