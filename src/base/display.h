// Text as a terminal shows it: how many columns it takes, and a line of a source with a caret under a part of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Decodes the character at `at` and moves `at` behind it. A byte that starts no whole character stands for itself.
char32_t next_character(std::string_view text, size_t& at);

/// Columns that a character takes on a terminal: 2 for Unicode's East Asian Wide ranges and emoji, 0 for combining
/// marks and invisible ones, as far as titles, names and messages use them.
size_t display_width(char32_t character);
size_t display_width(std::string_view text);

/// `text` when it takes at most `columns`, else its start and "…".
std::string cut_to_width(std::string_view text, size_t columns);

/// Two lines without a final line end: "LINE 2: WHERE tittle = 1" and carets under `span`, which is a place in `text`.
/// A line that is too long for `columns` is cut around the carets, with "…" where it goes on; a tab is one space.
std::string source_excerpt(std::string_view text, const SourceSpan& span, size_t columns);
inline constexpr size_t kExcerptColumns = 80;  ///< where no terminal says how wide it is

/// As render of result.h, for a terminal of `columns` columns.
std::string render(const Error& error, std::string_view text, size_t columns);

}  // namespace millrace
