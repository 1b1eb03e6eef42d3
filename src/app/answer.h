// Answer: the rows of one statement as the command line shows them, from a node in this process or over HTTP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/node.h"

namespace millrace::app {

enum class Format : uint8_t { kTable, kCsv, kJson };

Result<Format> parse_format(std::string_view text);

struct AnswerColumn {
  std::string name;
  std::string type;  ///< SQL type name
};

/// Every value is the JSON text that the server would send: `null`, `12`, `"text"`, `[1,2]`.
struct Answer {
  std::vector<AnswerColumn> columns;
  std::vector<std::vector<std::string>> rows;
  std::string message;  ///< of a statement without rows
};

Answer to_answer(const engine::StatementResult& result);
/// Reads {"columns":…,"types":…,"rows":…,"message":…}.
Result<Answer> parse_answer(std::string_view json);

/// The whole answer as text, with a final line end. `width` is that of the terminal, for tables; 0: as wide as needed.
std::string format_answer(const Answer& answer, Format format, size_t width);

/// The plain text of a JSON value: strings without quotes, everything else as it stands; nothing for null.
std::optional<std::string> plain_text(std::string_view json);
/// Whether values of this SQL type stand at the right of their column.
bool is_numeric_type(std::string_view type);

}  // namespace millrace::app
