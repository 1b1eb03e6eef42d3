// Encoders: rows of a batch as text.
//
// JSON: 64-bit integers are numbers; HUGEINT and DECIMAL strings; timestamps ISO 8601 UTC; NaN and ±Infinity strings;
// BLOB base64; nested values as arrays and objects. A row of diff n is written n times.
#pragma once

#include <string>
#include <string_view>

#include "batch/batch.h"

namespace millrace::formats {

/// One JSON object a row, each with a line end, appended to `out`.
void encode_ndjson(const batch::Schema& schema, const batch::Batch& batch, std::string& out);
/// Rows as JSON arrays with commas between; `first` says whether none was written before.
void encode_json_rows(const batch::Schema& schema, const batch::Batch& batch, bool& first, std::string& out);
/// One value.
void encode_json_value(const batch::Type& type, const batch::Batch& batch, size_t column, size_t row, std::string& out);

/// The header line of a CSV file, and its rows: quoted where needed, NULL as nothing, empty text as "".
void encode_csv_header(const batch::Schema& schema, char delimiter, std::string& out);
void encode_csv(const batch::Schema& schema, const batch::Batch& batch, char delimiter, std::string& out);

}  // namespace millrace::formats
