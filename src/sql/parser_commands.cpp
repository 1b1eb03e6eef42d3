// Everything but CREATE and queries: DROP, SHOW, DESCRIBE, EXPLAIN, SUBSCRIBE.
#include <utility>

#include "sql/parser_parts.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

auto never = [](const Cursor&) { return false; };

/// A name, which may have the kind of object before it: `VIEW hours`.
Result<Name> parse_object_name(Cursor& cursor, std::string_view what) {
  if (cursor.at_name(1)) accept_object_kind(cursor);
  return cursor.expect_name(what);
}

struct ShowWord {
  std::string_view word;
  ShowKind kind;
};
constexpr ShowWord kShowWords[] = {
    {"ALL", ShowKind::kAll},          {"STREAMS", ShowKind::kStreams},       {"TABLES", ShowKind::kTables},
    {"VIEWS", ShowKind::kViews},      {"SINKS", ShowKind::kSinks},           {"MACROS", ShowKind::kMacros},
    {"FUNCTIONS", ShowKind::kMacros}, {"WATERMARKS", ShowKind::kWatermarks}, {"CONNECTORS", ShowKind::kConnectors}};

Result<Statement::Body> parse_show_setting(Cursor& cursor) {
  std::vector<std::string> known = {"CREATE", "MATERIALIZED VIEWS"};
  for (const ShowWord& entry : kShowWords) known.emplace_back(entry.word);
  std::string list = "STREAMS, TABLES, VIEWS, MATERIALIZED VIEWS, SINKS, MACROS, WATERMARKS, CONNECTORS, ALL or CREATE";
  if (!cursor.at_name()) return cursor.expected(list);
  std::string hint = did_you_mean(cursor.word(), known);
  if (!hint.empty() || cursor.at("MATERIALIZED")) return cursor.expected(list, std::move(hint));
  Show show{ShowKind::kSetting, Name{"", cursor.peek().span()}};
  if (cursor.accept_all({"TIME", "ZONE"})) {
    show.name->text = "timezone";
  } else if (cursor.accept_all({"TRANSACTION", "ISOLATION", "LEVEL"})) {
    show.name->text = "transaction_isolation";
  } else {
    show.name->text = cursor.value();
    cursor.advance();
    while (cursor.accept(TokenKind::kDot) && cursor.at_name()) {
      show.name->text += '.' + cursor.value();
      cursor.advance();
    }
  }
  MR_TRY(cursor.expect_end());
  return Statement::Body(std::move(show));
}

Status parse_explain_word(Cursor& cursor, Explain& explain) {
  if (cursor.accept("ANALYZE") || cursor.accept("ANALYSE")) {
    explain.analyze = true;
    return {};
  }
  if (cursor.accept("SCALE")) {
    explain.scale = true;
    return {};
  }
  MR_TRY(cursor.expect("FORMAT"));
  cursor.accept_operator("=");
  if (cursor.accept("JSON")) {
    explain.format = ExplainFormat::kJson;
  } else if (!cursor.accept("TEXT")) {
    return cursor.expected("JSON or TEXT");
  }
  return {};
}

/// What FROM says behind SUBSCRIBE's name or bracketed query.
Status parse_subscribe_from(Cursor& cursor, Subscribe& subscribe) {
  if (!cursor.accept("FROM")) return {};
  if (cursor.accept("NOW")) return {};
  if (cursor.accept("BEGINNING")) {
    subscribe.from = SubscribeFrom::kBeginning;
    return {};
  }
  cursor.accept("POSITION");
  if (!cursor.at(TokenKind::kString) && !cursor.at(TokenKind::kNumber)) {
    return cursor.expected("NOW, BEGINNING or a position",
                           "a position is the text in _position of a row that came before");
  }
  subscribe.from = SubscribeFrom::kPosition;
  subscribe.position = cursor.value();
  cursor.advance();
  return {};
}

/// The number of the token behind the bracket that closes the one at the cursor.
Result<size_t> behind_brackets(Cursor cursor) {
  cursor.advance();
  MR_TRY(cursor.skip_until(never, true));
  MR_TRY(cursor.expect(TokenKind::kRightParenthesis, ")"));
  return cursor.position();
}

}  // namespace

std::optional<ObjectKind> accept_object_kind(Cursor& cursor) {
  static constexpr std::pair<std::string_view, ObjectKind> kKinds[] = {
      {"STREAM", ObjectKind::kStream}, {"TABLE", ObjectKind::kTable}, {"VIEW", ObjectKind::kView},
      {"SINK", ObjectKind::kSink},     {"MACRO", ObjectKind::kMacro}, {"FUNCTION", ObjectKind::kMacro}};
  if (cursor.accept_all({"MATERIALIZED", "VIEW"})) return ObjectKind::kMaterializedView;
  for (const auto& [word, kind] : kKinds) {
    if (cursor.accept(word)) return kind;
  }
  return std::nullopt;
}

Result<Statement::Body> parse_drop(Cursor& cursor) {
  cursor.advance();
  Drop drop;
  std::optional<ObjectKind> kind = accept_object_kind(cursor);
  if (!kind) {
    std::string hint = keyword_hint(cursor, {"STREAM", "TABLE", "VIEW", "MATERIALIZED", "SINK", "MACRO"});
    if (hint.empty() && cursor.at_name()) hint = "say what it is, e.g. DROP STREAM " + std::string(cursor.word());
    return cursor.expected("STREAM, TABLE, VIEW, MATERIALIZED VIEW, SINK or MACRO", std::move(hint));
  }
  drop.kind = *kind;
  if (cursor.accept("IF")) {
    MR_TRY(cursor.expect("EXISTS"));
    drop.if_exists = true;
  }
  do {
    MR_ASSIGN(Name name, cursor.expect_name("the name of a " + std::string(object_kind_name(*kind))));
    drop.names.push_back(std::move(name));
  } while (cursor.accept(TokenKind::kComma));
  drop.cascade = cursor.accept("CASCADE");
  if (!drop.cascade) cursor.accept("RESTRICT");
  MR_TRY(cursor.expect_end());
  return Statement::Body(std::move(drop));
}

Result<Statement::Body> parse_show(Cursor& cursor) {
  cursor.advance();
  Show show;
  if (cursor.accept("CREATE")) {
    show.kind = ShowKind::kCreate;
    MR_ASSIGN(show.name, parse_object_name(cursor, "the name of an object"));
    MR_TRY(cursor.expect_end());
    return Statement::Body(std::move(show));
  }
  if (cursor.accept_all({"MATERIALIZED", "VIEWS"})) {
    show.kind = ShowKind::kMaterializedViews;
    MR_TRY(cursor.expect_end());
    return Statement::Body(std::move(show));
  }
  for (const ShowWord& entry : kShowWords) {
    if (!cursor.accept(entry.word)) continue;
    show.kind = entry.kind;
    MR_TRY(cursor.expect_end());
    return Statement::Body(std::move(show));
  }
  return parse_show_setting(cursor);
}

Result<Statement::Body> parse_describe(Cursor& cursor) {
  cursor.advance();
  Describe describe;
  if (at_query(cursor)) {
    if (cursor.at("TABLE") && cursor.at_name(1) && cursor.peek(2).kind == TokenKind::kEnd) {
      cursor.advance();
      MR_ASSIGN(describe.target, cursor.expect_name("a name"));
      return Statement::Body(std::move(describe));
    }
    MR_ASSIGN(describe.target, parse_query(cursor, nullptr));
    return Statement::Body(std::move(describe));
  }
  MR_ASSIGN(describe.target, parse_object_name(cursor, "the name of an object, or a query"));
  MR_TRY(cursor.expect_end());
  return Statement::Body(std::move(describe));
}

Result<Statement::Body> parse_explain(Cursor& cursor, bool nested) {
  SourceSpan keyword = cursor.peek().span();
  cursor.advance();
  if (nested) return syntax_error(keyword, "EXPLAIN stands inside EXPLAIN", "keep one of them");
  Explain explain;
  if (cursor.at(TokenKind::kLeftParenthesis) && cursor.at_any({"ANALYZE", "ANALYSE", "FORMAT", "SCALE"}, 1)) {
    do {
      cursor.advance();
      MR_TRY(parse_explain_word(cursor, explain));
    } while (cursor.at(TokenKind::kComma));
    MR_TRY(cursor.expect(TokenKind::kRightParenthesis, ", or )"));
  }
  while (cursor.at_any({"ANALYZE", "ANALYSE", "SCALE", "FORMAT"}) && cursor.peek(1).kind != TokenKind::kEnd) {
    MR_TRY(parse_explain_word(cursor, explain));
  }
  bool statement = at_query(cursor) || cursor.at_any({"CREATE", "INSERT", "EXPLAIN"});
  if (!statement) {
    MR_ASSIGN(explain.name, parse_object_name(cursor, "a query, CREATE … or the name of a view"));
    MR_TRY(cursor.expect_end());
    return Statement::Body(std::move(explain));
  }
  size_t first = cursor.position();
  MR_ASSIGN(Statement::Body body, parse_body(cursor, true));
  bool has_plan = std::holds_alternative<Select>(body) || std::holds_alternative<CreateMaterializedView>(body) ||
                  std::holds_alternative<CreateView>(body) || std::holds_alternative<CreateSink>(body) ||
                  std::holds_alternative<Insert>(body);
  if (!has_plan) return refused(keyword, "there is no plan to explain", "EXPLAIN takes a query, a view or a sink");
  SqlText text = cursor.text_since(first);
  explain.statement = std::make_shared<const Statement>(Statement{std::move(text.text), text.span, std::move(body)});
  return Statement::Body(std::move(explain));
}

Result<Statement::Body> parse_subscribe(Cursor& cursor) {
  cursor.advance();
  cursor.accept("TO");
  Subscribe subscribe;
  if (cursor.at(TokenKind::kLeftParenthesis)) {
    MR_ASSIGN(size_t behind, behind_brackets(cursor));
    Cursor tail = cursor;
    tail.advance(behind - cursor.position());
    if (tail.at("FROM")) {
      MR_TRY(parse_subscribe_from(tail, subscribe));
      MR_TRY(tail.expect_end());
      Cursor inner = cursor.until(behind);
      MR_ASSIGN(subscribe.source, parse_query(inner, nullptr));
      cursor = tail;
      return Statement::Body(std::move(subscribe));
    }
  }
  if (at_query(cursor)) {
    MR_ASSIGN(subscribe.source, parse_query(cursor, nullptr));
    return Statement::Body(std::move(subscribe));
  }
  MR_ASSIGN(subscribe.source, cursor.expect_name("the name of a view, table or stream"));
  MR_TRY(parse_subscribe_from(cursor, subscribe));
  MR_TRY(cursor.expect_end());
  return Statement::Body(std::move(subscribe));
}

}  // namespace millrace::sql
