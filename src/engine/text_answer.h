// Answers of statements that are rows of text: SHOW, DESCRIBE, EXPLAIN.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/node.h"

namespace millrace::engine {

StatementResult text_table(std::vector<std::string> columns, const std::vector<std::vector<std::string>>& rows);
/// One column, a row for each line that is not empty.
StatementResult lines_table(const std::string& column, std::string_view text);

}  // namespace millrace::engine
