// What the tests of JSON share: decode some records, see rows and reasons as text.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/decoder.h"

namespace millrace::formats {

struct Decoded {
  std::vector<std::string> rows;    ///< as Batch::row_text
  std::vector<uint32_t> records;    ///< of each row
  std::vector<std::string> errors;  ///< "INDEX: reason"
};

inline batch::Schema schema_of(std::vector<std::pair<std::string, std::string>> columns) {
  batch::Schema schema;
  for (auto& [name, type] : columns) schema.fields.push_back({name, batch::Type::parse(type).value()});
  return schema;
}

inline Decoded decode_with(Decoder& decoder, const batch::Schema& schema, const std::vector<std::string>& records) {
  std::vector<std::string_view> views(records.begin(), records.end());
  batch::Batch rows(schema);
  std::vector<DecodeError> errors;
  Decoded result;
  EXPECT_TRUE(decoder.decode(views, rows, result.records, errors).ok());
  for (size_t row = 0; row < rows.rows(); ++row) result.rows.push_back(rows.row_text(row));
  for (auto& error : errors) result.errors.push_back(std::to_string(error.record) + ": " + error.reason);
  return result;
}

inline Decoded decode_json(const batch::Schema& schema, const std::vector<std::string>& records) {
  auto decoder = make_decoder("json", schema, {});
  EXPECT_TRUE(decoder.ok());
  return decode_with(**decoder, schema, records);
}

}  // namespace millrace::formats
