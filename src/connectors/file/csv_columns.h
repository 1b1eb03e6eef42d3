// Brings the fields of CSV records from the order of a file's header into the order of a stream's columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "formats/csv_decoder.h"

namespace millrace::connectors::file {

class CsvColumns {
 public:
  /// Names compare without case. Fails when the header cannot be read or no column has its name in it.
  static Result<CsvColumns> make(std::string_view header, char delimiter, std::string null_text,
                                 const std::vector<std::string>& columns);

  /// The header is the columns, in order: records can go as they are.
  bool same() const { return same_; }
  /// Appends the record with its fields in the columns' order; columns that the header lacks are NULL. A record that
  /// cannot be read, or with another number of fields than the header, is appended so that it does not decode either.
  void append(std::string_view record, std::string& out);

 private:
  CsvColumns(char delimiter, std::string null_text)
      : delimiter_(delimiter), null_text_(std::move(null_text)), splitter_(delimiter) {}

  void append_field(const formats::CsvField& field, std::string& out) const;

  char delimiter_;
  std::string null_text_;
  formats::CsvSplitter splitter_;
  std::vector<int> field_of_;  // by column: the header's field, or -1
  size_t header_fields_ = 0;
  bool same_ = false;
  std::vector<formats::CsvField> fields_;
};

}  // namespace millrace::connectors::file
