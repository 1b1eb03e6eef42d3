// Batch: up to kBatchRows rows in columns (DuckDB vectors), each with a diff: how many times the row is inserted (> 0) or
// taken away (< 0). A relation is the sum of its batches (a Z-set: DBSP, Budiu et al. 2023).
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
}

namespace millrace::batch {

inline constexpr size_t kBatchRows = 2048;

using int128 = __int128;

/// A string in a vector, laid out as DuckDB's string_t: 4 bytes length, then 12 bytes inline, or 4 bytes prefix and a pointer.
struct StringRef {
  static constexpr uint32_t kInlineBytes = 12;
  uint32_t length;
  union {
    char inlined[12];
    struct {
      char prefix[4];
      const char* pointer;
    } outside;
  };

  StringRef() : length(0), inlined{} {}
  /// Does not copy beyond 12 bytes: the bytes must outlive the batch (see Batch::retain, MutableColumn::set_string).
  explicit StringRef(std::string_view text) : length(static_cast<uint32_t>(text.size())), inlined{} {
    if (length <= kInlineBytes) {
      std::memcpy(inlined, text.data(), text.size());
    } else {
      std::memcpy(outside.prefix, text.data(), 4);
      outside.pointer = text.data();
    }
  }
  std::string_view view() const { return {length <= kInlineBytes ? inlined : outside.pointer, length}; }
};
static_assert(sizeof(StringRef) == 16);

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
  /// The value in `row`; meaningless when null. T must be what layout() says (StringRef for kString, ListRange for kList).
  template <typename T>
  const T& at(size_t row) const {
    return static_cast<const T*>(data_)[index(row)];
  }
  /// Non-null when values lie one after another without indirection.
  template <typename T>
  const T* flat() const {
    return selection_ ? nullptr : static_cast<const T*>(data_);
  }

  const void* data_ = nullptr;
  const uint32_t* selection_ = nullptr;
  const uint64_t* validity_ = nullptr;
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

  ColumnView column(size_t column) const;
  MutableColumn mutable_column(size_t column);
  /// A copy of the column's values as one view that callers may walk without thinking of dictionaries.
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
  /// The columns with these indices, sharing buffers and diffs.
  Batch project(std::span<const uint32_t> columns) const;
  /// Appends copies of rows [first, first + count) of `other` (same types). False, and nothing done, when they do not fit.
  bool append(const Batch& other, size_t first, size_t count);
  /// Keeps `owner` alive as long as this batch and every batch that shares its buffers.
  void retain(std::shared_ptr<const void> owner);
  /// Bytes held, roughly.
  size_t memory_bytes() const;
  /// One row as text for messages and tests: "[+1] a, NULL, 7".
  std::string row_text(size_t row) const;
  /// One value as DuckDB prints it.
  std::string value_text(size_t column, size_t row) const;

  duckdb::DataChunk& chunk() { return *chunk_; }
  const duckdb::DataChunk& chunk() const { return *chunk_; }

 private:
  Batch();

  std::unique_ptr<duckdb::DataChunk> chunk_;
  std::shared_ptr<const std::vector<Type>> types_;
  std::vector<int64_t> diffs_;
  std::vector<std::shared_ptr<const void>> retained_;
};

}  // namespace millrace::batch
