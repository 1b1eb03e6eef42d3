// Parquet files, written by a DuckDB instance of their own (the `house` instance): it never sees user SQL, and it opens no
// file but the one that it is told to write or read.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "batch/batch.h"

namespace millrace::lake {

/// Collects rows and writes them as one Parquet file (zstd). One thread. HUGEINT becomes DECIMAL(38,0); a value that does
/// not fit fails the append with its text.
class ParquetWriter {
 public:
  static Result<std::unique_ptr<ParquetWriter>> create(const batch::Schema& schema);
  ~ParquetWriter();

  /// Rows with a diff of n count n times.
  Status append(const batch::Batch& rows);
  uint64_t rows() const;
  /// Writes everything to `path`, which must not exist yet, and starts again empty. Not synced: that is the caller's.
  Status write(const std::string& path);

 private:
  struct State;
  explicit ParquetWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// All rows of a Parquet file as text, a line a row with '|' between values; for tests and tools.
Result<std::string> parquet_text(const std::string& path);

}  // namespace millrace::lake
