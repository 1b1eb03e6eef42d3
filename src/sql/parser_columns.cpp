// The column list of CREATE STREAM and CREATE TABLE: columns, types, keys and the watermark.
#include "base/text.h"
#include "sql/parser_parts.h"

namespace millrace::sql {
namespace {

bool at_constraint(const Cursor& cursor) {
  return cursor.at_any(
      {"NOT", "NULL", "PRIMARY", "DEFAULT", "UNIQUE", "CHECK", "REFERENCES", "COLLATE", "GENERATED", "AS"});
}

/// Reads one type and writes it as DuckDB reads it: single spaces, and field names that DuckDB reserves in quotes.
class TypeParser {
 public:
  explicit TypeParser(Cursor& cursor) : cursor_(cursor) {}

  Result<std::string> run(const std::string& column) {
    if (!cursor_.at_name() || at_constraint(cursor_)) {
      return cursor_.expected("a type for column " + column,
                              "a column is a name and a type, e.g. " + quote_name(column) + " BIGINT");
    }
    bool nested = cursor_.at_any({"STRUCT", "ROW", "UNION"});
    take();
    while (at_second_word()) take();
    if (cursor_.at(TokenKind::kLeftParenthesis)) MR_TRY(take_parameters(nested));
    if (cursor_.at_any({"WITH", "WITHOUT"}) && cursor_.at_all({"TIME", "ZONE"}, 1)) {
      for (int i = 0; i < 3; ++i) take();
    }
    if (cursor_.at("ARRAY")) take();
    while (cursor_.at_operator("[")) {
      take();
      if (cursor_.at(TokenKind::kNumber)) take();
      if (!cursor_.at_operator("]")) return cursor_.expected("]");
      take();
    }
    return std::move(text_);
  }

 private:
  bool at_second_word() const {
    bool two_words =
        iequals(text_, "DOUBLE") || iequals(text_, "CHARACTER") || iequals(text_, "CHAR") || iequals(text_, "BIT");
    return two_words && cursor_.at_any({"PRECISION", "VARYING"});
  }

  void take() {
    const Token& token = cursor_.peek();
    if (!text_.empty() && token.offset > end_) text_ += ' ';
    text_ += cursor_.word();
    end_ = token.end();
    cursor_.advance();
  }

  void take_field_name() {
    const Token& token = cursor_.peek();
    bool quote = token.kind == TokenKind::kWord && is_reserved_word(cursor_.word());
    if (!quote) return take();
    if (token.offset > end_) text_ += ' ';
    text_ += '"' + std::string(cursor_.word()) + '"';
    end_ = token.end();
    cursor_.advance();
  }

  /// `(…)`; `fields`: it lists names with types.
  Status take_parameters(bool fields) {
    struct Level {
      Token open;
      bool fields;
    };
    std::vector<Level> levels;
    do {
      if (cursor_.at_end()) return cursor_.not_closed(levels.front().open);
      if (cursor_.at(TokenKind::kLeftParenthesis)) {
        levels.push_back({cursor_.peek(), fields});
        take();
        if (levels.back().fields && cursor_.at_name()) take_field_name();
      } else if (cursor_.at(TokenKind::kRightParenthesis)) {
        levels.pop_back();
        take();
      } else if (cursor_.at(TokenKind::kComma)) {
        take();
        if (levels.back().fields && cursor_.at_name()) take_field_name();
      } else if (at_type_part()) {
        fields = cursor_.at_any({"STRUCT", "ROW", "UNION"});
        take();
      } else {
        return cursor_.expected("a part of a type");
      }
    } while (!levels.empty());
    return {};
  }

  bool at_type_part() const {
    return cursor_.at_name() || cursor_.at(TokenKind::kNumber) || cursor_.at(TokenKind::kString) ||
           cursor_.at_operator("[") || cursor_.at_operator("]");
  }

  Cursor& cursor_;
  std::string text_;
  uint64_t end_ = 0;
};

class ColumnListParser {
 public:
  explicit ColumnListParser(Cursor& cursor) : cursor_(cursor) {}

  Result<ColumnList> run() {
    MR_TRY(cursor_.expect(TokenKind::kLeftParenthesis, "( and the columns"));
    do {
      MR_TRY(parse_element());
    } while (cursor_.accept(TokenKind::kComma));
    if (!cursor_.at(TokenKind::kRightParenthesis)) {
      bool next_column = cursor_.at_name() && (cursor_.at_name(1) || cursor_.at("WATERMARK"));
      return cursor_.expected(", or )", next_column ? "is a comma missing before it?" : "");
    }
    cursor_.advance();
    return std::move(list_);
  }

 private:
  Status parse_element() {
    if (cursor_.at_all({"WATERMARK", "FOR"})) return parse_watermark();
    if (cursor_.at_all({"PRIMARY", "KEY"})) return parse_primary_key();
    bool table_constraint = cursor_.at("CONSTRAINT") || cursor_.at_all({"FOREIGN", "KEY"}) ||
                            (cursor_.at_any({"UNIQUE", "CHECK"}) && cursor_.at(TokenKind::kLeftParenthesis, 1));
    if (table_constraint) return refuse_constraint();
    if (cursor_.at(TokenKind::kRightParenthesis)) {
      return cursor_.expected("a column", list_.columns.empty() ? "" : "remove the comma before it");
    }
    return parse_column();
  }

  Status parse_column() {
    size_t first = cursor_.position();
    MR_ASSIGN(Name name, cursor_.expect_any_name("a column"));
    ColumnDefinition column;
    column.name = name.text;
    size_t type_first = cursor_.position();
    MR_ASSIGN(column.type_text, TypeParser(cursor_).run(name.text));
    column.type_span = cursor_.span_since(type_first);
    MR_TRY(parse_constraints(name, column));
    column.span = cursor_.span_since(first);
    list_.columns.push_back(std::move(column));
    return {};
  }

  Status parse_constraints(const Name& name, ColumnDefinition& column) {
    while (at_constraint(cursor_)) {
      SourceSpan span = cursor_.peek().span();
      if (cursor_.accept_all({"NOT", "NULL"})) {
        column.not_null = true;
      } else if (cursor_.accept_all({"PRIMARY", "KEY"})) {
        MR_TRY(set_primary_key({name}, SourceSpan{span.offset, cursor_.peek().offset - span.offset}));
      } else if (!cursor_.accept("NULL")) {
        return refuse_constraint();
      }
    }
    return {};
  }

  Error refuse_constraint() const {
    if (cursor_.at_any({"NOT", "PRIMARY"})) return cursor_.expected("NOT NULL or PRIMARY KEY");
    if (cursor_.at_any({"AS", "GENERATED"})) {
      return refused(cursor_.peek().span(), "columns are not computed here", "compute the column in a view over it");
    }
    return refused(cursor_.peek().span(), "this constraint is not available: " + std::string(cursor_.word()),
                   "NOT NULL and PRIMARY KEY are; check and fill in values in a view over it");
  }

  Status parse_primary_key() {
    size_t first = cursor_.position();
    cursor_.advance(2);
    MR_ASSIGN(std::vector<Name> names, cursor_.expect_name_list("a column of the key"));
    return set_primary_key(std::move(names), cursor_.span_since(first));
  }

  Status set_primary_key(std::vector<Name> names, SourceSpan span) {
    if (list_.primary_key_span) {
      return syntax_error(span, "PRIMARY KEY is given twice",
                          "a key of several columns is written once: PRIMARY KEY (a, b)");
    }
    list_.primary_key = std::move(names);
    list_.primary_key_span = span;
    return {};
  }

  /// WATERMARK FOR column [AS expression | DELAY interval]
  Status parse_watermark() {
    size_t first = cursor_.position();
    SourceSpan keyword = cursor_.peek().span();
    cursor_.advance(2);
    if (list_.watermark) return syntax_error(keyword, "WATERMARK is given twice", "keep the one for the time column");
    MR_ASSIGN(Name column, cursor_.expect_any_name("the time column"));
    WatermarkDefinition watermark;
    watermark.column = column.text;
    if (cursor_.accept("AS")) {
      size_t expression_first = cursor_.position();
      MR_TRY(cursor_.skip_until([](const Cursor& at) { return at.at(TokenKind::kComma); }, true));
      if (cursor_.position() == expression_first) {
        return cursor_.expected("an expression", "e.g. " + quote_name(column.text) + " - INTERVAL 10 SECOND");
      }
      watermark.expression = cursor_.text_since(expression_first);
    } else {
      std::string expression = quote_name(column.text);
      if (cursor_.accept("DELAY")) {
        MR_ASSIGN(SqlText delay, parse_interval(cursor_, "DELAY"));
        expression += " - (" + delay.text + ")";
      }
      watermark.expression = SqlText{std::move(expression), cursor_.span_since(first)};
    }
    watermark.span = cursor_.span_since(first);
    list_.watermark = std::move(watermark);
    return {};
  }

  Cursor& cursor_;
  ColumnList list_;
};

}  // namespace

Result<std::string> parse_column_type(Cursor& cursor, const std::string& column) {
  return TypeParser(cursor).run(column);
}

Result<ColumnList> parse_column_list(Cursor& cursor) { return ColumnListParser(cursor).run(); }

}  // namespace millrace::sql
