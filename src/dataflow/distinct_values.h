// DistinctValues: the values that the calls with DISTINCT over one column have counted, beside these calls' states in
// the group's value.
//
// Each value of a group is an entry of its own, with what each of the calls has of it: a change costs one lookup,
// however large the group is, and a group may be larger than memory.
//
//   entries: group key, value → append-only input: u64, bit i: call i counts it; else for each call how often it is
//            there, i64. Where groups end before their rows do (windows): then the value that was new before this one.
//   newest:  there only: group key → 'v' and the value that was new last; the values of a group are a chain.
//
// Group key and value are rows in key form; together they are the entry's key. Its hash lies in the virtual node of the
// group.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch/row_codec.h"
#include "dataflow/accumulator.h"
#include "state/table.h"

namespace millrace::dataflow {

class DistinctValues {
 public:
  /// Calls of one set, over one column: a bit each in an entry.
  static constexpr size_t kCallsMax = 64;

  DistinctValues(std::span<const batch::Type> input, std::vector<Accumulator> calls, bool append_only,
                 bool groups_end);

  /// Adds a batch; row i belongs to the group with keys.hash(i) and keys.row(i), whose value is states[i].
  void update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys);
  /// The group ended.
  void forget(uint64_t hash, std::string_view key);
  /// No value was taken away more often than it came. At the end of a step.
  bool consistent() const { return negative_ == 0; }

  state::ValueTable& entries_table() { return entries_; }
  state::ValueTable& newest_table() { return newest_; }

 private:
  using Slot = state::ValueTable::Slot;
  size_t counts_bytes() const { return append_only_ ? sizeof(uint64_t) : calls_.size() * sizeof(int64_t); }

  void find_masks(const batch::Batch& batch, std::span<char* const> states);
  Slot find_or_insert(const batch::RowBuffer& keys, size_t row);
  void insert(const Slot& slot, size_t row, char* state);
  void change(const Slot& slot, size_t row, char* state, int64_t diff);
  void bump(const Accumulator& call, size_t row, char* state, int64_t copies) const;

  std::vector<Accumulator> calls_;
  bool append_only_;
  bool groups_end_;
  batch::RowCodec codec_;  // of the argument
  state::ValueTable entries_;
  state::ValueTable newest_;
  int64_t negative_ = 0;  // counts below 0

  // Of one batch.
  std::vector<uint64_t> masks_;  // of a row: the calls that count it
  std::vector<uint64_t> hashes_;
  batch::RowBuffer values_;
  batch::ColumnView column_;
  std::string key_, scratch_;
};

/// One for each column that calls with DISTINCT have as argument, at the place of the first of these calls (of each 64
/// of them); null elsewhere.
std::vector<std::unique_ptr<DistinctValues>> distinct_values_of(std::span<const Accumulator> accumulators,
                                                                const plan::Node& input, bool groups_end);

}  // namespace millrace::dataflow
