// PartitionChanges: what one step does to each partition of an operator that keeps its rows in order (SortedRows in a
// BagTable). Of a partition that had no rows before, nothing is noted unless asked for: all that it has then is new.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/sorted_rows.h"
#include "state/table.h"

namespace millrace::dataflow {

class PartitionChanges {
 public:
  using Group = state::BagTable::Group;
  struct Touched {
    Group group;
    bool fresh;     ///< had no rows before the step
    uint32_t last;  ///< of its deltas
  };
  struct Change {
    std::string_view row;  ///< lives until clear()
    int64_t diff;
  };

  /// `of_fresh`: the rows of partitions that had none are noted too.
  explicit PartitionChanges(const SortedRows& rows, bool of_fresh = false) : rows_(rows), of_fresh_(of_fresh) {}

  /// Notes a row that `table` is about to add to `group`.
  void note(const state::BagTable& table, Group group, std::string_view row, int64_t diff);
  std::span<const Touched> touched() const { return touched_; }
  /// Each changed row of a partition once, in order; rows whose changes cancel are left out.
  /// Valid until the next call.
  std::span<const Change> of(const Touched& touched);
  /// The step is over.
  void clear();

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Delta {
    uint32_t previous;
    size_t start;  // into bytes_
    size_t length;
    int64_t diff;
  };

  const SortedRows& rows_;
  const bool of_fresh_;
  std::vector<Touched> touched_;
  std::vector<uint32_t> touched_of_;  // by group: 0, or 1 + place in touched_
  std::vector<Delta> deltas_;
  std::string bytes_;
  std::vector<Change> changes_;
};

}  // namespace millrace::dataflow
