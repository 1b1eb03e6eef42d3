// Which runs a table has: the part of the store that tells live blocks from dead ones. Keys and values are described in
// docs/formats/state.md, "Blocks and checkpoints".
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "state/run_filter.h"
#include "state/store.h"

namespace millrace::state {

/// Runs are kept for each group of 16 neighbouring virtual nodes, so that a few changed rows do not become 256 blocks.
inline constexpr uint32_t kGroups = 16;
inline uint32_t group_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 60); }

/// Sorted blocks that one checkpoint wrote for one group of one table.
struct Run {
  uint64_t number = 0;  ///< of the checkpoint; a newer run's entries replace those of the older ones
  uint64_t blocks = 0;
  uint64_t entries = 0;
  uint64_t bytes = 0;
  std::shared_ptr<const RunFilter> filter = {};  ///< kept under a key of its own
};

/// All runs of one table: by group, oldest first.
struct RunIndex {
  std::array<std::vector<Run>, kGroups> groups;
  std::string encode() const;
  static Result<RunIndex> decode(std::string_view bytes);
};

inline constexpr char kBlockPrefix = 'b';
inline constexpr char kIndexPrefix = 'i';
inline constexpr char kFilterPrefix = 'f';

std::string index_key(TableId id);
/// What the keys of all blocks of a table, of a run start with, and one block's key.
std::string table_prefix(TableId id);
std::string run_prefix(TableId id, uint32_t group, uint64_t run);
std::string block_key(TableId id, uint32_t group, uint64_t run, uint32_t block);
/// What the keys of all filters of a table start with, and one run's key.
std::string filter_prefix(TableId id);
std::string filter_key(TableId id, uint32_t group, uint64_t run);

Result<TableId> table_of_index_key(std::string_view key);
/// Reads table, group and run out of a block's or a filter's key.
struct BlockPlace {
  TableId id;
  uint32_t group = 0;
  uint64_t run = 0;
};
Result<BlockPlace> place_of_block_key(std::string_view key);
Result<BlockPlace> place_of_filter_key(std::string_view key);

}  // namespace millrace::state
