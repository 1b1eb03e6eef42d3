// RowCodec: rows of a batch as byte strings, and back. The bytes are what keyed state holds, hashes and compares.
//
// Two rows have equal bytes exactly when they are equal in SQL's IS NOT DISTINCT FROM sense: NULL equals NULL, -0.0
// equals 0.0, all NaNs are one. Layout: docs/formats/state.md ("Rows").
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
  std::string_view row(size_t index) const {
    return {bytes_.data() + starts_[index], starts_[index + 1] - starts_[index]};
  }
  size_t rows() const { return starts_.empty() ? 0 : starts_.size() - 1; }
  uint64_t hash(size_t index) const { return hashes_[index]; }
  void clear();

  std::vector<char> bytes_;        ///< only grows; what lies behind starts_.back() means nothing
  std::vector<uint64_t> starts_;   ///< rows + 1 entries
  std::vector<uint64_t> hashes_;   ///< XXH3-64 of each row's bytes; filled by encode
  std::vector<uint64_t> cursors_;  ///< encode's own scratch
};

/// What equal bytes mean.
enum class RowForm : uint8_t {
  kKey,    ///< equal in SQL: -0.0 is 0.0, NaNs are one, INTERVAL '30 days' is '1 month'. Decoding gives the
           ///< representative.
  kExact,  ///< the same bits: for rows that are kept to be given back as they came
};

/// How one value lies in encoded bytes; made from its type.
struct ValueLayout {
  static ValueLayout of(const Type& type);
  bool fixed() const { return width > 0; }

  Layout layout = Layout::kOther;
  uint32_t width = 0;  ///< bytes, or 0: depends on the value
  uint64_t array_size = 0;
  std::vector<ValueLayout> children;
};

/// Immutable; any thread may use it, each with a RowBuffer of its own.
class RowCodec {
 public:
  /// Encodes the given columns of batches with these types.
  RowCodec(std::span<const Type> batch_types, std::vector<uint32_t> columns, RowForm form = RowForm::kKey);
  /// All columns, as keys.
  explicit RowCodec(std::span<const Type> batch_types);
  /// All columns. (Not a constructor: RowCodec(types, {}) must mean no columns.)
  static RowCodec of_all(std::span<const Type> batch_types, RowForm form);

  /// Encodes every row of `batch` (column by column, no allocation once `out` is warm) and hashes it.
  void encode(const Batch& batch, RowBuffer& out) const;

  /// Writes the encoded row into `batch` at `row`, columns [first_column, first_column + types().size()). Strings are
  /// copied into the batch; its row count is left alone. Bytes that encode did not make are a kDataCorrupted error.
  Status decode(std::string_view bytes, Batch& batch, size_t row, size_t first_column = 0) const;
  /// The same for many rows at once, column by column: rows go to [first_row, first_row + rows.size()).
  Status decode_rows(std::span<const std::string_view> rows, Batch& batch, size_t first_row,
                     size_t first_column = 0) const;

  /// Of an encoded row: whether its value at place `index` of columns() is NULL.
  static bool is_null(std::string_view row, size_t index) {
    return (static_cast<uint8_t>(row[index >> 3]) >> (index & 7)) & 1;
  }

  const std::vector<Type>& types() const { return types_; }
  const std::vector<uint32_t>& columns() const { return columns_; }

 private:
  void write_bitmaps(std::span<const ColumnView> views, RowBuffer& out) const;
  void read_bitmaps(std::span<const std::string_view> rows, Batch& batch, size_t first_row, size_t first_column) const;
  Status read_variable(std::string_view bytes, Batch& batch, size_t row, size_t first_column) const;

  std::vector<uint32_t> columns_;
  std::vector<Type> types_;
  RowForm form_;
  std::vector<ValueLayout> layouts_;
  std::vector<uint32_t> fixed_offsets_;  ///< of a fixed-width column within a row
  std::vector<uint32_t> variable_;       ///< positions (in columns_) of the others
  uint32_t bitmap_bytes_ = 0;
  uint32_t fixed_bytes_ = 0;  ///< bitmap and all fixed-width values
};

/// Collects rows into batches of kBatchRows: decode, copy or fill, then take the batches.
class BatchBuilder {
 public:
  explicit BatchBuilder(std::vector<Type> types) : types_(std::move(types)) {}

  /// The batch that has room for at least one more row, and the row's index. The caller fills all columns, then calls
  /// finish_row.
  Batch& current();
  size_t row() const { return rows_; }
  void finish_row(int64_t diff);
  /// Everything so far; empty batches are never returned. Batches whose diffs are all +1 have none.
  std::vector<Batch> take();
  size_t total_rows() const { return total_; }

 private:
  void flush();

  std::vector<Type> types_;
  std::vector<Batch> done_;
  std::unique_ptr<Batch> current_;
  std::vector<int64_t> diffs_;
  size_t rows_ = 0;
  size_t total_ = 0;
};

}  // namespace millrace::batch
