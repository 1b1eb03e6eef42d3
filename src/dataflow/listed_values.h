// ListedValues: what list and string_agg keep: the values of all rows of the group that count, in the order of the
// list.
//
// A row is a sorted row (dataflow/sorted_rows.h) whose one piece is the argument. The result is put together from the
// values' bytes as they lie there: an element of a list has the bytes that it has as a column of a row
// (docs/formats/state.md).
#pragma once

#include "dataflow/call_tables.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {

class ListedValues final : public CallTables {
 public:
  /// The accumulator's kind is kList or kStringAgg, whose values stand with `separator` between.
  ListedValues(const Accumulator& accumulator, std::string separator, const plan::Node& input);

  void update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) override;
  Status settle(uint64_t hash, std::string_view key, char* group_value) override;
  bool gives_bytes() const override { return true; }
  /// A row of one column: the list, or the text.
  std::string_view result_bytes(uint64_t hash, std::string_view key) override;
  Status write_result(std::string_view bytes, batch::Batch& batch, size_t row, size_t column) const override {
    return result_.decode(bytes, batch, row, column);
  }
  void forget(uint64_t hash, std::string_view key) override;
  Status finish_step() override;
  std::array<state::Table*, 2> tables() override { return {&unused_, &bag_}; }

 private:
  /// Calls visit(piece, copies) for the group's rows in order.
  template <typename Visit>
  void for_each_value(state::BagTable::Group group, Visit&& visit);
  void put_list(state::BagTable::Group group);
  void put_text(state::BagTable::Group group);

  Accumulator accumulator_;
  const bool is_text_;
  const std::string separator_;
  SortedRows rows_;
  batch::RowCodec result_;
  state::ValueTable unused_;  // each call has two tables
  state::BagTable bag_;       // key → rows
  state::BagTable::SortedCursor cursor_;
  bool negative_ = false;
  std::string bytes_, elements_;
};

}  // namespace millrace::dataflow
