// A walk over the tokens of one statement, and the wording of syntax errors. Private to the parser.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/lexer.h"
#include "sql/statement.h"

namespace millrace::sql {

class Cursor {
 public:
  /// `tokens` are those of one statement, the last one of kind kEnd. `text` is the whole text and outlives the cursor.
  Cursor(std::string_view text, std::vector<Token> tokens) : text_(text), tokens_(std::move(tokens)) {}

  /// The token so many places ahead; the end again and again when there is none.
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool at_end() const { return peek().kind == TokenKind::kEnd; }
  bool at(TokenKind kind, size_t ahead = 0) const { return peek(ahead).kind == kind; }
  bool at(std::string_view keyword, size_t ahead = 0) const { return is_keyword(text_, peek(ahead), keyword); }
  bool at_any(std::initializer_list<std::string_view> keywords, size_t ahead = 0) const;
  bool at_all(std::initializer_list<std::string_view> keywords, size_t ahead = 0) const;
  bool at_operator(std::string_view symbol, size_t ahead = 0) const;
  bool at_name(size_t ahead = 0) const { return at(TokenKind::kWord, ahead) || at(TokenKind::kQuotedWord, ahead); }

  void advance(size_t count = 1) { at_ = std::min(at_ + count, tokens_.size() - 1); }
  bool accept(TokenKind kind);
  bool accept(std::string_view keyword);
  bool accept_all(std::initializer_list<std::string_view> keywords);
  bool accept_operator(std::string_view symbol);

  Status expect(TokenKind kind, std::string_view what, std::string hint = {});
  Status expect(std::string_view keyword, std::string hint = {});
  Status expect_end(std::string hint = {});
  /// A name that may be a reserved word (a column in a definition).
  Result<Name> expect_any_name(std::string_view what);
  /// A name as SQL takes it everywhere: a reserved word must be quoted. Refuses `schema.name`.
  Result<Name> expect_name(std::string_view what);
  /// `(a, b, c)`, at least one.
  Result<std::vector<Name>> expect_name_list(std::string_view what);

  /// Syntax error at the next token: `expected <what>, found <it>`.
  Error expected(std::string_view what, std::string hint = {}) const;
  /// What the next token is, as an error names it.
  std::string found() const;

  /// Moves to the next token outside of brackets that `stop(*this)` holds for, or to the end. A closing parenthesis
  /// that was not opened on the way also ends the move when `close_ends`, else it is an error, as is a bracket left
  /// open.
  template <typename Stop>
  Status skip_until(Stop stop, bool close_ends) {
    std::vector<Token> open;
    for (; !at_end(); advance()) {
      if (open.empty() && (stop(*this) || (close_ends && at(TokenKind::kRightParenthesis)))) return {};
      MR_TRY(track_bracket(open));
    }
    if (!open.empty()) return not_closed(open.back());
    return {};
  }

  /// The text from the token number `first` up to the current one, without what stands between that and the token
  /// before.
  SqlText text_since(size_t first) const;
  SourceSpan span_since(size_t first) const;
  size_t position() const { return at_; }
  std::string_view text() const { return text_; }
  std::string_view word(size_t ahead = 0) const { return token_text(text_, peek(ahead)); }
  std::string value(size_t ahead = 0) const { return token_value(text_, peek(ahead)); }

  /// A cursor over the tokens from here to the token number `end`, which it takes for the end of the statement.
  Cursor until(size_t end) const;

  /// Keeps `open` as the stack of brackets, over the current token.
  Status track_bracket(std::vector<Token>& open) const;
  Error not_closed(const Token& bracket) const;

 private:
  std::string_view text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

Error syntax_error(SourceSpan span, std::string message, std::string hint = {});
/// What is understood and refused: SQLSTATE 0A000.
Error refused(SourceSpan span, std::string message, std::string hint);

}  // namespace millrace::sql
