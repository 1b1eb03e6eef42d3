// JsonWalk: goes through the tokens of one JSON text, with the whole grammar of RFC 8259 checked on the way. Private to
// formats/. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace millrace::formats {

/// -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
bool is_json_number(std::string_view token);

/// The text of a JSON string whose content (without quotes) is `content`, appended to `out`. False on a bad escape or
/// half a surrogate pair.
bool unescape_json(std::string_view content, std::string& out);

class JsonWalk {
 public:
  /// The text is bytes [begin, end) of `bytes`; `token` is its first token among those of `bytes` (see JsonStructure),
  /// which end with one at or after `end`. Between two texts of the same bytes stands white space.
  void start(const char* bytes, size_t begin, size_t end, const uint32_t* token) {
    bytes_ = bytes;
    begin_ = begin;
    end_ = end;
    token_ = token;
  }
  /// Must come before the walks through `bytes`: what was known of the last ones is forgotten.
  void forget_escapes(std::string_view bytes);

  /// The first character of the token; 0 behind the last.
  char peek() const { return *token_ < end_ ? bytes_[*token_] : '\0'; }
  void next() { ++token_; }
  /// Passes the token when it is this one.
  bool take(char token) {
    if (peek() != token) return false;
    ++token_;
    return true;
  }
  /// The token's whole text, and passes it. Not behind the last.
  std::string_view take() {
    const char* start = bytes_ + token_[0];
    const char* stop = bytes_ + token_[1];
    while (static_cast<unsigned char>(stop[-1]) <= ' ' && is_white(stop[-1])) --stop;
    ++token_;
    return {start, static_cast<size_t>(stop - start)};
  }

  /// Takes a string. `text` is what is between the quotes, as it stands or, when that has escapes, unescaped into
  /// `scratch`; `escaped` says which.
  bool take_string(std::string_view& text, std::string& scratch, bool& escaped);
  /// Takes any value. False when it is not valid or nested deeper than kDepthMax.
  bool skip();
  /// How many elements the list has whose first token (behind the bracket) this is; some number when it is not valid.
  size_t count_elements() const;

  const uint32_t* token() const { return token_; }
  /// The text from one token to before another that was reached from it.
  std::string_view text_between(const uint32_t* first, const uint32_t* behind) const;
  void go_back_to(const uint32_t* token) { token_ = token; }
  /// All tokens were passed.
  bool at_end() const { return *token_ >= end_; }
  /// Where the walk is, from the text's start.
  size_t offset() const { return (*token_ < end_ ? *token_ : end_) - begin_; }

  static constexpr size_t kDepthMax = 1024;

 private:
  static bool is_white(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  bool has_escape(std::string_view content);
  bool skip_key();
  bool skip_scalar();

  const char* bytes_ = nullptr;
  size_t begin_ = 0;
  size_t end_ = 0;
  const uint32_t* token_ = nullptr;
  const char* escape_ = nullptr;      // the first backslash at or after where strings were last looked at
  const char* escape_end_ = nullptr;  // the end of what is searched for it
  std::string skipped_;
  std::array<char, kDepthMax> open_;  // the brackets that skip() is in
};

inline bool JsonWalk::has_escape(std::string_view content) {
  if (escape_ < content.data()) {
    auto left = static_cast<size_t>(escape_end_ - content.data());
    const void* found = std::memchr(content.data(), '\\', left);
    escape_ = found ? static_cast<const char*>(found) : escape_end_;
  }
  return escape_ < content.data() + content.size();
}

inline bool JsonWalk::take_string(std::string_view& text, std::string& scratch, bool& escaped) {
  std::string_view token = take();
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') return false;
  text = token.substr(1, token.size() - 2);
  escaped = has_escape(text);
  if (!escaped) return true;
  scratch.clear();
  if (!unescape_json(text, scratch)) return false;
  text = scratch;
  return true;
}

}  // namespace millrace::formats
