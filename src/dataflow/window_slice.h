// WindowSlice: the part of an ordered partition whose results a step can have changed, as it is and as it was: from
// some rows before the first change on, until nothing can differ any more. Private to the window operators.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "dataflow/partition_changes.h"

namespace millrace::dataflow {

/// How far a change reaches, by what the calls need. Rows are copies: a row with count 2 is two of them.
struct WindowReach {
  int64_t ahead = 0;        ///< a result depends on so many rows that follow
  int64_t behind = 0;       ///< and so many that come before
  bool positions = false;   ///< on how many rows come before
  bool ranks = false;       ///< results depend on where a row's peers begin
  bool peers = false;       ///< results depend on all peers
  bool first_row = false;   ///< on the partition's first row
  bool tail = false;        ///< all rows up to the partition's end are wanted
  bool folds = false;       ///< on all rows before, folded in their order
  bool folds_rows = false;  ///< the same, and peers are told apart
};

class WindowSlice {
 public:
  /// Partitions of up to so many different rows are read whole.
  static constexpr size_t kWhole = 32;
  /// A row, how often it is there now, and how much the step changed that.
  struct Item {
    std::string_view row;
    int64_t now;
    int64_t delta;
    int64_t before() const { return now - delta; }
  };

  WindowSlice(state::BagTable& table, const SortedRows& rows, const WindowReach& reach)
      : rows_(rows), reach_(reach), table_(table), cursor_(table) {}

  /// `whole`: from the partition's first row on, in any case. Fails when rows are taken away that never came.
  Status read(const PartitionChanges::Touched& touched, std::span<const PartitionChanges::Change> changes, bool whole);

  /// No row of the partition before the step stood at or behind the first change.
  bool only_appends(PartitionChanges::Group group, std::span<const PartitionChanges::Change> changes);

  std::vector<Item> items;
  size_t changed = 0;  ///< the first item that changed; those before it are the same before and after
  size_t first = 0;    ///< results of items [first, last) may differ; the others are what these depend on
  size_t last = 0;
  int64_t base = 0;            ///< rows before items[0], then and now
  int64_t rank_base = 0;       ///< rows before the first peer of items[0]; only for ranks
  std::string_view first_row;  ///< of the partition when base > 0; only for first_row

 private:
  Status read_on(const PartitionChanges::Touched& touched, std::span<const PartitionChanges::Change> changes);
  bool step_back(const PartitionChanges::Touched& touched, std::string_view from);

  const SortedRows& rows_;
  const WindowReach reach_;
  state::BagTable& table_;
  state::BagTable::SortedCursor cursor_;
};

}  // namespace millrace::dataflow
