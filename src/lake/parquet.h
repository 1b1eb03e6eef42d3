// Parquet files, written and read by a DuckDB instance of their own (the `house` instance): it never sees user SQL, and
// it opens no file but the one that it is told to, through the Env.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/env.h"
#include "base/result.h"
#include "batch/batch.h"

namespace millrace::lake {

/// Writes rows to one Parquet file after another. At most a row group (122,880 rows or 120 MiB) is held in memory. One
/// thread.
///
/// HUGEINT becomes DECIMAL(38,0), also inside of lists and structs: Parquet has no such integers, and DuckDB would make
/// them DOUBLEs. A value that does not fit fails the append, and the message names its column and row.
class ParquetWriter {
 public:
  /// Opens in about 15 ms and 17 MB. `compression` is DuckDB's name: zstd, gzip, snappy, uncompressed. Fails with
  /// kNotSupported for a column type that Parquet files cannot hold.
  static Result<std::unique_ptr<ParquetWriter>> create(Env& env, const batch::Schema& schema,
                                                       const std::string& compression = "zstd");
  ~ParquetWriter();

  /// Creates the file, empty. One that was begun and not finished is left as it is.
  Status begin(const std::string& path);
  /// Rows with a diff of n count n times. After an error only begin may follow.
  Status append(const batch::Batch& rows);
  /// Writes what is left and the footer, syncs and closes. A file without this is no Parquet file.
  Status finish();
  /// Bytes of the present file that are written or wait, roughly.
  uint64_t bytes() const;

 private:
  struct State;
  explicit ParquetWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// All rows of a Parquet file as text, a line a row with '|' between values; for tests and tools. `columns`: which, as
/// SQL writes them.
Result<std::string> parquet_text(Env& env, const std::string& path, const std::string& columns = "*");
/// The names and types of its columns, a line each: "a BIGINT".
Result<std::string> parquet_columns(Env& env, const std::string& path);

}  // namespace millrace::lake
