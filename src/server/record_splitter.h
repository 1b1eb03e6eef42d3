// Where the records of a request body begin and end. Nothing is copied or decoded: a record that is not valid JSON is
// stored as it came, and the decoder sends it to the stream's dead letters.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::server {

enum class BodyShape : uint8_t {
  kLines,         ///< a record a line; \n or \r\n
  kJson,          ///< a JSON array of records, one JSON object over several lines, else lines
  kLinesOrArray,  ///< an array when the first character is [, else lines
  kCsv,           ///< lines, but a line end inside "quotes" belongs to the record
};

struct Records {
  std::vector<std::string_view> records;  ///< views into the body
  std::vector<uint64_t> lines;  ///< of each record, from 1 (in an array: its place); empty when it is index + 1

  uint64_t line_of(size_t index) const { return lines.empty() ? index + 1 : lines[index]; }
};

/// Skips empty lines and a byte order mark. Fails with kInvalidText when an array does not end or has a stray comma,
/// and with kTooLarge at more than `records_max`.
Result<Records> split_records(std::string_view body, BodyShape shape, uint64_t records_max);

}  // namespace millrace::server
