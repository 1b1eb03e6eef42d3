// StandingRows: rows of partitions with the results that stand for them in the output, in order, in one table.
//
// An entry is a sorted row (SortedRows) and behind it its results' bytes; its count says how many copies of the row
// have these results. So what a step takes away is bit for bit what was given, and a row that comes in costs one entry.
// The rows of a step are not in the table before its end: PartitionChanges holds them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataflow/operator.h"
#include "dataflow/partition_changes.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {

class StandingRows {
 public:
  using Group = state::BagTable::Group;
  /// `pieces`: of the sorted rows.
  StandingRows(const plan::Node& input, const plan::Window& window, const std::vector<std::vector<uint32_t>>& pieces);

  /// Notes the rows of a batch for this step.
  void note(const batch::Batch& batch);
  PartitionChanges& changes() { return changes_; }
  const SortedRows& rows() const { return rows_; }
  SortedRows& rows() { return rows_; }
  const batch::RowCodec& keys() const { return keys_; }
  state::BagTable& table() { return table_; }

  std::string_view row_of(std::string_view entry) const { return entry.substr(0, rows_.length(entry)); }
  std::string_view results_of(std::string_view entry) const { return entry.substr(rows_.length(entry)); }

  /// How many copies of the row have these results, before the step.
  int64_t count(Group group, std::string_view row, std::string_view results);
  /// Entries change at the end of a step alone, so that all that was read stays: their bytes are copied.
  void change(Group group, std::string_view row, std::string_view results, int64_t diff);
  void apply();
  /// The step is over.
  void clear();

 private:
  struct Change {
    Group group;
    size_t start;  // into bytes_
    size_t length;
    int64_t diff;
  };

  batch::RowCodec keys_;
  SortedRows rows_;
  state::BagTable table_;
  PartitionChanges changes_;
  batch::RowBuffer key_buffer_;
  std::vector<Group> groups_;  // of each row of a batch
  std::vector<Change> pending_;
  std::string bytes_, scratch_;
};

/// A row in the order of a partition, as the table has it and as the step leaves it.
struct StandingItem {
  std::string_view row;
  int64_t now = 0;
  size_t first_entry = 0;  ///< what stands for it: entries [first_entry, last_entry) of its reader
  size_t last_entry = 0;
};

/// Reads a partition's rows in order, merged with the step's changes. What it gave stays until clear().
class StandingReader {
 public:
  using Group = StandingRows::Group;
  struct Entry {
    std::string_view bytes;
    int64_t count;
  };
  explicit StandingReader(StandingRows& standing)
      : standing_(standing), forward_(standing.table()), backward_(standing.table()) {}

  /// Before the first of `changes`, or before the partition's first row. The changes are the partition's next ones.
  void seek(Group group, std::span<const PartitionChanges::Change> changes, bool from_first_row);
  /// The next row that there was or is. False at the end. Fails when rows are taken away that never came.
  Result<bool> next(StandingItem& item, bool& changed);
  /// The row before those that were given, backwards from the place of seek().
  bool previous(StandingItem& item);
  /// From the place of seek(): a standing row beside it with this sort key; empty when there is none.
  std::string_view neighbour(std::string_view sort_key) const;
  /// The next row is one that the step changes.
  bool next_is_change() const;
  /// How many changes next() gave since seek().
  size_t changes_given() const { return change_; }
  const Entry& entry(size_t index) const { return entries_[index]; }
  void clear() { entries_.clear(); }

 private:
  StandingRows& standing_;
  state::BagTable::SortedCursor forward_, backward_;
  std::span<const PartitionChanges::Change> changes_;
  size_t change_ = 0;
  std::vector<Entry> entries_;
  // One entry ahead of what was given, in each direction.
  Entry ahead_, behind_;
  bool has_ahead_ = false, has_behind_ = false;
};

}  // namespace millrace::dataflow
