#include "base/display.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr size_t kExcerptColumnsMin = 24;  // a narrower terminal wraps

/// The line of `text` that holds `offset`: where it starts and its bytes, without its end.
struct Line {
  size_t first = 0;
  std::string text;
};

Line line_at(std::string_view text, size_t offset) {
  const size_t before = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  Line line;
  line.first = before == std::string_view::npos ? 0 : before + 1;
  const size_t end = std::min(text.find('\n', offset), text.size());
  line.text = text.substr(line.first, end - line.first);
  if (line.text.ends_with('\r')) line.text.pop_back();
  std::replace(line.text.begin(), line.text.end(), '\t', ' ');
  return line;
}

/// How many bytes at the start of `text` must go so that the rest takes at most `columns`.
size_t bytes_over(std::string_view text, size_t columns) {
  size_t width = display_width(text);
  size_t at = 0;
  while (width > columns) width -= display_width(next_character(text, at));
  return at;
}

}  // namespace

char32_t next_character(std::string_view text, size_t& at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const size_t length = lead < 0xc0 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (length == 1 || at + length > text.size()) return byte(at++);
  char32_t code = lead & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(at + i) & 0x3f);
  at += length;
  return code;
}

size_t display_width(char32_t character) {
  auto between = [character](char32_t first, char32_t last) { return character >= first && character <= last; };
  if (character < 0x300) return character == 0xad ? 0 : 1;
  if (between(0x300, 0x36f) || between(0x200b, 0x200f) || between(0xfe00, 0xfe0f) || between(0x20d0, 0x20ff)) return 0;
  const bool wide = between(0x1100, 0x115f) || between(0x2e80, 0xa4cf) || between(0xac00, 0xd7a3) ||
                    between(0xf900, 0xfaff) || between(0xfe30, 0xfe6f) || between(0xff00, 0xff60) ||
                    between(0x1f300, 0x1faff) || between(0x20000, 0x3fffd);
  return wide ? 2 : 1;
}

size_t display_width(std::string_view text) {
  size_t width = 0;
  for (size_t at = 0; at < text.size();) width += display_width(next_character(text, at));
  return width;
}

std::string cut_to_width(std::string_view text, size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  size_t used = 0;
  size_t at = 0;
  while (at < text.size()) {
    size_t next = at;
    const size_t more = display_width(next_character(text, next));
    if (used + more + 1 > columns) break;
    used += more;
    at = next;
  }
  return std::string(text.substr(0, at)) + "…";
}

std::string source_excerpt(std::string_view text, const SourceSpan& span, size_t columns) {
  const size_t offset = std::min<size_t>(span.offset, text.size());
  const Line line = line_at(text, offset);
  const auto number = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(line.first), '\n');
  const std::string label = "LINE " + std::to_string(number) + ": ";
  const size_t room = std::max(columns, label.size() + kExcerptColumnsMin) - label.size();

  std::string_view shown = line.text;
  size_t lead_bytes = std::min(offset - line.first, shown.size());
  std::string_view cut_off;
  if (display_width(shown) > room) {
    // A third of the room is left for what follows.
    const size_t gone = bytes_over(shown.substr(0, lead_bytes), room * 2 / 3);
    shown.remove_prefix(gone);
    lead_bytes -= gone;
    if (gone > 0) cut_off = "…";
  }
  const size_t lead = display_width(shown.substr(0, lead_bytes)) + display_width(cut_off);
  const std::string_view marked = shown.substr(lead_bytes, static_cast<size_t>(span.length));
  const size_t carets = std::min(display_width(marked), room - lead);
  return label + std::string(cut_off) + cut_to_width(shown, room - display_width(cut_off)) + "\n" +
         std::string(label.size() + lead, ' ') + std::string(std::max<size_t>(carets, 1), '^');
}

std::string render(const Error& error, std::string_view text, size_t columns) {
  std::string out = error.message;
  if (error.position && !text.empty()) out.append("\n").append(source_excerpt(text, *error.position, columns));
  if (!error.hint.empty()) out.append("\nHINT: ").append(error.hint);
  return out;
}

}  // namespace millrace
