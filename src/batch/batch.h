// Batch: up to kBatchRows rows in columns (DuckDB vectors), each with a diff: how many times the row is inserted (> 0)
// or taken away (< 0). A relation is the sum of its batches (a Z-set: DBSP, Budiu et al. 2023).
//
// Ownership: a Batch may alias the buffers of the batch it was computed from (a projected column does). Whoever keeps a
// batch longer than the push that handed it over keeps a clone(). One thread at a time.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch/type.h"

namespace duckdb {
class DataChunk;
class Vector;
}  // namespace duckdb

namespace millrace::batch {

inline constexpr size_t kBatchRows = 2048;

using int128 = __int128;

/// A string in a vector, laid out as DuckDB's string_t: 4 bytes length, then 12 bytes inline, or 4 bytes prefix and a
/// pointer.
struct alignas(8) StringRef {
  static constexpr uint32_t kInlineBytes = 12;
  uint32_t length = 0;
  char bytes[kInlineBytes] = {};

  StringRef() = default;
  /// Does not copy beyond 12 bytes: the bytes must outlive the batch (see Batch::retain, MutableColumn::set_string).
  explicit StringRef(std::string_view text) : length(static_cast<uint32_t>(text.size())) {
    if (length <= kInlineBytes) {
      if (length > 0) std::memcpy(bytes, text.data(), length);
    } else {
      const char* pointer = text.data();
      std::memcpy(bytes, pointer, 4);
      std::memcpy(bytes + 4, &pointer, sizeof pointer);
    }
  }
  const char* data() const {
    if (length <= kInlineBytes) return bytes;
    const char* pointer;
    std::memcpy(&pointer, bytes + 4, sizeof pointer);
    return pointer;
  }
  std::string_view view() const { return {data(), length}; }
};
static_assert(sizeof(StringRef) == 16);

/// An INTERVAL. Equal in SQL after carrying 24 hours to a day and 30 days to a month.
struct Interval {
  int32_t months = 0;
  int32_t days = 0;
  int64_t micros = 0;
};

/// An element range of a LIST column's child.
struct ListRange {
  uint64_t offset;
  uint64_t length;
};

/// A column to read: flat, constant or dictionary alike. Valid until its batch changes.
class ColumnView {
 public:
  size_t index(size_t row) const { return selection_ ? selection_[row] : row; }
  bool is_null(size_t row) const {
    if (!validity_) return false;
    size_t at = index(row);
    return !((validity_[at >> 6] >> (at & 63)) & 1);
  }
  bool may_have_nulls() const { return validity_ != nullptr; }
  /// The value in `row`; meaningless when null. T must be what layout() says (StringRef for kString, ListRange for
  /// kList).
  template <typename T>
  const T& at(size_t row) const {
    return static_cast<const T*>(data_)[index(row)];
  }
  /// Non-null when values lie one after another without indirection.
  template <typename T>
  const T* flat() const {
    return selection_ ? nullptr : static_cast<const T*>(data_);
  }

  /// What a nested column holds inside. LIST: all elements; those of a row are at its ListRange. STRUCT: field `field`,
  /// at the same row. ARRAY: all elements; those of a row start at index(row) * array_size.
  ColumnView child(size_t field = 0) const;
  static ColumnView of(const duckdb::Vector& vector, size_t rows);

  const void* data_ = nullptr;
  const uint32_t* selection_ = nullptr;
  const uint64_t* validity_ = nullptr;
  const duckdb::Vector* vector_ = nullptr;
  size_t rows_ = 0;
};

/// A flat column to write. All rows start valid.
class MutableColumn {
 public:
  explicit MutableColumn(duckdb::Vector& vector);

  template <typename T>
  T* values() {
    return static_cast<T*>(data_);
  }
  template <typename T>
  void set(size_t row, T value) {
    static_cast<T*>(data_)[row] = value;
  }
  void set_null(size_t row);
  /// Copies the text into memory of the vector when it does not fit inline.
  void set_string(size_t row, std::string_view text);
  /// LIST: makes room for `count` more child elements, sets the row's range, returns the index of the first.
  size_t add_list(size_t row, size_t count);
  /// Child of a LIST, or field `index` of a STRUCT. A LIST's child moves when add_list grows it: fetch it again.
  MutableColumn child(size_t index = 0);
  duckdb::Vector& vector() { return *vector_; }

 private:
  duckdb::Vector* vector_;
  void* data_;
};

class Batch {
 public:
  /// Empty, with room for kBatchRows flat rows of these types.
  explicit Batch(std::span<const Type> types);
  explicit Batch(const Schema& schema);
  /// Takes over what DuckDB made; its types become the batch's. For batch/, sql/ and lake/.
  static Batch adopt(std::unique_ptr<duckdb::DataChunk> chunk);
  static Batch adopt(std::unique_ptr<duckdb::DataChunk> chunk, std::shared_ptr<const std::vector<Type>> types);
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;
  ~Batch();

  size_t rows() const;
  size_t columns() const;
  bool empty() const { return rows() == 0; }
  bool full() const { return rows() >= kBatchRows; }
  void set_rows(size_t rows);
  const Type& type(size_t column) const;
  std::span<const Type> types() const;
  const std::shared_ptr<const std::vector<Type>>& shared_types() const { return types_; }

  ColumnView column(size_t column) const;
  /// Only for a batch that was constructed from types or cloned: another's buffers may be shared.
  MutableColumn mutable_column(size_t column);
  /// Makes every column flat, so that ColumnView::flat() is never null.
  void flatten();

  /// True when every diff is +1; then there is no diff array.
  bool all_inserts() const { return diffs_.empty(); }
  int64_t diff(size_t row) const { return diffs_.empty() ? 1 : diffs_[row]; }
  std::span<const int64_t> diffs() const { return diffs_; }
  /// One per row, or empty for all +1.
  void set_diffs(std::vector<int64_t> diffs) { diffs_ = std::move(diffs); }
  void append_diff(int64_t diff) { diffs_.push_back(diff); }

  /// Zero rows again, own buffers again.
  void reset();
  /// A deep copy that owns everything.
  Batch clone() const;
  /// The rows with these indices, in this order, sharing the buffers of this batch.
  Batch select(std::span<const uint32_t> rows) const;
  /// The same rows, sharing the buffers of this batch.
  Batch share() const;
  /// The columns with these indices, sharing buffers and diffs.
  Batch project(std::span<const uint32_t> columns) const;
  /// The columns of `left`, then those of `right`, sharing their buffers; as many rows each. Diffs are left's.
  static Batch beside(const Batch& left, const Batch& right);
  /// Appends copies of rows [first, first + count) of `other` (same types). False, and nothing done, when they do not
  /// fit. A batch that shares buffers becomes its own copy first.
  bool append(const Batch& other, size_t first, size_t count);
  /// Keeps `owner` alive as long as this batch and every batch that shares its buffers.
  void retain(std::shared_ptr<const void> owner);
  /// Keeps alive whatever `other` does: for a batch whose columns were computed from it.
  void retain_all_of(const Batch& other);
  /// Bytes held, roughly.
  size_t memory_bytes() const;
  /// One row as text for messages and tests: "[+1] a, NULL, 7".
  std::string row_text(size_t row) const;
  /// One value as DuckDB prints it.
  std::string value_text(size_t column, size_t row) const;
  /// One value, nested or not, as JSON: arrays, objects, numbers, strings. Slow: for answers, not for the hot path.
  std::string json_text(size_t column, size_t row) const;

  duckdb::DataChunk& chunk() { return *chunk_; }
  const duckdb::DataChunk& chunk() const { return *chunk_; }

 private:
  Batch();
  static Batch referring(std::shared_ptr<const std::vector<Type>> types, size_t rows);

  std::unique_ptr<duckdb::DataChunk> chunk_;
  std::shared_ptr<const std::vector<Type>> types_;
  std::vector<int64_t> diffs_;
  std::vector<std::shared_ptr<const void>> retained_;
  bool owns_buffers_ = false;  ///< flat columns of its own with room for kBatchRows
};

}  // namespace millrace::batch
