#include "dataflow/partition_changes.h"

#include <algorithm>

namespace millrace::dataflow {

void PartitionChanges::note(const state::BagTable& table, Group group, std::string_view row, int64_t diff) {
  if (group >= touched_of_.size()) touched_of_.resize(group + group / 2 + 16, 0);
  if (touched_of_[group] == 0) {
    touched_.push_back(Touched{group, table.rows(group) == 0, kNone});
    touched_of_[group] = static_cast<uint32_t>(touched_.size());
  }
  Touched& touched = touched_[touched_of_[group] - 1];
  if (touched.fresh && !of_fresh_) return;
  deltas_.push_back(Delta{touched.last, bytes_.size(), row.size(), diff});
  touched.last = static_cast<uint32_t>(deltas_.size() - 1);
  bytes_.append(row);
}

std::span<const PartitionChanges::Change> PartitionChanges::of(const Touched& touched) {
  changes_.clear();
  for (uint32_t at = touched.last; at != kNone; at = deltas_[at].previous) {
    const Delta& delta = deltas_[at];
    changes_.push_back({std::string_view(bytes_).substr(delta.start, delta.length), delta.diff});
  }
  std::sort(changes_.begin(), changes_.end(),
            [&](const Change& a, const Change& b) { return rows_.comparable(a.row) < rows_.comparable(b.row); });
  size_t kept = 0;
  for (size_t at = 0; at < changes_.size();) {
    Change sum = changes_[at++];
    for (; at < changes_.size() && changes_[at].row == sum.row; ++at) sum.diff += changes_[at].diff;
    if (sum.diff != 0) changes_[kept++] = sum;
  }
  changes_.resize(kept);
  return changes_;
}

void PartitionChanges::clear() {
  for (const Touched& touched : touched_) touched_of_[touched.group] = 0;
  touched_.clear();
  deltas_.clear();
  bytes_.clear();
}

}  // namespace millrace::dataflow
