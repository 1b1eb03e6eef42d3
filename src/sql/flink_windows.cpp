#include "sql/flink_windows.h"

#include <algorithm>
#include <optional>

#include "sql/lexer.h"
#include "sql/time_windows.h"

namespace millrace::sql {
namespace {

class Rewriter {
 public:
  Rewriter(std::string& text, const std::vector<Token>& tokens) : text_(text), tokens_(tokens) {}

  void run() {
    for (size_t at = 0; at + 4 < tokens_.size(); ++at) {
      if (is_call(at)) rewrite(at);
    }
  }

 private:
  bool is(size_t at, TokenKind kind) const { return at < tokens_.size() && tokens_[at].kind == kind; }
  bool is(size_t at, std::string_view keyword) const {
    return at < tokens_.size() && is_keyword(text_, tokens_[at], keyword);
  }
  /// TABLE ( name ( TABLE
  bool is_call(size_t at) const {
    return is(at, "TABLE") && is(at + 1, TokenKind::kLeftParenthesis) && is(at + 2, TokenKind::kWord) &&
           is_time_window(std::string(token_text(text_, tokens_[at + 2]))) && is(at + 3, TokenKind::kLeftParenthesis) &&
           is(at + 4, "TABLE");
  }
  /// The parenthesis that closes the one at `open`.
  std::optional<size_t> closing(size_t open) const {
    size_t depth = 0;
    for (size_t at = open; at < tokens_.size(); ++at) {
      if (is(at, TokenKind::kLeftParenthesis)) ++depth;
      if (is(at, TokenKind::kRightParenthesis) && --depth == 0) return at;
    }
    return std::nullopt;
  }
  void blank(const Token& token) { std::fill_n(text_.begin() + static_cast<int64_t>(token.offset), token.length, ' '); }

  void rewrite(size_t at) {
    const std::optional<size_t> end = closing(at + 1);
    const std::optional<size_t> call_end = closing(at + 3);
    if (!end || !call_end || *call_end + 1 != *end) return;
    size_t comma = at + 5;
    while (comma < *call_end && !is(comma, TokenKind::kComma)) {
      const std::optional<size_t> skipped = is(comma, TokenKind::kLeftParenthesis) ? closing(comma) : comma;
      comma = skipped.value_or(*call_end) + 1;
    }
    // DESCRIPTOR ( ts )
    if (comma >= *call_end || !is(comma + 1, "DESCRIPTOR") || !is(comma + 2, TokenKind::kLeftParenthesis) ||
        !is(comma + 4, TokenKind::kRightParenthesis)) {
      return;
    }
    for (size_t gone : {at, at + 1, at + 4, comma + 1, comma + 2, comma + 4, *end}) blank(tokens_[gone]);
    for (size_t by = at + 5; by + 1 < comma; ++by) {
      if (is(by, "PARTITION") && is(by + 1, "BY")) return move_keys(at + 4, by, comma);
    }
  }

  /// TABLE t PARTITION BY k, → t, partition_by := [k], which is no longer: what TABLE leaves is enough.
  void move_keys(size_t table, size_t by, size_t comma) {
    const uint64_t begin = tokens_[table].offset, end = tokens_[comma].offset;
    const std::string relation =
        text_.substr(tokens_[table + 1].offset, tokens_[by - 1].end() - tokens_[table + 1].offset);
    uint64_t first = tokens_[by + 2].offset, last = tokens_[comma - 1].end();
    if (is(by + 2, TokenKind::kLeftParenthesis)) {
      first = tokens_[by + 2].end();
      last = tokens_[comma - 1].offset;
    }
    std::string ours = relation + ",partition_by:=[" + text_.substr(first, last - first) + "]";
    if (ours.size() > end - begin) return;
    ours.resize(end - begin, ' ');
    text_.replace(begin, end - begin, ours);
  }

  std::string& text_;
  const std::vector<Token>& tokens_;
};

}  // namespace

void rewrite_flink_windows(std::string& text) {
  const auto tokens = tokenize(text);
  if (tokens.ok()) Rewriter(text, *tokens).run();
}

}  // namespace millrace::sql
