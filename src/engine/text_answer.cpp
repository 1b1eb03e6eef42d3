#include "engine/text_answer.h"

#include <algorithm>

#include "base/text.h"

namespace millrace::engine {

StatementResult text_table(std::vector<std::string> columns, const std::vector<std::vector<std::string>>& rows) {
  StatementResult result;
  for (std::string& column : columns)
    result.schema.fields.push_back({std::move(column), batch::Type(batch::TypeId::kVarchar)});
  for (size_t first = 0; first < rows.size(); first += batch::kBatchRows) {
    size_t count = std::min(batch::kBatchRows, rows.size() - first);
    batch::Batch batch(result.schema);
    for (size_t i = 0; i < count; ++i) {
      for (size_t column = 0; column < result.schema.size(); ++column) {
        batch.mutable_column(column).set_string(i, rows[first + i][column]);
      }
    }
    batch.set_rows(count);
    result.batches.push_back(std::move(batch));
  }
  return result;
}

StatementResult lines_table(const std::string& column, std::string_view text) {
  std::vector<std::vector<std::string>> rows;
  for (std::string_view line : split_view(text, '\n')) {
    if (!line.empty()) rows.push_back({std::string(line)});
  }
  return text_table({column}, rows);
}

}  // namespace millrace::engine
