// Rows as the bytes of one file after another: Parquet, NDJSON or CSV. Private to connectors/file/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/env.h"
#include "base/result.h"
#include "batch/batch.h"
#include "formats/compression.h"

namespace millrace::connectors::file {

enum class FileFormat : uint8_t { kParquet, kNdjson, kCsv };

struct RowFileOptions {
  FileFormat format = FileFormat::kNdjson;
  formats::Packing packing = formats::Packing::kNone;  ///< of NDJSON and CSV
  std::string parquet_compression = "zstd";
  char delimiter = ',';
  bool header = true;
};

class RowFile {
 public:
  virtual ~RowFile() = default;
  /// Creates the file, empty. One that was begun and not finished is left as it is.
  virtual Status begin(const std::string& path) = 0;
  virtual Status append(const batch::Batch& rows) = 0;
  /// All bytes are in the file and synced; closed.
  virtual Status finish() = 0;
  /// Of the present file, roughly.
  virtual uint64_t bytes() const = 0;
};

Result<std::unique_ptr<RowFile>> make_row_file(Env& env, const batch::Schema& schema, const RowFileOptions& options);

}  // namespace millrace::connectors::file
