// FastCalls: the calls of a GROUP BY that keep running results: their states in the group's value, behind a GroupHeader
// in which the operator counts the rows, and what some of them keep in tables beside it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "dataflow/accumulator.h"
#include "dataflow/call_tables.h"
#include "dataflow/operator.h"

namespace millrace::dataflow {

struct FastCalls {
  /// Fails when a call has no fast form over such an input; the binder should have marked it kGeneral. `groups_end`:
  /// before their rows are taken away, as those of windows do.
  static Result<FastCalls> make(const std::vector<plan::AggregateCall>& calls, const plan::Node& input,
                                bool groups_end);

  bool gives_bytes(size_t call) const { return beside[call] && beside[call]->gives_bytes(); }
  /// Adds a batch; row i belongs to the group keys.row(i), whose value is states[i]; nullptr: the row does not count.
  void update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys);
  /// Makes a touched group's value exact, before its results are read.
  Status settle(uint64_t hash, std::string_view key, char* value);
  /// All results of a group, but for those that are bytes; false when one overflows.
  bool results(const char* value, std::vector<Cell>& cells) const;
  /// Writes what fits in cells into a row, from `first_column` on.
  void write_cells(const std::vector<Cell>& cells, batch::Batch& batch, size_t row, size_t first_column) const;
  /// The group ended.
  void forget(uint64_t hash, std::string_view key);
  Status finish_step();
  /// Adds the tables of call i as slots `first_slot` + 2i and the next.
  void add_tables(OperatorId id, uint8_t first_slot, std::vector<state::TableRef>& tables);

  std::vector<Accumulator> accumulators;
  std::vector<std::unique_ptr<CallTables>> beside;  ///< one a call; null: nothing, or with an earlier call
  std::vector<size_t> bytes_calls;                  ///< whose results are bytes
  uint32_t value_length = 0;
};

/// Why a group has no row.
inline constexpr std::string_view kOutOfRange = "a result over this group is out of the range of its type";

}  // namespace millrace::dataflow
