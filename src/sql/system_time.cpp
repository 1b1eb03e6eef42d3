#include "sql/system_time.h"

#include <vector>

#include "sql/lexer.h"

namespace millrace::sql {
namespace {

/// t FOR SYSTEM_TIME AS OF x → t AT (TIMESTAMP => x)
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

  void rewrite(size_t at) {
    const bool name = is(at + 4, TokenKind::kWord) || is(at + 4, TokenKind::kQuotedWord);
    if (!name) return;
    const size_t begin = tokens_[at].offset, first = tokens_[at + 4].offset;
    const size_t end = tokens_[behind_name(at + 4) - 1].end();
    const std::string before = "AT (TIMESTAMP =>";
    const bool has_place = end < text_.size() && (text_[end] == ' ' || text_[end] == '\n');
    std::string ours = before + std::string(first - begin - before.size() - (has_place ? 0 : 1), ' ');
    ours += text_.substr(first, end - first) + ')';
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
