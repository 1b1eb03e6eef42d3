#include "batch/row_codec.h"

#include <numeric>

#include <duckdb/common/types/vector.hpp>

#include "base/hash.h"
#include "batch/row_value.h"

namespace millrace::batch {

namespace {

std::vector<uint32_t> all_columns(size_t count) {
  std::vector<uint32_t> columns(count);
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

/// Writes a fixed-width column at `offset` of every row; a NULL is zeros.
template <bool kAsKey, typename T>
void write_fixed(const ColumnView& view, const RowBuffer& out, char* base, size_t offset) {
  const size_t rows = out.rows();
  const uint64_t* starts = out.starts_.data();
  base += offset;
  if (view.may_have_nulls()) {
    for (size_t row = 0; row < rows; ++row) {
      store_little(base + starts[row], view.is_null(row) ? T{} : canonical<kAsKey>(view.at<T>(row)));
    }
  } else if (const T* values = view.flat<T>()) {
    for (size_t row = 0; row < rows; ++row) store_little(base + starts[row], canonical<kAsKey>(values[row]));
  } else {
    for (size_t row = 0; row < rows; ++row) store_little(base + starts[row], canonical<kAsKey>(view.at<T>(row)));
  }
}

/// Adds the bytes that the column's values take to `sizes`.
void measure_strings(const ColumnView& view, size_t rows, uint64_t* sizes) {
  if (!view.may_have_nulls()) {
    for (size_t row = 0; row < rows; ++row) {
      const size_t length = view.at<StringRef>(row).length;
      sizes[row] += varint_bytes(length) + length;
    }
    return;
  }
  for (size_t row = 0; row < rows; ++row) {
    if (view.is_null(row)) continue;
    const size_t length = view.at<StringRef>(row).length;
    sizes[row] += varint_bytes(length) + length;
  }
}

void measure_nested(const NestedView& nested, size_t rows, uint64_t* sizes) {
  for (size_t row = 0; row < rows; ++row) {
    if (!nested.view.is_null(row)) sizes[row] += nested_bytes(nested, row);
  }
}

void write_strings(const ColumnView& view, size_t rows, char* base, uint64_t* cursors) {
  for (size_t row = 0; row < rows; ++row) {
    if (view.is_null(row)) continue;
    const StringRef& text = view.at<StringRef>(row);
    char* out = write_varint(base + cursors[row], text.length);
    std::memcpy(out, text.data(), text.length);
    cursors[row] = static_cast<uint64_t>(out - base) + text.length;
  }
}

void write_nested_column(const NestedView& nested, size_t rows, RowForm form, char* base, uint64_t* cursors) {
  for (size_t row = 0; row < rows; ++row) {
    if (nested.view.is_null(row)) continue;
    cursors[row] = static_cast<uint64_t>(write_nested(nested, row, form, base + cursors[row]) - base);
  }
}

template <typename T>
void read_fixed(std::span<const std::string_view> rows, size_t offset, T* values) {
  for (size_t i = 0; i < rows.size(); ++i) std::memcpy(&values[i], rows[i].data() + offset, sizeof(T));
}

}  // namespace

void RowBuffer::clear() {
  starts_.clear();
  hashes_.clear();
}

RowCodec::RowCodec(std::span<const Type> batch_types, std::vector<uint32_t> columns, RowForm form)
    : columns_(std::move(columns)), form_(form) {
  bitmap_bytes_ = static_cast<uint32_t>((columns_.size() + 7) / 8);
  fixed_bytes_ = bitmap_bytes_;
  for (size_t i = 0; i < columns_.size(); ++i) {
    types_.push_back(batch_types[columns_[i]]);
    layouts_.push_back(ValueLayout::of(types_.back()));
    fixed_offsets_.push_back(fixed_bytes_);
    fixed_bytes_ += layouts_.back().width;
    if (!layouts_.back().fixed()) variable_.push_back(static_cast<uint32_t>(i));
  }
}

RowCodec::RowCodec(std::span<const Type> batch_types) : RowCodec(batch_types, all_columns(batch_types.size())) {}

RowCodec RowCodec::of_all(std::span<const Type> batch_types, RowForm form) {
  return RowCodec(batch_types, all_columns(batch_types.size()), form);
}

void RowCodec::encode(const Batch& batch, RowBuffer& out) const {
  const size_t rows = batch.rows();
  std::vector<ColumnView> views;
  views.reserve(columns_.size());
  for (uint32_t column : columns_) views.push_back(batch.column(column));
  std::vector<NestedView> nested;
  for (uint32_t i : variable_) {
    if (layouts_[i].layout != Layout::kString) nested.emplace_back(layouts_[i], views[i]);
  }

  // How long each row gets, then where it starts.
  out.starts_.assign(rows + 1, fixed_bytes_);
  out.starts_[0] = 0;
  size_t next_nested = 0;
  for (uint32_t i : variable_) {
    if (layouts_[i].layout == Layout::kString) {
      measure_strings(views[i], rows, out.starts_.data() + 1);
    } else {
      measure_nested(nested[next_nested++], rows, out.starts_.data() + 1);
    }
  }
  for (size_t row = 0; row < rows; ++row) out.starts_[row + 1] += out.starts_[row];
  if (out.bytes_.size() < out.starts_[rows]) out.bytes_.resize(out.starts_[rows]);

  char* base = out.bytes_.data();
  write_bitmaps(views, out);
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!layouts_[i].fixed()) continue;
    with_fixed_type(layouts_[i].layout, [&](auto zero) {
      using T = decltype(zero);
      if (form_ == RowForm::kKey)
        write_fixed<true, T>(views[i], out, base, fixed_offsets_[i]);
      else
        write_fixed<false, T>(views[i], out, base, fixed_offsets_[i]);
    });
  }
  if (!variable_.empty()) {
    out.cursors_.resize(rows);
    for (size_t row = 0; row < rows; ++row) out.cursors_[row] = out.starts_[row] + fixed_bytes_;
    next_nested = 0;
    for (uint32_t i : variable_) {
      if (layouts_[i].layout == Layout::kString) {
        write_strings(views[i], rows, base, out.cursors_.data());
      } else {
        write_nested_column(nested[next_nested++], rows, form_, base, out.cursors_.data());
      }
    }
  }
  out.hashes_.resize(rows);
  for (size_t row = 0; row < rows; ++row) out.hashes_[row] = hash_bytes(out.row(row));
}

void RowCodec::write_bitmaps(std::span<const ColumnView> views, RowBuffer& out) const {
  const size_t rows = out.rows();
  char* base = out.bytes_.data();
  if (bitmap_bytes_ == 1) {
    for (size_t row = 0; row < rows; ++row) base[out.starts_[row]] = 0;
  } else if (bitmap_bytes_ > 1) {
    for (size_t row = 0; row < rows; ++row) std::memset(base + out.starts_[row], 0, bitmap_bytes_);
  }
  for (size_t i = 0; i < views.size(); ++i) {
    if (!views[i].may_have_nulls()) continue;
    for (size_t row = 0; row < rows; ++row) {
      char& byte = base[out.starts_[row] + (i >> 3)];
      byte = static_cast<char>(byte | (static_cast<int>(views[i].is_null(row)) << (i & 7)));
    }
  }
}

Status RowCodec::decode(std::string_view bytes, Batch& batch, size_t row, size_t first_column) const {
  return decode_rows({&bytes, 1}, batch, row, first_column);
}

Status RowCodec::decode_rows(std::span<const std::string_view> rows, Batch& batch, size_t first_row,
                             size_t first_column) const {
  for (std::string_view row : rows) {
    if (row.size() < fixed_bytes_ || (variable_.empty() && row.size() != fixed_bytes_)) [[unlikely]] {
      return external_error(sqlstate::kDataCorrupted,
                            "an encoded row has the wrong length: " + std::to_string(row.size()));
    }
  }
  read_bitmaps(rows, batch, first_row, first_column);
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!layouts_[i].fixed()) continue;
    with_fixed_type(layouts_[i].layout, [&](auto zero) {
      using T = decltype(zero);
      read_fixed<T>(rows, fixed_offsets_[i], batch.mutable_column(first_column + i).template values<T>() + first_row);
    });
  }
  if (variable_.empty()) return {};
  for (size_t i = 0; i < rows.size(); ++i) MR_TRY(read_variable(rows[i], batch, first_row + i, first_column));
  return {};
}

void RowCodec::read_bitmaps(std::span<const std::string_view> rows, Batch& batch, size_t first_row,
                            size_t first_column) const {
  for (size_t i = 0; i < columns_.size(); ++i) {
    MutableColumn column = batch.mutable_column(first_column + i);
    auto& validity = duckdb::FlatVector::Validity(column.vector());
    const bool marked = !validity.AllValid();
    for (size_t row = 0; row < rows.size(); ++row) {
      if (is_null(rows[row], i)) {
        column.set_null(first_row + row);
      } else if (marked) {
        validity.SetValid(first_row + row);
      }
    }
  }
}

Status RowCodec::read_variable(std::string_view bytes, Batch& batch, size_t row, size_t first_column) const {
  ByteReader reader(bytes.substr(fixed_bytes_));
  for (uint32_t i : variable_) {
    if (is_null(bytes, i)) continue;
    MR_TRY(read_nested(layouts_[i], reader, batch.mutable_column(first_column + i), row));
  }
  if (reader.done()) return {};
  return external_error(sqlstate::kDataCorrupted,
                        "an encoded row has bytes left over: " + std::to_string(reader.remaining()));
}

// ---- BatchBuilder

Batch& BatchBuilder::current() {
  if (!current_) {
    current_ = std::make_unique<Batch>(types_);
    rows_ = 0;
  }
  return *current_;
}

void BatchBuilder::finish_row(int64_t diff) {
  if (diff != 1 && diffs_.empty()) diffs_.assign(rows_, 1);
  if (diff != 1 || !diffs_.empty()) diffs_.push_back(diff);
  ++rows_;
  ++total_;
  if (rows_ == kBatchRows) flush();
}

void BatchBuilder::flush() {
  if (!current_ || rows_ == 0) return;
  current_->set_rows(rows_);
  current_->set_diffs(std::move(diffs_));
  diffs_.clear();
  done_.push_back(std::move(*current_));
  current_.reset();
  rows_ = 0;
}

std::vector<Batch> BatchBuilder::take() {
  flush();
  total_ = 0;
  return std::exchange(done_, {});
}

}  // namespace millrace::batch
