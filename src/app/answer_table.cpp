#include "app/answer_table.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/display.h"
#include "base/text.h"

namespace millrace::app {
namespace {

constexpr size_t kColumnMin = 6;  // a cut column keeps at least so much, whatever the terminal

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
  std::string shown = cut_to_width(text, width);
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

std::string table_text(const Answer& answer, size_t width) {
  size_t columns = answer.columns.size();
  std::vector<std::vector<std::string>> cells;
  std::vector<size_t> widths;
  std::vector<std::string> names;
  for (const AnswerColumn& column : answer.columns) {
    names.push_back(one_line(column.name));
    widths.push_back(std::max<size_t>(display_width(names.back()), 1));
  }
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
    append_cell(out, names[c], widths[c], is_numeric_type(answer.columns[c].type));
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
