// The door of the parser: cuts the text at semicolons and picks the statement by its first word.
#include "sql/parser_parts.h"
#include "sql/suggest.h"

namespace millrace::sql {
namespace {

struct RefusedWord {
  std::string_view word;
  std::string_view hint;
};
/// Statements that PostgreSQL or DuckDB has and Millrace has not, with what to do instead.
constexpr RefusedWord kRefusedWords[] = {
    {"TRUNCATE", "write DELETE FROM name"},
    {"MERGE", "a table with a PRIMARY KEY keeps the last row of each key: INSERT is enough"},
    {"COPY", "read files with CREATE STREAM … WITH (connector = 'file'), write them with CREATE SINK"},
    {"EXPORT", "write files with CREATE SINK"},
    {"IMPORT", "read files with CREATE STREAM … WITH (connector = 'file')"},
    {"ATTACH", "reach other databases through connectors"},
    {"DETACH", "reach other databases through connectors"},
    {"INSTALL", "extensions are not loaded"},
    {"LOAD", "extensions are not loaded"},
    {"USE", "there is one database and one schema; leave the statement out"},
    {"SET", "settings are given when the node is started"},
    {"RESET", "settings are given when the node is started"},
    {"PRAGMA", "settings are given when the node is started"},
    {"CALL", "call a function in a SELECT"},
    {"BEGIN", "each statement stands alone; leave it out"},
    {"START", "each statement stands alone; leave it out"},
    {"COMMIT", "each statement stands alone; leave it out"},
    {"ROLLBACK", "each statement stands alone; leave it out"},
    {"GRANT", "access is set by the token of a connection"},
    {"REVOKE", "access is set by the token of a connection"},
    {"VACUUM", "storage is tended by itself; leave it out"},
    {"ANALYZE", "there are no statistics to collect; leave it out"},
    {"REFRESH", "a materialized view is always fresh; SYNC waits until all that was acked is in every view"},
    {"SUMMARIZE", "write the aggregates in a SELECT"},
    {"PREPARE", "send parameters through the PostgreSQL protocol"},
    {"EXECUTE", "send parameters through the PostgreSQL protocol"},
};

Error unknown_statement(const Cursor& cursor) {
  for (const RefusedWord& entry : kRefusedWords) {
    if (!cursor.at(entry.word)) continue;
    return refused(cursor.peek().span(), "this statement is not available: " + std::string(entry.word),
                   std::string(entry.hint));
  }
  std::string hint = keyword_hint(cursor, {"CREATE", "ALTER", "DROP", "SELECT", "WITH", "FROM", "VALUES", "SHOW",
                                           "DESCRIBE", "EXPLAIN", "SUBSCRIBE", "INSERT", "UPDATE", "DELETE", "SYNC", "FLUSH"});
  if (hint.empty())
    hint =
        "statements start with CREATE, ALTER, DROP, SELECT, SHOW, DESCRIBE, EXPLAIN, SUBSCRIBE, INSERT, UPDATE, DELETE "
        "or SYNC";
  return cursor.expected("a statement", std::move(hint));
}

/// The tokens of the statement from number `first` on, with the end put at its semicolon.
std::vector<Token> statement_tokens(const std::vector<Token>& tokens, size_t first) {
  std::vector<Token> found;
  size_t at = first;
  for (; tokens[at].kind != TokenKind::kSemicolon && tokens[at].kind != TokenKind::kEnd; ++at)
    found.push_back(tokens[at]);
  found.push_back(Token{TokenKind::kEnd, tokens[at].offset, tokens[at].length});
  return found;
}

}  // namespace

std::string keyword_hint(const Cursor& cursor, const std::vector<std::string>& keywords) {
  return cursor.at(TokenKind::kWord) ? did_you_mean(cursor.word(), keywords) : std::string();
}

Result<Statement::Body> parse_body(Cursor& cursor, bool nested) {
  if (cursor.at("CREATE")) return parse_create(cursor);
  if (cursor.at("ALTER")) return parse_alter(cursor);
  if (cursor.at("DROP")) return parse_drop(cursor);
  if (cursor.at("SHOW")) return parse_show(cursor);
  if (cursor.at("DESCRIBE") || cursor.at("DESC")) return parse_describe(cursor);
  if (cursor.at("EXPLAIN")) return parse_explain(cursor, nested);
  if (cursor.at("SUBSCRIBE")) return parse_subscribe(cursor);
  if (cursor.at("INSERT")) return parse_insert(cursor);
  if (cursor.at("UPDATE")) return parse_update(cursor);
  if (cursor.at("DELETE")) return parse_delete(cursor);
  if (cursor.accept("SYNC") || cursor.accept("FLUSH")) {
    MR_TRY(cursor.expect_end());
    return Statement::Body(Sync{});
  }
  if (!at_query(cursor)) return unknown_statement(cursor);
  MR_ASSIGN(Query query, parse_query(cursor, nullptr));
  return Statement::Body(Select{std::move(query)});
}

Result<std::vector<Statement>> parse_statements(std::string_view text) {
  MR_ASSIGN(std::vector<Token> tokens, tokenize(text));
  std::vector<Statement> statements;
  for (size_t at = 0; tokens[at].kind != TokenKind::kEnd;) {
    if (tokens[at].kind == TokenKind::kSemicolon) {
      ++at;
      continue;
    }
    std::vector<Token> own = statement_tokens(tokens, at);
    SourceSpan span{own.front().offset, own[own.size() - 2].end() - own.front().offset};
    at += own.size() - 1;
    Cursor cursor(text, std::move(own));
    MR_ASSIGN(Statement::Body body, parse_body(cursor, false));
    statements.push_back(Statement{std::string(text.substr(span.offset, span.length)), span, std::move(body)});
  }
  return statements;
}

const Name* created_name(const Statement& statement) {
  if (const auto* create = std::get_if<CreateStream>(&statement.body)) return &create->name;
  if (const auto* create = std::get_if<CreateTable>(&statement.body)) return &create->name;
  if (const auto* create = std::get_if<CreateMaterializedView>(&statement.body)) return &create->name;
  if (const auto* create = std::get_if<CreateView>(&statement.body)) return &create->name;
  if (const auto* create = std::get_if<CreateSink>(&statement.body)) return &create->name;
  if (const auto* create = std::get_if<CreateMacro>(&statement.body)) return &create->name;
  return nullptr;
}

std::string_view object_kind_name(ObjectKind kind) {
  static constexpr std::string_view kNames[] = {"stream", "table", "view", "materialized view", "sink", "macro"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view object_kind_sql(ObjectKind kind) {
  static constexpr std::string_view kNames[] = {"STREAM", "TABLE", "VIEW", "MATERIALIZED VIEW", "SINK", "MACRO"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace millrace::sql
