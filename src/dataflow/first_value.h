// FirstValue: what a call keeps whose result is the value of the first or last row of its group by (sort key, order
// column): first, last, any_value, arg_min, arg_max.
//
// Append-only input: the best row so far. Else all rows of the group, in order. A row is a sorted row
// (dataflow/sorted_rows.h) whose one piece is the argument.
#pragma once

#include "dataflow/call_tables.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {

class FirstValue final : public CallTables {
 public:
  /// The accumulator's kind is kFirst or kLast.
  FirstValue(const Accumulator& accumulator, const plan::Node& input);

  void update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) override;
  Status settle(uint64_t hash, std::string_view key, char* group_value) override;
  bool gives_bytes() const override { return true; }
  std::string_view result_bytes(uint64_t hash, std::string_view key) override;
  Status write_result(std::string_view bytes, batch::Batch& batch, size_t row, size_t column) const override {
    return rows_.codec(0).decode(bytes, batch, row, column);
  }
  void forget(uint64_t hash, std::string_view key) override;
  Status finish_step() override;
  std::array<state::Table*, 2> tables() override { return {&best_, &bag_}; }

 private:
  bool better(std::string_view a, std::string_view b) const;
  /// The group's first row, or its last; false when it has none.
  bool best_of_bag(uint64_t hash, std::string_view key, std::string_view& row, int64_t& count);

  Accumulator accumulator_;
  bool append_only_;
  bool wants_last_;
  SortedRows rows_;
  state::ValueTable best_;  // key → the best row
  state::BagTable bag_;     // key → rows
  state::BagTable::SortedCursor cursor_;
};

}  // namespace millrace::dataflow
