#include "formats/json_walk.h"

#include "base/text.h"

namespace millrace::formats {
namespace {

/// Four hexadecimal digits; -1 when they are not.
int32_t hex4(std::string_view text) {
  if (text.size() < 4) return -1;
  int32_t value = 0;
  for (char c : text.substr(0, 4)) {
    char lower = to_lower_ascii(c);
    bool letter = lower >= 'a' && lower <= 'f';
    if (!letter && !is_digit(c)) return -1;
    value = value * 16 + (letter ? lower - 'a' + 10 : c - '0');
  }
  return value;
}

void append_utf8(int32_t code, std::string& out) {
  auto push = [&](int32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return push(code);
  if (code < 0x800) {
    push(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      push(0xe0 | code >> 12);
    } else {
      push(0xf0 | code >> 18);
      push(0x80 | (code >> 12 & 0x3f));
    }
    push(0x80 | (code >> 6 & 0x3f));
  }
  push(0x80 | (code & 0x3f));
}

/// The character of `text`, which begins behind \u; how many bytes of it were used, 0 when it is none.
size_t unescape_unicode(std::string_view text, std::string& out) {
  int32_t code = hex4(text);
  if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) return 0;
  if (code < 0xd800 || code > 0xdbff) {
    append_utf8(code, out);
    return 4;
  }
  if (!text.substr(4).starts_with("\\u")) return 0;
  int32_t low = hex4(text.substr(6));
  if (low < 0xdc00 || low > 0xdfff) return 0;
  append_utf8(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00), out);
  return 10;
}

char unescape_letter(char letter) {
  switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return '\0';
  }
}

char closing(char bracket) { return static_cast<char>(bracket + 2); }  // in ASCII both pairs are two apart

}  // namespace

bool is_json_number(std::string_view text) {
  size_t at = 0;
  auto digits = [&] {
    size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at > start;
  };
  if (at < text.size() && text[at] == '-') ++at;
  if (at < text.size() && text[at] == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

bool unescape_json(std::string_view content, std::string& out) {
  while (true) {
    size_t escape = content.find('\\');
    out.append(content.substr(0, escape));
    if (escape == std::string_view::npos) return true;
    content.remove_prefix(escape + 1);
    if (content.empty()) return false;
    char letter = content.front();
    content.remove_prefix(1);
    if (letter == 'u') {
      size_t used = unescape_unicode(content, out);
      if (used == 0) return false;
      content.remove_prefix(used);
      continue;
    }
    char plain = unescape_letter(letter);
    if (plain == '\0') return false;
    out.push_back(plain);
  }
}

void JsonWalk::forget_escapes(std::string_view bytes) {
  escape_ = nullptr;
  escape_end_ = bytes.data() + bytes.size();
}

bool JsonWalk::skip_scalar() {
  switch (peek()) {
    case '\0':
    case '{':
    case '}':
    case '[':
    case ']':
    case ':':
    case ',': return false;
    case '"': {
      std::string_view text;
      bool escaped = false;
      return take_string(text, skipped_, escaped);
    }
    default: {
      std::string_view token = take();
      return is_json_number(token) || token == "true" || token == "false" || token == "null";
    }
  }
}

bool JsonWalk::skip_key() { return peek() == '"' && skip_scalar() && take(':'); }

bool JsonWalk::skip() {
  size_t depth = 0;
  while (true) {
    char first = peek();
    if (first == '{' || first == '[') {
      if (depth == kDepthMax) return false;
      open_[depth++] = first;
      next();
      if (peek() != closing(first)) {
        if (first == '{' && !skip_key()) return false;
        continue;
      }
    } else if (!skip_scalar()) {
      return false;
    }
    // A value has ended, or an empty bracket is about to: what may follow depends on what is around it.
    while (true) {
      if (depth == 0) return true;
      char around = open_[depth - 1];
      if (take(closing(around))) {
        --depth;
        continue;
      }
      if (!take(',') || (around == '{' && !skip_key())) return false;
      break;
    }
  }
}

std::string_view JsonWalk::text_between(const uint32_t* first, const uint32_t* behind) const {
  size_t stop = *behind < end_ ? *behind : end_;
  while (stop > *first && is_white(bytes_[stop - 1])) --stop;
  return {bytes_ + *first, stop - *first};
}

size_t JsonWalk::count_elements() const {
  if (peek() == ']') return 0;
  size_t count = 1;
  size_t depth = 1;
  for (const uint32_t* token = token_; *token < end_; ++token) {
    char c = bytes_[*token];
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && --depth == 0) break;
    if (c == ',' && depth == 1) ++count;
  }
  return count;
}

}  // namespace millrace::formats
