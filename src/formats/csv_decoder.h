// CSV records (RFC 4180): one record is one row, its line end cut off; quoted fields may hold line ends.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/decoder.h"

namespace millrace::formats {

std::unique_ptr<Decoder> make_csv_decoder(const batch::Schema& schema, const DecoderOptions& options);

struct CsvField {
  std::string_view text;  ///< without quotes; lives until the next split
  bool quoted = false;
};

/// Cuts a record into fields. False, with a reason, when a quote is not closed or stands in the middle of a field.
class CsvSplitter {
 public:
  explicit CsvSplitter(char delimiter) : delimiter_(delimiter) {}
  bool split(std::string_view record, std::vector<CsvField>& fields, std::string& reason);

 private:
  char delimiter_;
  std::string unescaped_;  // fields with doubled quotes, one after another
};

}  // namespace millrace::formats
