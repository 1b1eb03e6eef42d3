#include "batch/batch.h"

#include <bit>

#include <duckdb/common/types/data_chunk.hpp>
#include <duckdb/common/types/selection_vector.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>

#include "base/result.h"

namespace millrace::batch {

namespace {

using duckdb::PhysicalType;
using duckdb::VectorType;

static_assert(kBatchRows == STANDARD_VECTOR_SIZE);
static_assert(sizeof(StringRef) == sizeof(duckdb::string_t));
static_assert(sizeof(ListRange) == sizeof(duckdb::list_entry_t));
static_assert(sizeof(int128) == sizeof(duckdb::hugeint_t));

void allocate_columns(duckdb::DataChunk& chunk, const std::vector<Type>& types) {
  chunk.data.clear();
  chunk.data.reserve(types.size());
  for (const Type& type : types) chunk.data.emplace_back(type.duckdb_type(), static_cast<duckdb::idx_t>(kBatchRows));
  chunk.SetCapacity(kBatchRows);
  chunk.SetCardinality(0);
}

/// Bytes of a vector's first `rows` values, with what they point to.
size_t vector_bytes(const duckdb::Vector& vector, const Type& type, size_t rows) {
  if (type.is_nested()) return vector.GetAllocationSize(rows);
  size_t bytes = type.width() * rows;
  if (type.layout() != Layout::kString) return bytes;
  ColumnView view = ColumnView::of(vector, rows);
  for (size_t row = 0; row < rows; ++row) {
    if (view.is_null(row)) continue;
    uint32_t length = view.at<StringRef>(row).length;
    if (length > StringRef::kInlineBytes) bytes += length;
  }
  return bytes;
}

}  // namespace

// ---- ColumnView

ColumnView ColumnView::of(const duckdb::Vector& vector, size_t rows) {
  ColumnView view;
  view.vector_ = &vector;
  view.rows_ = rows;
  switch (vector.GetVectorType()) {
    case VectorType::FLAT_VECTOR:
      view.data_ = vector.GetData();
      view.validity_ = duckdb::FlatVector::Validity(vector).GetData();
      return view;
    case VectorType::CONSTANT_VECTOR:
      if (rows > kBatchRows) break;
      view.data_ = vector.GetData();
      view.validity_ = duckdb::ConstantVector::Validity(const_cast<duckdb::Vector&>(vector)).GetData();
      view.selection_ = duckdb::ConstantVector::ZeroSelectionVector()->data();
      return view;
    case VectorType::DICTIONARY_VECTOR: {
      const duckdb::Vector& values = duckdb::DictionaryVector::Child(vector);
      if (values.GetVectorType() != VectorType::FLAT_VECTOR) break;
      view.data_ = values.GetData();
      view.validity_ = duckdb::FlatVector::Validity(values).GetData();
      view.selection_ = duckdb::DictionaryVector::SelVector(vector).data();
      return view;
    }
    default: break;
  }
  // Sequences, compressed strings, dictionaries over those: the same values in another shape, so the batch stays what
  // it is.
  const_cast<duckdb::Vector&>(vector).Flatten(rows);
  return of(vector, rows);
}

ColumnView ColumnView::child(size_t field) const {
  switch (vector_->GetType().InternalType()) {
    case PhysicalType::LIST:
      return of(duckdb::ListVector::GetEntry(*vector_), duckdb::ListVector::GetListSize(*vector_));
    case PhysicalType::ARRAY: {
      size_t rows = duckdb::ArrayVector::GetTotalSize(*vector_);
      return of(duckdb::ArrayVector::GetEntry(*vector_), rows);
    }
    case PhysicalType::STRUCT: {
      ColumnView view = of(*duckdb::StructVector::GetEntries(*vector_)[field], rows_);
      // The fields of a constant are one row each.
      if (vector_->GetVectorType() == VectorType::CONSTANT_VECTOR && !view.selection_) view.selection_ = selection_;
      return view;
    }
    default: MR_CHECK(false, "child() of a column that is not nested");
  }
}

// ---- MutableColumn

MutableColumn::MutableColumn(duckdb::Vector& vector) : vector_(&vector), data_(vector.GetData()) {
  MR_CHECK(vector.GetVectorType() == VectorType::FLAT_VECTOR, "only a flat column can be written");
}

void MutableColumn::set_null(size_t row) { duckdb::FlatVector::SetNull(*vector_, row, true); }

void MutableColumn::set_string(size_t row, std::string_view text) {
  StringRef& target = static_cast<StringRef*>(data_)[row];
  if (text.size() <= StringRef::kInlineBytes) {
    target = StringRef(text);
    return;
  }
  auto copied = duckdb::StringVector::AddStringOrBlob(*vector_, text.data(), text.size());
  target = std::bit_cast<StringRef>(copied);
}

size_t MutableColumn::add_list(size_t row, size_t count) {
  size_t first = duckdb::ListVector::GetListSize(*vector_);
  duckdb::ListVector::Reserve(*vector_, first + count);
  duckdb::ListVector::SetListSize(*vector_, first + count);
  static_cast<ListRange*>(data_)[row] = {first, count};
  return first;
}

MutableColumn MutableColumn::child(size_t index) {
  switch (vector_->GetType().InternalType()) {
    case PhysicalType::LIST: return MutableColumn(duckdb::ListVector::GetEntry(*vector_));
    case PhysicalType::ARRAY: return MutableColumn(duckdb::ArrayVector::GetEntry(*vector_));
    case PhysicalType::STRUCT: return MutableColumn(*duckdb::StructVector::GetEntries(*vector_)[index]);
    default: MR_CHECK(false, "child() of a column that is not nested");
  }
}

// ---- Batch

Batch::Batch() = default;
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;
Batch::~Batch() = default;

Batch::Batch(std::span<const Type> types)
    : chunk_(std::make_unique<duckdb::DataChunk>()),
      types_(std::make_shared<const std::vector<Type>>(types.begin(), types.end())),
      owns_buffers_(true) {
  allocate_columns(*chunk_, *types_);
}

Batch::Batch(const Schema& schema) : Batch(schema.types()) {}

Batch Batch::adopt(std::unique_ptr<duckdb::DataChunk> chunk) {
  std::vector<Type> types;
  types.reserve(chunk->data.size());
  for (const duckdb::Vector& vector : chunk->data) types.emplace_back(vector.GetType());
  return adopt(std::move(chunk), std::make_shared<const std::vector<Type>>(std::move(types)));
}

Batch Batch::adopt(std::unique_ptr<duckdb::DataChunk> chunk, std::shared_ptr<const std::vector<Type>> types) {
  Batch batch;
  batch.chunk_ = std::move(chunk);
  batch.types_ = std::move(types);
  return batch;
}

size_t Batch::rows() const { return chunk_->size(); }

size_t Batch::columns() const { return types_->size(); }

void Batch::set_rows(size_t rows) {
  MR_CHECK(rows <= kBatchRows, "a batch holds at most kBatchRows rows");
  chunk_->SetCardinality(rows);
}

const Type& Batch::type(size_t column) const { return (*types_)[column]; }

std::span<const Type> Batch::types() const { return *types_; }

ColumnView Batch::column(size_t column) const { return ColumnView::of(chunk_->data[column], chunk_->size()); }

MutableColumn Batch::mutable_column(size_t column) {
  duckdb::Vector& vector = chunk_->data[column];
  if (vector.GetVectorType() != VectorType::FLAT_VECTOR) [[unlikely]]
    vector.Flatten(chunk_->size());
  return MutableColumn(vector);
}

void Batch::flatten() {
  for (duckdb::Vector& vector : chunk_->data) vector.Flatten(chunk_->size());
}

void Batch::reset() {
  allocate_columns(*chunk_, *types_);
  diffs_.clear();
  retained_.clear();
  owns_buffers_ = true;
}

Batch Batch::clone() const {
  Batch copy(*types_);
  const size_t rows = chunk_->size();
  for (size_t i = 0; i < types_->size(); ++i) {
    duckdb::VectorOperations::Copy(chunk_->data[i], copy.chunk_->data[i], rows, 0, 0);
  }
  copy.chunk_->SetCardinality(rows);
  copy.diffs_ = diffs_;
  return copy;
}

Batch Batch::referring(std::shared_ptr<const std::vector<Type>> types, size_t rows) {
  auto chunk = std::make_unique<duckdb::DataChunk>();
  chunk->data.reserve(types->size());
  for (const Type& type : *types) chunk->data.emplace_back(type.duckdb_type(), nullptr);
  chunk->SetCapacity(kBatchRows);
  chunk->SetCardinality(rows);
  return adopt(std::move(chunk), std::move(types));
}

Batch Batch::select(std::span<const uint32_t> rows) const {
  duckdb::SelectionVector selection(rows.size());
  if (!rows.empty()) std::memcpy(selection.data(), rows.data(), rows.size_bytes());
  Batch result = referring(types_, rows.size());
  result.chunk_->Slice(*chunk_, selection, rows.size());
  result.retained_ = retained_;
  if (!diffs_.empty()) {
    result.diffs_.reserve(rows.size());
    for (uint32_t row : rows) result.diffs_.push_back(diffs_[row]);
  }
  return result;
}

Batch Batch::share() const {
  Batch result = referring(types_, rows());
  for (size_t i = 0; i < columns(); ++i) result.chunk_->data[i].Reference(chunk_->data[i]);
  result.diffs_ = diffs_;
  result.retained_ = retained_;
  return result;
}

Batch Batch::project(std::span<const uint32_t> columns) const {
  std::vector<Type> types;
  types.reserve(columns.size());
  for (uint32_t column : columns) types.push_back((*types_)[column]);
  Batch result = referring(std::make_shared<const std::vector<Type>>(std::move(types)), rows());
  for (size_t i = 0; i < columns.size(); ++i) result.chunk_->data[i].Reference(chunk_->data[columns[i]]);
  result.diffs_ = diffs_;
  result.retained_ = retained_;
  return result;
}

Batch Batch::beside(const Batch& left, const Batch& right) {
  MR_CHECK(left.rows() == right.rows(), "batches side by side have equally many rows");
  std::vector<Type> types(*left.types_);
  types.insert(types.end(), right.types_->begin(), right.types_->end());
  Batch result = referring(std::make_shared<const std::vector<Type>>(std::move(types)), left.rows());
  for (size_t i = 0; i < left.columns(); ++i) result.chunk_->data[i].Reference(left.chunk_->data[i]);
  for (size_t i = 0; i < right.columns(); ++i) result.chunk_->data[left.columns() + i].Reference(right.chunk_->data[i]);
  result.diffs_ = left.diffs_;
  result.retained_ = left.retained_;
  result.retain_all_of(right);
  return result;
}

bool Batch::append(const Batch& other, size_t first, size_t count) {
  const size_t rows = chunk_->size();
  if (rows + count > kBatchRows) return false;
  MR_CHECK(first + count <= other.rows(), "append from beyond the end of a batch");
  MR_CHECK(types_ == other.types_ || *types_ == *other.types_, "append of other types");
  if (!owns_buffers_) *this = clone();
  for (size_t i = 0; i < types_->size(); ++i) {
    duckdb::VectorOperations::Copy(other.chunk_->data[i], chunk_->data[i], first + count, first, rows);
  }
  chunk_->SetCardinality(rows + count);
  if (diffs_.empty() && other.diffs_.empty()) return true;
  if (diffs_.empty()) diffs_.assign(rows, 1);
  for (size_t row = first; row < first + count; ++row) diffs_.push_back(other.diff(row));
  return true;
}

void Batch::retain(std::shared_ptr<const void> owner) { retained_.push_back(std::move(owner)); }

void Batch::retain_all_of(const Batch& other) {
  retained_.insert(retained_.end(), other.retained_.begin(), other.retained_.end());
}

size_t Batch::memory_bytes() const {
  size_t bytes = sizeof(Batch) + diffs_.capacity() * sizeof(int64_t);
  for (size_t i = 0; i < types_->size(); ++i) bytes += vector_bytes(chunk_->data[i], (*types_)[i], chunk_->size());
  return bytes;
}

std::string Batch::row_text(size_t row) const {
  const int64_t times = diff(row);
  std::string text = (times >= 0 ? "[+" : "[") + std::to_string(times) + "]";
  for (size_t i = 0; i < columns(); ++i) {
    text += i == 0 ? " " : ", ";
    text += value_text(i, row);
  }
  return text;
}

std::string Batch::value_text(size_t column, size_t row) const { return chunk_->GetValue(column, row).ToString(); }

}  // namespace millrace::batch
