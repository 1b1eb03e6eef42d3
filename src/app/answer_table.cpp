#include "app/answer_table.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/text.h"

namespace millrace::app {
namespace {

constexpr size_t kColumnMin = 6;  // a cut column keeps at least so much, whatever the terminal

/// Decodes the character at `at` and moves `at` behind it. A byte that starts no valid character stands for itself.
char32_t next_character(std::string_view text, size_t& at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(at);
  size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  if (length == 1 || at + length > text.size()) return byte(at++);
  char32_t code = lead & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(at + i) & 0x3f);
  at += length;
  return code;
}

/// Unicode's East Asian Wide ranges and combining marks, as far as titles and names use them.
size_t character_width(char32_t code) {
  if ((code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200f) || (code >= 0xfe00 && code <= 0xfe0f))
    return 0;
  bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
              (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
              (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
              (code >= 0x1f300 && code <= 0x1faff) || (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

std::string cut_to(std::string_view text, size_t width) {
  if (display_width(text) <= width) return std::string(text);
  size_t used = 0;
  size_t at = 0;
  while (at < text.size()) {
    size_t next = at;
    size_t more = character_width(next_character(text, next));
    if (used + more + 1 > width) break;
    used += more;
    at = next;
  }
  return std::string(text.substr(0, at)) + "…";
}

/// One line: control characters would break the frame.
std::string one_line(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

/// Takes from the widest columns until the line fits.
void fit(std::vector<size_t>& widths, size_t width) {
  size_t frame = 3 * (widths.size() - 1) + 2;
  auto total = [&] { return frame + std::accumulate(widths.begin(), widths.end(), size_t{0}); };
  while (total() > width) {
    auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kColumnMin) return;
    size_t second = kColumnMin;
    for (auto it = widths.begin(); it != widths.end(); ++it) {
      if (it != widest) second = std::max(second, std::min(*it, *widest - 1));
    }
    size_t cut = std::min(total() - width, *widest - second);
    *widest -= std::max<size_t>(cut, 1);
  }
}

void append_cell(std::string& out, std::string_view text, size_t width, bool right) {
  std::string shown = cut_to(text, width);
  size_t padding = width - std::min(width, display_width(shown));
  out += ' ';
  if (right) out.append(padding, ' ');
  out += shown;
  if (!right) out.append(padding, ' ');
  out += ' ';
}

void end_line(std::string& out) {
  while (!out.empty() && out.back() == ' ') out.pop_back();
  out += '\n';
}

}  // namespace

size_t display_width(std::string_view text) {
  size_t width = 0;
  for (size_t at = 0; at < text.size();) width += character_width(next_character(text, at));
  return width;
}

std::string table_text(const Answer& answer, size_t width) {
  size_t columns = answer.columns.size();
  std::vector<std::vector<std::string>> cells;
  std::vector<size_t> widths;
  for (const AnswerColumn& column : answer.columns) widths.push_back(std::max<size_t>(display_width(column.name), 1));
  for (const auto& row : answer.rows) {
    auto& line = cells.emplace_back();
    for (size_t c = 0; c < columns; ++c) {
      line.push_back(one_line(plain_text(row[c]).value_or("NULL")));
      widths[c] = std::max(widths[c], display_width(line.back()));
    }
  }
  if (width > 0) fit(widths, width);

  std::string out;
  for (size_t c = 0; c < columns; ++c) {
    if (c > 0) out += '|';
    append_cell(out, answer.columns[c].name, widths[c], is_numeric_type(answer.columns[c].type));
  }
  end_line(out);
  for (size_t c = 0; c < columns; ++c) {
    if (c > 0) out += '+';
    out.append(widths[c] + 2, '-');
  }
  out += '\n';
  for (const auto& line : cells) {
    for (size_t c = 0; c < columns; ++c) {
      if (c > 0) out += '|';
      append_cell(out, line[c], widths[c], is_numeric_type(answer.columns[c].type));
    }
    end_line(out);
  }
  out += "(" + format_count(static_cast<int64_t>(cells.size())) + (cells.size() == 1 ? " row)\n" : " rows)\n");
  return out;
}

}  // namespace millrace::app
