// Rows as lines of COPY's text format: values with tabs between, \N for NULL. Every value is written as the server's
// own input functions read it: timestamps in UTC, blobs as \x…, lists as arrays or, like other nested values, as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batch/batch.h"

namespace millrace::connectors::postgres {

class RowWriter {
 public:
  /// Writes these columns of batches. `as_array`, by column of the batch: lists of it go into an array, not into JSON.
  RowWriter(const batch::Schema& schema, std::vector<uint32_t> columns, const std::vector<bool>& as_array);

  /// Before rows of a batch are written; the batch must stay as it is meanwhile.
  void open(const batch::Batch& rows);
  /// One line, without its end.
  void append(size_t row, std::string& out);
  bool has_null(size_t row) const;

 private:
  struct Column {
    uint32_t index;
    batch::Type type;
    bool as_array;
    batch::ColumnView view;
  };
  void append_value(const Column& column, size_t row, std::string& out);
  void append_array(const batch::Type& list, const batch::ColumnView& view, size_t row, std::string& out);

  const batch::Batch* rows_ = nullptr;
  std::vector<Column> columns_;
  std::string scratch_;
};

}  // namespace millrace::connectors::postgres
