// Failures inside sql/ while it walks DuckDB's trees. Private to sql/.
#pragma once

#include <cstdint>
#include <exception>

#include "base/result.h"

namespace millrace::sql {

/// Thrown only inside sql/, by code that DuckDB calls back or that walks its plans; caught at sql/'s door.
struct BindFailure : std::exception {
  explicit BindFailure(Error error) : error(std::move(error)) {}
  const char* what() const noexcept override { return error.message.c_str(); }
  Error error;
};

/// Any exception as an Error whose position points into the user's text; `text_offset` is where the query that DuckDB
/// saw starts in it. DuckDB's own picture of the line is cut off (render() draws ours) and its suggestions become the
/// hint.
Error to_error(const std::exception& exception, uint64_t text_offset);

}  // namespace millrace::sql
