#include "state/table_draft.h"

#include "state/block.h"
#include "state/dirty_entries.h"

namespace millrace::state {

TableDraft draft_changes(const Table& table) {
  DirtyEntries entries;
  entries.reserve_bytes(table.dirty_bytes());
  table.for_each_dirty([&](const Entry& entry) { entries.add(entry); });
  entries.sort();
  TableDraft draft;
  draft.entries = entries.size();
  BlockWriter writer;
  for (size_t i = 0; i < entries.size();) {
    const uint32_t group = group_of(entries.at(i).hash);
    const size_t first = i;
    for (; i < entries.size(); ++i) {
      const Entry entry = entries.at(i);
      if (group_of(entry.hash) != group) break;
      writer.add(entry);
    }
    draft.groups[group] = {writer.finish(), i - first};
  }
  return draft;
}

}  // namespace millrace::state
