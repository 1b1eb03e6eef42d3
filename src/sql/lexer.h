// Tokens of SQL text, as PostgreSQL and DuckDB cut them. No meaning yet: a keyword is a word.
//
// The text must outlive nothing: tokens hold byte offsets only. Text that is not valid UTF-8, and anything that is
// opened and never closed (a string, a quoted name, a comment), is an error with its position.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::sql {

enum class TokenKind : uint8_t {
  kWord,        ///< an identifier or keyword without quotes
  kQuotedWord,  ///< "in double quotes"
  kString,      ///< 'text', E'text', x'hex', $$text$$
  kNumber,      ///< 12, 1.5, .5, 1e9, 0xff, 1_000
  kParameter,   ///< $1, $name
  kOperator,    ///< + - || :: := => ->> and the brackets [ ] { }
  kLeftParenthesis,
  kRightParenthesis,
  kComma,
  kDot,
  kSemicolon,
  kEnd,  ///< always the last token; it stands right behind the last other one, with length 0
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint64_t offset = 0;
  uint64_t length = 0;

  uint64_t end() const { return offset + length; }
  SourceSpan span() const { return SourceSpan{offset, length == 0 ? 1 : length}; }
};

/// All tokens of `text`, closed by kEnd. Comments and white space are between the tokens.
Result<std::vector<Token>> tokenize(std::string_view text);

/// The bytes of the token as they stand in the text.
inline std::string_view token_text(std::string_view text, const Token& token) {
  return text.substr(token.offset, token.length);
}

/// What the token stands for: a quoted name or a string without its quotes and escapes, anything else as it stands.
std::string token_value(std::string_view text, const Token& token);

/// Whether an unquoted word equals `keyword` (given in upper case), whatever its case.
bool is_keyword(std::string_view text, const Token& token, std::string_view keyword);

/// Whether DuckDB reserves the word, so that it must stand in double quotes where a name is meant.
bool is_reserved_word(std::string_view word);

/// The name as SQL text that means exactly it: in double quotes where that is needed.
std::string quote_name(std::string_view name);

/// Whether a shell should run what was typed so far: every quote and comment is closed and the last token is `;`.
bool ends_statement(std::string_view text);

}  // namespace millrace::sql
