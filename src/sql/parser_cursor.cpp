#include "sql/parser_cursor.h"

#include "base/text.h"

namespace millrace::sql {
namespace {

constexpr size_t kFoundLengthMax = 40;

char closing_of(char open) { return open == '(' ? ')' : open == '[' ? ']' : '}'; }

}  // namespace

Error syntax_error(SourceSpan span, std::string message, std::string hint) {
  return user_error(sqlstate::kSyntaxError, std::move(message)).at(span).with_hint(std::move(hint));
}

Error refused(SourceSpan span, std::string message, std::string hint) {
  return user_error(sqlstate::kNotSupported, std::move(message)).at(span).with_hint(std::move(hint));
}

bool Cursor::at_any(std::initializer_list<std::string_view> keywords, size_t ahead) const {
  for (std::string_view keyword : keywords) {
    if (at(keyword, ahead)) return true;
  }
  return false;
}

bool Cursor::at_all(std::initializer_list<std::string_view> keywords, size_t ahead) const {
  for (std::string_view keyword : keywords) {
    if (!at(keyword, ahead++)) return false;
  }
  return true;
}

bool Cursor::at_operator(std::string_view symbol, size_t ahead) const {
  return at(TokenKind::kOperator, ahead) && word(ahead) == symbol;
}

bool Cursor::accept(TokenKind kind) {
  if (!at(kind)) return false;
  advance();
  return true;
}

bool Cursor::accept(std::string_view keyword) {
  if (!at(keyword)) return false;
  advance();
  return true;
}

bool Cursor::accept_all(std::initializer_list<std::string_view> keywords) {
  if (!at_all(keywords)) return false;
  advance(keywords.size());
  return true;
}

bool Cursor::accept_operator(std::string_view symbol) {
  if (!at_operator(symbol)) return false;
  advance();
  return true;
}

Status Cursor::expect(TokenKind kind, std::string_view what, std::string hint) {
  if (accept(kind)) return {};
  return expected(what, std::move(hint));
}

Status Cursor::expect(std::string_view keyword, std::string hint) {
  if (accept(keyword)) return {};
  return expected(keyword, std::move(hint));
}

Status Cursor::expect_end(std::string hint) {
  if (at_end()) return {};
  bool next_statement =
      at_any({"CREATE", "SELECT", "DROP", "INSERT", "SHOW", "SYNC", "SUBSCRIBE", "EXPLAIN", "UPDATE", "DELETE"});
  if (hint.empty() && next_statement) hint = "end the statement before with ;";
  return expected("the end of the statement", std::move(hint));
}

Result<Name> Cursor::expect_any_name(std::string_view what) {
  if (!at_name()) {
    std::string hint = at(TokenKind::kString) ? "names stand in double quotes; single quotes make a string" : "";
    return expected(what, std::move(hint));
  }
  Name name{value(), peek().span()};
  advance();
  return name;
}

Result<Name> Cursor::expect_name(std::string_view what) {
  if (at(TokenKind::kWord) && is_reserved_word(word())) {
    return expected(what,
                    "a reserved word that is meant as a name stands in double quotes: \"" + std::string(word()) + "\"");
  }
  MR_ASSIGN(Name name, expect_any_name(what));
  if (at(TokenKind::kDot)) {
    return syntax_error(peek().span(), "names have no schema or database before them: " + name.text + ".",
                        "write the name alone; a name that holds a dot stands in double quotes");
  }
  return name;
}

Result<std::vector<Name>> Cursor::expect_name_list(std::string_view what) {
  MR_TRY(expect(TokenKind::kLeftParenthesis, "("));
  std::vector<Name> names;
  do {
    MR_ASSIGN(Name name, expect_any_name(what));
    names.push_back(std::move(name));
  } while (accept(TokenKind::kComma));
  MR_TRY(expect(TokenKind::kRightParenthesis, ", or )"));
  return names;
}

std::string Cursor::found() const {
  if (at_end()) return "the end of the statement";
  return shorten(word(), kFoundLengthMax);
}

Error Cursor::expected(std::string_view what, std::string hint) const {
  return syntax_error(peek().span(), "expected " + std::string(what) + ", found " + found(), std::move(hint));
}

Status Cursor::track_bracket(std::vector<Token>& open) const {
  if (!at(TokenKind::kOperator) && !at(TokenKind::kLeftParenthesis) && !at(TokenKind::kRightParenthesis)) return {};
  std::string_view symbol = word();
  if (symbol == "(" || symbol == "[" || symbol == "{") {
    open.push_back(peek());
  } else if (symbol == ")" || symbol == "]" || symbol == "}") {
    if (open.empty())
      return syntax_error(peek().span(), "nothing was opened before " + std::string(symbol), "remove it");
    char close = closing_of(text_[open.back().offset]);
    if (symbol[0] != close) return expected(std::string(1, close));
    open.pop_back();
  }
  return {};
}

Error Cursor::not_closed(const Token& bracket) const {
  std::string symbol(token_text(text_, bracket));
  return syntax_error(bracket.span(), "a bracket is not closed: " + symbol,
                      std::string("close it with ") + closing_of(symbol[0]));
}

Cursor Cursor::until(size_t end) const {
  std::vector<Token> inside(tokens_.begin() + static_cast<ptrdiff_t>(at_),
                            tokens_.begin() + static_cast<ptrdiff_t>(end));
  inside.push_back(Token{TokenKind::kEnd, tokens_[end].offset, tokens_[end].length});
  return Cursor(text_, std::move(inside));
}

SourceSpan Cursor::span_since(size_t first) const {
  uint64_t start = tokens_[first].offset;
  uint64_t end = at_ > first ? tokens_[at_ - 1].end() : start;
  return SourceSpan{start, end - start};
}

SqlText Cursor::text_since(size_t first) const {
  SourceSpan span = span_since(first);
  return SqlText{std::string(text_.substr(span.offset, span.length)), span};
}

}  // namespace millrace::sql
