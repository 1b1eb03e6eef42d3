// Failures inside sql/ while it walks DuckDB's trees. Private to sql/.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::sql {

/// Thrown only inside sql/, by code that DuckDB calls back or that walks its plans; caught at sql/'s door.
struct BindFailure : std::exception {
  explicit BindFailure(Error error, std::vector<std::string> words = {})
      : error(std::move(error)), words(std::move(words)) {}
  const char* what() const noexcept override { return error.message.c_str(); }
  Error error;
  std::vector<std::string> words;  ///< where the error has no position: the first of these in the query is to blame
};

/// Gives an error without position that of the first of `words` in the query, outside of strings and comments.
void place_at_word(Error& error, std::string_view query, const std::vector<std::string>& words);

/// Any exception as an Error whose position points into the user's text; `query` is what DuckDB saw, and `text_offset`
/// where that starts in the text. DuckDB's own picture of the line is cut off (render() draws ours) and its suggestions
/// become the hint.
Error to_error(const std::exception& exception, std::string_view query, uint64_t text_offset);

}  // namespace millrace::sql
