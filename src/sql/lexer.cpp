#include "sql/lexer.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"

namespace millrace::sql {
namespace {

constexpr std::string_view kOperatorCharacters = "+-*/<>=~!@#%^&|`?:";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0; }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '$'; }
bool is_operator(char c) { return kOperatorCharacters.find(c) != std::string_view::npos; }

Error error_at(uint64_t offset, uint64_t length, std::string message, std::string hint) {
  return user_error(sqlstate::kSyntaxError, std::move(message))
      .at(SourceSpan{offset, length})
      .with_hint(std::move(hint));
}

/// Length of a Unicode space at `at` that DuckDB takes as white space too (no-break space, U+2000–200F, U+2028/9,
/// U+202F, U+205F, U+3000, byte order mark), or 0.
size_t unicode_space_length(std::string_view text, size_t at) {
  std::string_view rest = text.substr(at, 3);
  if (rest.substr(0, 2) == "\xC2\xA0") return 2;
  if (rest.size() < 3) return 0;
  if (rest == "\xE3\x80\x80" || rest == "\xEF\xBB\xBF" || rest == "\xE2\x81\x9F") return 3;
  if (rest[0] != '\xE2' || rest[1] != '\x80') return 0;
  auto last = static_cast<uint8_t>(rest[2]);
  return (last >= 0x80 && last <= 0x8F) || last == 0xA8 || last == 0xA9 || last == 0xAF ? 3 : 0;
}

/// Cuts one text into tokens.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    MR_TRY(check_utf8());
    while (true) {
      MR_TRY(skip_space());
      if (at_ == text_.size()) break;
      MR_TRY(scan_token());
    }
    uint64_t end = tokens_.empty() ? 0 : tokens_.back().end();
    tokens_.push_back(Token{TokenKind::kEnd, end, 0});
    return std::move(tokens_);
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  Status check_utf8() const {
    if (size_t zero = text_.find('\0'); zero != std::string_view::npos)
      return error_at(zero, 1, "the text holds a zero byte", "remove it");
    if (is_valid_utf8(text_)) return {};
    SourceSpan span{valid_utf8_prefix(text_), 1};
    return user_error("22021", "the text is not valid UTF-8").at(span).with_hint("save the text as UTF-8");
  }

  Status skip_space() {
    while (at_ < text_.size()) {
      char c = peek();
      if (c == ' ' || (c >= '\t' && c <= '\r')) {
        ++at_;
      } else if (size_t length = unicode_space_length(text_, at_)) {
        at_ += length;
      } else if (c == '-' && peek(1) == '-') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '/' && peek(1) == '*') {
        MR_TRY(skip_block_comment());
      } else {
        break;
      }
    }
    return {};
  }

  Status skip_block_comment() {
    size_t start = at_;
    size_t depth = 0;
    do {
      if (at_ >= text_.size()) return error_at(start, 2, "a comment is not closed", "close it with */");
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0);
    return {};
  }

  void add(TokenKind kind, size_t start) { tokens_.push_back(Token{kind, start, at_ - start}); }

  Status scan_token() {
    size_t start = at_;
    char c = peek();
    if (std::optional<size_t> prefix = string_prefix()) return scan_string(start, *prefix);
    if (c == '"') return scan_quoted_word();
    if (is_letter(c)) return scan_word();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return scan_number();
    if (c == '$') return scan_dollar();
    if (is_operator(c)) {
      scan_operator();
      return {};
    }
    static constexpr std::string_view kPunctuation = "(),.;[]{}";
    static constexpr std::array kKinds = {
        TokenKind::kLeftParenthesis, TokenKind::kRightParenthesis, TokenKind::kComma,    TokenKind::kDot,
        TokenKind::kSemicolon,       TokenKind::kOperator,         TokenKind::kOperator, TokenKind::kOperator,
        TokenKind::kOperator};
    size_t which = kPunctuation.find(c);
    if (which == std::string_view::npos) {
      return error_at(
          start, 1, c == '\\' ? "unexpected character: \\" : "unexpected control character",
          c == '\\' ? "a command such as \\d works in the shell only, at the start of a line" : "remove it");
    }
    ++at_;
    add(kKinds[which], start);
    return {};
  }

  /// Length of what stands before the quote of a string literal that starts here: 0 for '…', 1 for E'…', 2 for U&'…'.
  std::optional<size_t> string_prefix() const {
    char c = to_lower_ascii(peek());
    if (c == '\'') return 0;
    if ((c == 'e' || c == 'x' || c == 'b') && peek(1) == '\'') return 1;
    if (c == 'u' && peek(1) == '&' && peek(2) == '\'') return 2;
    return std::nullopt;
  }

  Status scan_string(size_t start, size_t prefix) {
    bool escapes = prefix == 1 && to_lower_ascii(peek()) == 'e';
    at_ += prefix + 1;
    while (at_ < text_.size()) {
      if (escapes && peek() == '\\') {
        at_ += 2;
        continue;
      }
      if (peek() != '\'') {
        ++at_;
        continue;
      }
      ++at_;
      if (peek() != '\'') {
        add(TokenKind::kString, start);
        return {};
      }
      ++at_;
    }
    return error_at(start, prefix + 1, "a string is not closed", "close it with '; a quote inside it is written twice");
  }

  Status scan_quoted_word() {
    size_t start = at_++;
    while (at_ < text_.size()) {
      if (text_[at_++] != '"') continue;
      if (peek() != '"') {
        add(TokenKind::kQuotedWord, start);
        if (at_ - start == 2) return error_at(start, 2, "a quoted name is empty", "write the name between the quotes");
        return {};
      }
      ++at_;
    }
    return error_at(start, 1, "a quoted name is not closed", "close it with \"; strings are written in single quotes");
  }

  Status scan_word() {
    size_t start = at_;
    std::string_view head = text_.substr(at_, 3);
    if (head == "\xE2\x80\x98" || head == "\xE2\x80\x99")
      return error_at(at_, 3, "unexpected typographic quote", "write '");
    if (head == "\xE2\x80\x9C" || head == "\xE2\x80\x9D")
      return error_at(at_, 3, "unexpected typographic quote", "write \"");
    while (at_ < text_.size() && is_word(peek()) && unicode_space_length(text_, at_) == 0) ++at_;
    add(TokenKind::kWord, start);
    return {};
  }

  void skip_digits() {
    while (is_digit(peek()) || (peek() == '_' && is_digit(peek(1)))) ++at_;
  }

  Status scan_number() {
    size_t start = at_;
    if (peek() == '0' && (to_lower_ascii(peek(1)) == 'x' || to_lower_ascii(peek(1)) == 'b') && is_word(peek(2))) {
      at_ += 2;
      while (is_word(peek())) ++at_;
      add(TokenKind::kNumber, start);
      return {};
    }
    skip_digits();
    if (peek() == '.' && peek(1) != '.') {
      ++at_;
      skip_digits();
    }
    size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if (to_lower_ascii(peek()) == 'e' && is_digit(peek(1 + sign))) {
      at_ += 1 + sign;
      skip_digits();
    }
    if (at_ < text_.size() && is_letter(peek()) && unicode_space_length(text_, at_) == 0) {
      return error_at(start, at_ - start + 1,
                      "letters follow a number: " + std::string(text_.substr(start, at_ - start)),
                      "separate them by a space; a name that starts with a digit stands in double quotes");
    }
    add(TokenKind::kNumber, start);
    return {};
  }

  /// $1 and $name are parameters; $$ and $tag$ open a string.
  Status scan_dollar() {
    size_t start = at_++;
    if (is_digit(peek())) {
      while (is_digit(peek())) ++at_;
      add(TokenKind::kParameter, start);
      return {};
    }
    while (at_ < text_.size() && (is_letter(peek()) || is_digit(peek()))) ++at_;
    if (peek() != '$') {
      add(TokenKind::kParameter, start);
      if (at_ - start > 1) return {};
      bool variable = peek() == '{';
      return error_at(
          start, 1, "unexpected character: $",
          variable ? "variables like ${name} work in pipeline files" : "a name that holds $ stands in double quotes");
    }
    std::string_view tag = text_.substr(start, ++at_ - start);
    size_t close = text_.find(tag, at_);
    if (close == std::string_view::npos) {
      return error_at(start, tag.size(), "a string is not closed", "close it with " + std::string(tag));
    }
    at_ = close + tag.size();
    add(TokenKind::kString, start);
    return {};
  }

  /// PostgreSQL's rule: an operator ends before a comment, and a long one that ends with + or - must hold one of
  /// ~!@#%^&|`?.
  void scan_operator() {
    size_t start = at_;
    if (peek() == ':') {
      at_ += peek(1) == ':' || peek(1) == '=' ? 2 : 1;
      return add(TokenKind::kOperator, start);
    }
    while (is_operator(peek()) && peek() != ':') {
      if (at_ > start && ((peek() == '-' && peek(1) == '-') || (peek() == '/' && peek(1) == '*'))) break;
      ++at_;
    }
    std::string_view found = text_.substr(start, at_ - start);
    if (found.find_first_of("~!@#%^&|`?") == std::string_view::npos) {
      while (found.size() > 1 && (found.back() == '+' || found.back() == '-')) found.remove_suffix(1);
    }
    at_ = start + found.size();
    add(TokenKind::kOperator, start);
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

std::string without_doubled(std::string_view inner, char quote) {
  std::string value;
  for (size_t i = 0; i < inner.size(); ++i) {
    value.push_back(inner[i]);
    if (inner[i] == quote) ++i;
  }
  return value;
}

/// The escapes of E'…' that PostgreSQL knows as one character; others stand for themselves.
std::string without_escapes(std::string_view inner) {
  std::string value;
  for (size_t i = 0; i < inner.size(); ++i) {
    char c = inner[i];
    if (c == '\'') {
      ++i;
    } else if (c == '\\' && i + 1 < inner.size()) {
      static constexpr std::string_view kFrom = "nrtbf";
      static constexpr std::string_view kTo = "\n\r\t\b\f";
      c = inner[++i];
      if (size_t which = kFrom.find(c); which != std::string_view::npos) c = kTo[which];
    }
    value.push_back(c);
  }
  return value;
}

std::string string_value(std::string_view text) {
  if (text.front() == '$') {
    size_t tag = text.find('$', 1) + 1;
    return std::string(text.substr(tag, text.size() - 2 * tag));
  }
  size_t open = text.find('\'');
  std::string_view inner = text.substr(open + 1, text.size() - open - 2);
  return open == 1 && to_lower_ascii(text.front()) == 'e' ? without_escapes(inner) : without_doubled(inner, '\'');
}

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view text) { return Scanner(text).run(); }

std::string token_value(std::string_view text, const Token& token) {
  std::string_view found = token_text(text, token);
  if (token.kind == TokenKind::kString) return string_value(found);
  if (token.kind == TokenKind::kQuotedWord) return without_doubled(found.substr(1, found.size() - 2), '"');
  return std::string(found);
}

bool is_keyword(std::string_view text, const Token& token, std::string_view keyword) {
  return token.kind == TokenKind::kWord && iequals(token_text(text, token), keyword);
}

bool is_reserved_word(std::string_view word) {
  // DuckDB 1.4's reserved_keywords.list, and the type-function names that cannot be columns.
  static constexpr std::string_view kReserved[] = {
      "all",        "analyse",  "analyze",      "and",         "any",       "array",     "as",       "asc",
      "asymmetric", "at",       "both",         "case",        "cast",      "check",     "collate",  "column",
      "constraint", "create",   "default",      "deferrable",  "desc",      "describe",  "distinct", "do",
      "else",       "end",      "except",       "false",       "fetch",     "for",       "foreign",  "from",
      "group",      "having",   "in",           "initially",   "intersect", "into",      "lambda",   "lateral",
      "leading",    "limit",    "not",          "null",        "offset",    "on",        "only",     "or",
      "order",      "pivot",    "pivot_longer", "pivot_wider", "placing",   "primary",   "qualify",  "references",
      "returning",  "select",   "show",         "some",        "summarize", "symmetric", "table",    "then",
      "to",         "trailing", "true",         "union",       "unique",    "unpivot",   "using",    "variadic",
      "when",       "where",    "window",       "with"};
  std::string folded = to_lower_ascii(word);
  return std::find(std::begin(kReserved), std::end(kReserved), folded) != std::end(kReserved);
}

std::string quote_name(std::string_view name) {
  bool plain = !name.empty() && is_letter(name[0]) && (name[0] & 0x80) == 0 && !is_reserved_word(name) &&
               std::all_of(name.begin(), name.end(), [](char c) { return is_word(c) && (c & 0x80) == 0 && c != '$'; });
  if (plain) return std::string(name);
  std::string quoted = "\"";
  for (char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

bool ends_statement(std::string_view text) {
  Result<std::vector<Token>> tokens = tokenize(text);
  if (!tokens.ok())
    return tokens.error().message.find("not closed") == std::string::npos;  // no further line repairs it
  return tokens->size() >= 2 && (*tokens)[tokens->size() - 2].kind == TokenKind::kSemicolon;
}

}  // namespace millrace::sql
