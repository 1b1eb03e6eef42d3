// TableDraft: the changed entries of one table as a checkpoint will write them: sorted by (hash, key), cut by group,
// encoded as blocks. Made for several tables at a time, each on one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "state/run_index.h"
#include "state/table.h"

namespace millrace::state {

struct GroupDraft {
  std::vector<std::string> blocks;
  uint64_t entries = 0;
};

struct TableDraft {
  std::array<GroupDraft, kGroups> groups;
  uint64_t entries = 0;
};

TableDraft draft_changes(const Table& table);

}  // namespace millrace::state
