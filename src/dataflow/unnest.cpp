#include <algorithm>

#include "dataflow/operators.h"

namespace millrace::dataflow {
namespace {

/// Copies one value of any type. `to` must be the column itself, fetched anew when a LIST's child may have moved.
void copy_cell(const batch::ColumnView& from, size_t from_row, batch::MutableColumn to, size_t to_row,
               const batch::Type& type) {
  if (from.is_null(from_row)) return to.set_null(to_row);
  switch (type.layout()) {
    case batch::Layout::kString: return to.set_string(to_row, from.at<batch::StringRef>(from_row).view());
    case batch::Layout::kList: {
      const batch::ListRange range = from.at<batch::ListRange>(from_row);
      const size_t first = to.add_list(to_row, range.length);
      const batch::ColumnView elements = from.child();
      const batch::Type element_type = type.child();
      for (size_t i = 0; i < range.length; ++i)
        copy_cell(elements, range.offset + i, to.child(), first + i, element_type);
      return;
    }
    case batch::Layout::kStruct:
      for (size_t field = 0; field < type.struct_field_count(); ++field) {
        copy_cell(from.child(field), from_row, to.child(field), to_row, type.struct_field_type(field));
      }
      return;
    case batch::Layout::kArray: {
      const size_t size = type.array_size();
      const batch::Type element_type = type.child();
      for (size_t i = 0; i < size; ++i) {
        copy_cell(from.child(), from.index(from_row) * size + i, to.child(), to_row * size + i, element_type);
      }
      return;
    }
    default: {
      const size_t width = type.width();
      MR_CHECK(width > 0, "a value of this type cannot be copied");
      std::memcpy(to.values<char>() + to_row * width,
                  static_cast<const char*>(from.data_) + from.index(from_row) * width, width);
    }
  }
}

class UnnestOperator final : public Operator {
 public:
  UnnestOperator(const plan::Node& node, const plan::Unnest& unnest, const plan::Node& input)
      : Operator(node), unnest_(unnest) {
    for (uint32_t column : unnest.list_columns) element_types_.push_back(input.output[column].type.child());
  }

  Status push(size_t, const batch::Batch& batch, Output& out) override {
    sources_.clear();
    elements_.clear();
    lists_.clear();
    for (uint32_t column : unnest_.list_columns) lists_.push_back(batch.column(column));
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      const size_t length = longest(row);
      for (size_t element = 0; element < length; ++element) {
        sources_.push_back(row);
        elements_.push_back(element);
        if (sources_.size() == batch::kBatchRows) MR_TRY(flush(batch, out));
      }
    }
    return flush(batch, out);
  }

 private:
  size_t longest(size_t row) const {
    size_t length = 0;
    for (const batch::ColumnView& list : lists_) {
      if (!list.is_null(row)) length = std::max<size_t>(length, list.at<batch::ListRange>(row).length);
    }
    return length;
  }

  Status flush(const batch::Batch& batch, Output& out) {
    if (sources_.empty()) return {};
    batch::Batch unnested(element_types_);
    unnested.set_rows(sources_.size());
    for (size_t i = 0; i < lists_.size(); ++i) fill(lists_[i], element_types_[i], unnested, i);
    const batch::Batch kept = batch.project(unnest_.kept_columns).select(sources_);
    sources_.clear();
    elements_.clear();
    return push_one(batch::Batch::beside(kept, unnested), out, stats);
  }

  void fill(const batch::ColumnView& list, const batch::Type& type, batch::Batch& unnested, size_t column) const {
    const batch::ColumnView values = list.child();
    switch (type.width()) {
      case 1: return fill_fixed<uint8_t>(list, values, unnested.mutable_column(column));
      case 2: return fill_fixed<uint16_t>(list, values, unnested.mutable_column(column));
      case 4: return fill_fixed<uint32_t>(list, values, unnested.mutable_column(column));
      case 8: return fill_fixed<uint64_t>(list, values, unnested.mutable_column(column));
      default: break;
    }
    for (size_t row = 0; row < sources_.size(); ++row) {
      const size_t from = place_of(list, row);
      if (from == kNowhere) unnested.mutable_column(column).set_null(row);
      if (from != kNowhere) copy_cell(values, from, unnested.mutable_column(column), row, type);
    }
  }

  template <typename Bits>
  void fill_fixed(const batch::ColumnView& list, const batch::ColumnView& values, batch::MutableColumn to) const {
    Bits* out = to.values<Bits>();
    for (size_t row = 0; row < sources_.size(); ++row) {
      const size_t from = place_of(list, row);
      if (from == kNowhere || values.is_null(from)) {
        to.set_null(row);
      } else {
        out[row] = values.at<Bits>(from);
      }
    }
  }

  /// Of an output row: the place of its element among all elements of the list column.
  size_t place_of(const batch::ColumnView& list, size_t row) const {
    if (list.is_null(sources_[row])) return kNowhere;
    const auto& range = list.at<batch::ListRange>(sources_[row]);
    return elements_[row] < range.length ? range.offset + elements_[row] : kNowhere;
  }

  static constexpr size_t kNowhere = SIZE_MAX;

  const plan::Unnest& unnest_;
  std::vector<batch::Type> element_types_;
  std::vector<batch::ColumnView> lists_;  // of the batch that is pushed
  std::vector<uint32_t> sources_;         // of each output row: its input row
  std::vector<size_t> elements_;          // and the place in its lists
};

}  // namespace

Made make_unnest(const plan::Node& node, const Inputs& inputs, const OperatorContext&) {
  return {std::make_unique<UnnestOperator>(node, std::get<plan::Unnest>(node.operation), *inputs[0])};
}

}  // namespace millrace::dataflow
