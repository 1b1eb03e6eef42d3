// Records through a decoder, and what came out, for tests.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "formats/decoder.h"

namespace millrace::formats {

struct Decoding {
  batch::Batch rows;
  std::vector<uint32_t> decoded;
  std::vector<DecodeError> errors;

  /// The only record's value of `column` as DuckDB prints it, or "error: " and the reason.
  std::string only(size_t column = 0) const {
    if (!errors.empty()) return "error: " + errors.front().reason;
    return rows.rows() == 1 ? rows.value_text(column, 0) : "not one row";
  }
};

/// "a INTEGER; b STRUCT(x INTEGER)"
inline batch::Schema schema_of(std::string_view columns) {
  batch::Schema schema;
  for (std::string_view column : split_view(columns, ';')) {
    column = trim(column);
    size_t space = column.find(' ');
    auto type = batch::Type::parse(column.substr(space + 1));
    EXPECT_TRUE(type.ok()) << column;
    schema.fields.push_back({std::string(column.substr(0, space)), *type});
  }
  return schema;
}

inline Decoding decode(std::string_view format, const batch::Schema& schema, std::vector<std::string_view> records,
                       const DecoderOptions& options = {}) {
  auto decoder = make_decoder(format, schema, options);
  EXPECT_TRUE(decoder.ok());
  Decoding result{batch::Batch(schema), {}, {}};
  EXPECT_TRUE((*decoder)->decode(records, result.rows, result.decoded, result.errors).ok());
  EXPECT_EQ(result.rows.rows(), result.decoded.size());
  EXPECT_EQ(result.decoded.size() + result.errors.size(), records.size());
  return result;
}

inline Decoding decode_json(std::string_view columns, std::vector<std::string_view> records) {
  return decode("json", schema_of(columns), std::move(records));
}

/// Where the data that is not part of the project may lie.
inline std::filesystem::path shared_data() {
  const char* source = std::getenv("MILLRACE_SOURCE_DIR");
  return std::filesystem::path(source ? source : ".") / "../shared/data";
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string read_gzip(const std::filesystem::path& path) {
  std::string text;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) return text;
  std::vector<char> block(1 << 16);
  for (int got = 0; (got = gzread(file, block.data(), static_cast<unsigned>(block.size()))) > 0;)
    text.append(block.data(), static_cast<size_t>(got));
  gzclose(file);
  return text;
}

}  // namespace millrace::formats
