#include "sql/system_time.h"

#include <algorithm>
#include <vector>

#include "sql/lexer.h"

namespace millrace::sql {
namespace {

/// t FOR SYSTEM_TIME AS OF x AS r → t AS r AT (TIMESTAMP => x): DuckDB wants the alias first.
class SystemTimeRewriter {
 public:
  SystemTimeRewriter(std::string& text, const std::vector<Token>& tokens) : text_(text), tokens_(tokens) {}

  void run() {
    for (size_t at = 0; at + 5 < tokens_.size(); ++at) {
      if (is(at, "FOR") && is(at + 1, "SYSTEM_TIME") && is(at + 2, "AS") && is(at + 3, "OF")) rewrite(at);
    }
  }

 private:
  bool is(size_t at, std::string_view keyword) const {
    return at < tokens_.size() && is_keyword(text_, tokens_[at], keyword);
  }
  bool is(size_t at, TokenKind kind) const { return at < tokens_.size() && tokens_[at].kind == kind; }

  /// Behind a.b.c or f().
  size_t behind_name(size_t at) const {
    while (is(at + 1, TokenKind::kDot)) at += 2;
    if (is(at + 1, TokenKind::kLeftParenthesis) && is(at + 2, TokenKind::kRightParenthesis)) at += 2;
    return at + 1;
  }

  /// Behind [AS] r or [AS] r(a, b); `at` itself when there is none.
  size_t behind_alias(size_t at) const {
    static constexpr std::string_view kNoAlias[] = {"ON",    "USING", "JOIN",    "LEFT", "RIGHT", "FULL", "INNER",
                                                    "CROSS", "WHERE", "NATURAL", "ASOF", "GROUP", "ORDER"};
    size_t name = is(at, "AS") ? at + 1 : at;
    const bool is_name = is(name, TokenKind::kQuotedWord) ||
                         (is(name, TokenKind::kWord) &&
                          std::none_of(std::begin(kNoAlias), std::end(kNoAlias),
                                       [&](std::string_view keyword) { return is(name, keyword); }));
    if (!is_name) return at;
    if (!is(name + 1, TokenKind::kLeftParenthesis)) return name + 1;
    while (name < tokens_.size() && !is(name, TokenKind::kRightParenthesis)) ++name;
    return std::min(name + 1, tokens_.size());
  }
  std::string text_of(size_t from, size_t to) const {
    return from == to ? "" : text_.substr(tokens_[from].offset, tokens_[to - 1].end() - tokens_[from].offset);
  }

  void rewrite(size_t at) {
    const size_t time = at + 4;
    if (!is(time, TokenKind::kWord) && !is(time, TokenKind::kQuotedWord)) return;
    const size_t alias = behind_name(time);
    const size_t behind = behind_alias(alias);
    const size_t begin = tokens_[at].offset, end = tokens_[behind - 1].end();
    const bool has_room = behind > alias || (end < text_.size() && (text_[end] == ' ' || text_[end] == '\n'));
    std::string ours = text_of(alias, behind);
    if (!ours.empty()) ours += ' ';
    ours += "AT (TIMESTAMP =>";
    const size_t place = tokens_[time].offset - begin - (has_room ? 0 : 1);  // where x stood, for errors in it
    if (ours.size() < place) ours.resize(place, ' ');
    ours += text_of(time, alias) + ')';
    if (ours.size() < end - begin) ours.resize(end - begin, ' ');
    text_.replace(begin, ours.size(), ours);
  }

  std::string& text_;
  const std::vector<Token>& tokens_;
};

}  // namespace

void rewrite_system_time(std::string& text) {
  const auto tokens = tokenize(text);
  if (tokens.ok()) SystemTimeRewriter(text, *tokens).run();
}

}  // namespace millrace::sql
