// Queries: what DuckDB does not know is found at token level and blanked out, so that positions stay as they are.
#include <algorithm>

#include "base/config.h"
#include "sql/flink_windows.h"
#include "sql/parser_parts.h"
#include "sql/suggest.h"
#include "sql/system_time.h"

namespace millrace::sql {
namespace {

class QueryParser {
 public:
  QueryParser(Cursor& cursor, std::vector<Option>* trailing) : cursor_(cursor), trailing_(trailing) {}

  Result<Query> run() {
    if (!at_query(cursor_)) {
      return cursor_.expected("a query", keyword_hint(cursor_, {"SELECT", "WITH", "FROM", "VALUES"}));
    }
    size_t first = cursor_.position();
    MR_TRY(scan_body());
    SqlText sql = cursor_.text_since(first);
    MR_TRY(scan_tail());
    for (SourceSpan cut : cuts_) {
      if (cut.offset < sql.span.offset + sql.span.length) blank(sql, cut);
    }
    while (!sql.text.empty() && (sql.text.back() == ' ' || sql.text.back() == '\n')) sql.text.pop_back();
    sql.span.length = sql.text.size();
    if (sql.text.empty()) return cursor_.expected("a query");
    rewrite_flink_windows(sql.text);
    rewrite_system_time(sql.text);
    query_.sql = std::move(sql);
    return std::move(query_);
  }

 private:
  /// Up to the end, or to what belongs behind a query.
  Status scan_body() {
    std::vector<Token> open;
    while (!cursor_.at_end()) {
      MR_TRY(check_next_statement(open.empty()));
      if (at_emit()) {
        if (open.empty()) return {};
        return syntax_error(cursor_.peek().span(), "EMIT stands inside brackets",
                            "write it once, at the end of the statement");
      }
      if (at_lateness()) {
        MR_TRY(parse_lateness());
        continue;
      }
      if (open.empty() && at_trailing_options()) return {};
      MR_TRY(cursor_.track_bracket(open));
      previous_ = cursor_.peek();
      cursor_.advance();
    }
    if (!open.empty()) return cursor_.not_closed(open.back());
    return {};
  }

  Status scan_tail() {
    while (!cursor_.at_end()) {
      if (cursor_.at("EMIT")) {
        MR_TRY(parse_emit());
      } else if (at_lateness()) {
        MR_TRY(parse_lateness());
      } else if (at_trailing_options()) {
        MR_TRY(parse_trailing_options());
      } else {
        return cursor_.expect_end(
            "EMIT, ALLOW LATENESS and WITH (…) come last in a statement; a missing ; may be the cause");
      }
    }
    return {};
  }

  /// EMIT behind something that it cannot be part of: not a column or alias of that name.
  bool at_emit() const {
    if (!cursor_.at("EMIT")) return false;
    static constexpr std::string_view kBeforeName[] = {"AS",   "SELECT", "BY",  "WHERE", "FROM",
                                                       "JOIN", "ON",     "AND", "OR",    "NOT"};
    bool may_be_name = previous_.kind == TokenKind::kDot || previous_.kind == TokenKind::kComma ||
                       previous_.kind == TokenKind::kOperator || previous_.kind == TokenKind::kLeftParenthesis ||
                       std::any_of(std::begin(kBeforeName), std::end(kBeforeName), [&](std::string_view keyword) {
                         return is_keyword(cursor_.text(), previous_, keyword);
                       });
    if (may_be_name) return false;
    if (cursor_.peek(1).kind == TokenKind::kEnd) return true;
    if (cursor_.at("ON", 1)) return cursor_.at("WINDOW", 2);
    if (cursor_.peek(1).kind != TokenKind::kWord) return false;
    return closest_name(cursor_.word(1), {"CHANGES", "FINAL", "EVERY", "AFTER", "UPDATES"}).has_value();
  }

  bool at_lateness() const {
    if (!cursor_.at_all({"ALLOW", "LATENESS"})) return false;
    return cursor_.at("INTERVAL", 2) || cursor_.at(TokenKind::kString, 2) || cursor_.at(TokenKind::kNumber, 2) ||
           cursor_.at(TokenKind::kEnd, 2);
  }

  bool at_trailing_options() const {
    return cursor_.at("WITH") && cursor_.at(TokenKind::kLeftParenthesis, 1) && previous_.kind != TokenKind::kEnd;
  }

  Status parse_emit() {
    size_t first = cursor_.position();
    cursor_.advance();
    Emit emit = Emit::kOnWindowClose;
    if (cursor_.accept("CHANGES")) {
      emit = Emit::kChanges;
    } else if (cursor_.at_any({"EVERY", "AFTER", "PERIODIC"})) {
      return refused(
          cursor_.span_since(first), "this form of EMIT is not available: " + std::string(cursor_.word()),
          "results follow each commit: write EMIT CHANGES, or EMIT ON WINDOW CLOSE for complete windows only");
    } else if (cursor_.accept("ON")) {
      MR_TRY(cursor_.expect("WINDOW"));
      MR_TRY(cursor_.expect("CLOSE"));
    } else if (!cursor_.accept("FINAL")) {
      return cursor_.expected("CHANGES or ON WINDOW CLOSE", keyword_hint(cursor_, {"CHANGES", "FINAL"}));
    }
    SourceSpan span = cursor_.span_since(first);
    if (query_.emit_span) return syntax_error(span, "EMIT is given twice", "keep one of them");
    query_.emit = emit;
    query_.emit_span = span;
    return {};
  }

  Status parse_lateness() {
    size_t first = cursor_.position();
    cursor_.advance(2);
    MR_ASSIGN(Duration lateness, parse_interval_duration(cursor_, "ALLOW LATENESS"));
    SourceSpan span = cursor_.span_since(first);
    if (query_.allowed_lateness) {
      return syntax_error(span, "ALLOW LATENESS is given twice",
                          "keep one of them: it holds for all windows of the query");
    }
    query_.allowed_lateness = lateness;
    cuts_.push_back(span);
    return {};
  }

  Status parse_trailing_options() {
    if (trailing_ == nullptr) {
      return syntax_error(cursor_.peek().span(), "this statement takes no WITH options", "remove the list");
    }
    if (!trailing_->empty())
      return syntax_error(cursor_.peek().span(), "WITH options are given twice", "put them into one list");
    MR_ASSIGN(*trailing_, parse_options(cursor_));
    return {};
  }

  /// CREATE, DROP and INSERT INTO cannot stand in a query: a semicolon is missing.
  Status check_next_statement(bool outside) const {
    if (!outside) return {};
    bool create = cursor_.at("CREATE") &&
                  cursor_.at_any({"OR", "STREAM", "TABLE", "MATERIALIZED", "VIEW", "SINK", "MACRO", "FUNCTION"}, 1);
    bool drop = cursor_.at("DROP") && cursor_.at_any({"STREAM", "TABLE", "MATERIALIZED", "VIEW", "SINK", "MACRO"}, 1);
    if (!create && !drop && !cursor_.at_all({"INSERT", "INTO"}) && !cursor_.at_all({"SUBSCRIBE", "TO"})) return {};
    return cursor_.expected("the end of the statement", "end the statement before with ;");
  }

  static void blank(SqlText& sql, SourceSpan cut) {
    uint64_t from = cut.offset - sql.span.offset;
    uint64_t to = std::min<uint64_t>(from + cut.length, sql.text.size());
    for (uint64_t i = from; i < to; ++i) {
      if (sql.text[i] != '\n') sql.text[i] = ' ';
    }
  }

  Cursor& cursor_;
  std::vector<Option>* trailing_;
  Query query_;
  std::vector<SourceSpan> cuts_;
  Token previous_;
};

}  // namespace

bool at_query(const Cursor& cursor) {
  return cursor.at_any({"SELECT", "WITH", "FROM", "VALUES", "TABLE", "PIVOT", "UNPIVOT"}) ||
         cursor.at(TokenKind::kLeftParenthesis);
}

Result<Query> parse_query(Cursor& cursor, std::vector<Option>* trailing) { return QueryParser(cursor, trailing).run(); }

Result<SqlText> parse_interval(Cursor& cursor, std::string_view what) {
  static const std::string kHint = "write it like INTERVAL 10 SECOND or '10 seconds'";
  static const std::initializer_list<std::string_view> kUnits = {
      "MICROSECOND", "MICROSECONDS", "MILLISECOND", "MILLISECONDS", "SECOND", "SECONDS", "MINUTE", "MINUTES", "HOUR",
      "HOURS",       "DAY",          "DAYS",        "WEEK",         "WEEKS",  "MONTH",   "MONTHS", "YEAR",    "YEARS"};
  size_t first = cursor.position();
  if (cursor.accept(TokenKind::kString)) {
    SqlText interval = cursor.text_since(first);
    interval.text += "::INTERVAL";
    return interval;
  }
  if (!cursor.accept("INTERVAL")) return cursor.expected("an interval behind " + std::string(what), kHint);
  bool needs_unit = cursor.accept(TokenKind::kNumber);
  if (!needs_unit && !cursor.accept(TokenKind::kString))
    return cursor.expected("a number or a string behind INTERVAL", kHint);
  if (cursor.at_any(kUnits)) {
    cursor.advance();
  } else if (needs_unit) {
    return cursor.expected("a unit such as SECOND, MINUTE, HOUR or DAY", kHint);
  }
  return cursor.text_since(first);
}

Result<Duration> parse_interval_duration(Cursor& cursor, std::string_view what) {
  Cursor start = cursor;
  size_t first = cursor.position();
  MR_TRY(parse_interval(cursor, what));
  start.accept("INTERVAL");
  std::string text;
  for (; start.position() < cursor.position(); start.advance()) text += start.value() + ' ';
  Result<Duration> length = parse_duration(what, text);
  if (length.ok()) return *length;
  return std::move(length)
      .error()
      .at(cursor.span_since(first))
      .with_hint("months and years vary in length: write days");
}

}  // namespace millrace::sql
