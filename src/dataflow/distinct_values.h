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
#include <string>
#include <vector>

#include "dataflow/call_tables.h"

namespace millrace::dataflow {

class DistinctValues final : public CallTables {
 public:
  /// Calls of one set, over one column: a bit each in an entry.
  static constexpr size_t kCallsMax = 64;

  DistinctValues(std::span<const batch::Type> input, std::vector<Accumulator> calls, bool append_only,
                 bool groups_end);

  void update(const batch::Batch& batch, std::span<char* const> states, const batch::RowBuffer& keys) override;
  void forget(uint64_t hash, std::string_view key) override;
  /// Fails when some value was taken away more often than it came.
  Status finish_step() override;
  std::array<state::Table*, 2> tables() override { return {&entries_, &newest_}; }

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

/// Puts one for each column that calls with DISTINCT have as argument at the place of the first of these calls (of each
/// 64 of them).
void add_distinct_values(std::span<const Accumulator> accumulators, const plan::Node& input, bool groups_end,
                         std::vector<std::unique_ptr<CallTables>>& tables);

}  // namespace millrace::dataflow
