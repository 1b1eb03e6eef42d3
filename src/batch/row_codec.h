// RowCodec: rows of a batch as byte strings, and back. The bytes are what keyed state holds, hashes and compares.
//
// Two rows have equal bytes exactly when they are equal in SQL's IS NOT DISTINCT FROM sense: NULL equals NULL, -0.0 equals
// 0.0, all NaNs are one. Layout: docs/formats/state.md ("Rows").
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"

namespace millrace::batch {

/// Encoded rows one after another in one buffer, reused from batch to batch.
class RowBuffer {
 public:
  std::string_view row(size_t index) const { return {bytes_.data() + starts_[index], starts_[index + 1] - starts_[index]}; }
  size_t rows() const { return starts_.empty() ? 0 : starts_.size() - 1; }
  uint64_t hash(size_t index) const { return hashes_[index]; }
  void clear();

  std::vector<char> bytes_;
  std::vector<uint32_t> starts_;   ///< rows + 1 entries
  std::vector<uint64_t> hashes_;   ///< XXH3-64 of each row's bytes; filled by encode
};

class RowCodec {
 public:
  /// Encodes the given columns of batches with these types.
  RowCodec(std::span<const Type> batch_types, std::vector<uint32_t> columns);
  /// All columns.
  explicit RowCodec(std::span<const Type> batch_types);

  /// Encodes every row of `batch` (column by column, no allocation once `out` is warm) and hashes it.
  void encode(const Batch& batch, RowBuffer& out) const;

  /// Writes the encoded row into `batch` at `row`, columns [first_column, first_column + columns().size()).
  /// Strings are copied into the batch. `bytes` must come from encode with the same types (a corrupt one is a kDataCorrupted error).
  Status decode(std::string_view bytes, Batch& batch, size_t row, size_t first_column = 0) const;

  const std::vector<Type>& types() const { return types_; }

 private:
  std::vector<uint32_t> columns_;
  std::vector<Type> types_;
};

/// Collects rows into batches of kBatchRows: decode, copy or fill, then take the batches.
class BatchBuilder {
 public:
  explicit BatchBuilder(std::vector<Type> types) : types_(std::move(types)) {}

  /// The batch that has room for at least one more row, and the row's index. The caller fills all columns, then calls finish_row.
  Batch& current();
  size_t row() const { return rows_; }
  void finish_row(int64_t diff);
  /// Everything so far; empty batches are never returned. Batches whose diffs are all +1 have none.
  std::vector<Batch> take();
  size_t total_rows() const { return total_; }

 private:
  std::vector<Type> types_;
  std::vector<Batch> done_;
  std::unique_ptr<Batch> current_;
  std::vector<int64_t> diffs_;
  size_t rows_ = 0;
  size_t total_ = 0;
};

}  // namespace millrace::batch
