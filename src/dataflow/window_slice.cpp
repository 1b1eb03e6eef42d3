#include "dataflow/window_slice.h"

#include <algorithm>

namespace millrace::dataflow {

Status WindowSlice::read(const PartitionChanges::Touched& touched, std::span<const PartitionChanges::Change> changes,
                         bool whole) {
  items.clear();
  changed = first = last = 0;
  base = rank_base = 0;
  first_row = {};
  whole |= touched.fresh || table_.rows(touched.group) <= kWhole;
  if (whole || !step_back(touched, rows_.comparable(changes[0].row))) {
    items.clear();
    base = 0;
    cursor_.seek_first(touched.group);
  } else {
    int64_t count = 0;
    if (reach_.first_row && base > 0) {
      cursor_.seek_first(touched.group);
      cursor_.next(first_row, count);
    }
    if (reach_.ranks) {
      cursor_.seek(touched.group, rows_.sort_key(items.empty() ? changes[0].row : items[0].row));
      rank_base = cursor_.count_before();
    }
    cursor_.seek(touched.group, rows_.comparable(changes[0].row));
  }
  return read_on(touched, changes);
}

bool WindowSlice::only_appends(PartitionChanges::Group group, std::span<const PartitionChanges::Change> changes) {
  cursor_.seek(group, rows_.comparable(changes[0].row));
  int64_t before = cursor_.count_of_all() - cursor_.count_before();
  for (const PartitionChanges::Change& change : changes) before -= change.diff;
  return before == 0;
}

/// Fills items with the rows before `from` that are needed. False: the partition must be read from its first row on.
bool WindowSlice::step_back(const PartitionChanges::Touched& touched, std::string_view from) {
  cursor_.seek(touched.group, from);
  base = cursor_.count_before();
  std::string_view row;
  int64_t count = 0;
  std::string_view changed_key;
  int64_t rows = 0;
  size_t affected = 0;
  bool all_peers = true;
  while (base > 0) {
    const bool within = rows < reach_.ahead;
    if (!within && !reach_.peers) break;
    if (!cursor_.previous(row, count)) break;
    // `from` starts with its sort key; keys are prefix-free.
    const bool peer = from.starts_with(rows_.sort_key(row));
    if (!within && !peer) {
      cursor_.next(row, count);
      break;
    }
    all_peers &= peer;
    items.push_back({row, count, 0});
    rows += count;
    base -= count;
    ++affected;
  }
  if (reach_.folds && affected > 0 && (reach_.folds_rows || !all_peers)) return false;
  for (rows = 0; base > 0 && rows < reach_.behind && cursor_.previous(row, count); rows += count, base -= count)
    items.push_back({row, count, 0});
  std::reverse(items.begin(), items.end());
  changed = items.size();
  first = items.size() - affected;
  return true;
}

/// Goes through rows and changes together, in order.
Status WindowSlice::read_on(const PartitionChanges::Touched& touched,
                            std::span<const PartitionChanges::Change> changes) {
  std::string_view row, key;  // key: of the last item at which the two sequences differed
  int64_t count = 0;
  bool more = cursor_.next(row, count);
  size_t change = 0;
  int64_t shift = 0, same = 0;
  bool first_differs = false, any_before = base > 0, any_now = base > 0;
  const auto done = [&] {
    if (reach_.tail || change < changes.size() || shift != 0 || same < reach_.behind || first_differs) return false;
    if (reach_.peers) return items.empty() || rows_.sort_key(row) != rows_.sort_key(items.back().row);
    return !reach_.ranks || rows_.sort_key(row) != key;
  };
  while (more || change < changes.size()) {
    const bool is_change =
        change < changes.size() && (!more || rows_.comparable(changes[change].row) <= rows_.comparable(row));
    const bool there = more && (!is_change || row == changes[change].row);
    if (!is_change && !touched.fresh && done()) break;
    Item item{there ? row : changes[change].row, there ? count : 0, 0};
    item.delta = touched.fresh ? item.now : is_change ? changes[change].diff : 0;
    if (item.now < 0 || item.before() < 0) return internal_error("OVER was asked to take away rows that it never got");
    const bool first_before = !any_before && item.before() > 0, first_now = !any_now && item.now > 0;
    first_differs |= reach_.first_row && first_before != first_now;
    any_before |= item.before() > 0;
    any_now |= item.now > 0;
    if (reach_.positions) shift += item.delta;
    const bool differs = item.delta != 0 || shift != 0;
    same = differs ? 0 : same + item.now;
    if (differs) key = rows_.sort_key(item.row);
    items.push_back(item);
    if (is_change) ++change;
    if (there) more = cursor_.next(row, count);
  }
  last = items.size();
  for (int64_t rows = 0; more && rows < reach_.ahead; rows += count, more = cursor_.next(row, count))
    items.push_back({row, count, 0});
  return {};
}

}  // namespace millrace::dataflow
