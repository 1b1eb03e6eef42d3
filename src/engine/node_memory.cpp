// The memory limit of a node: its shares, and what keeps operator state within its share (docs/adr/0006).
#include <algorithm>

#include "dataflow/exchange.h"
#include "engine/node_state.h"

namespace millrace::engine {
namespace {

state::NodeRange range_of(uint32_t worker, uint32_t workers) {
  state::NodeRange range{kVirtualNodes, 0};
  for (uint32_t node = 0; node < kVirtualNodes; ++node) {
    if (dataflow::owner_of(VirtualNode(static_cast<uint16_t>(node)), workers) != worker) continue;
    range.first = std::min(range.first, node);
    range.end = node + 1;
  }
  return range;
}

uint64_t memory_of(const std::vector<state::TableRef>& tables) {
  uint64_t bytes = 0;
  for (const state::TableRef& ref : tables) bytes += ref.table->memory_bytes();
  return bytes;
}

/// Takes about `bytes` out of all tables, out of each as much as it has part in the whole. Readers must not see it.
void evict(NodeState& node, uint64_t bytes) {
  const std::vector<state::TableRef> tables = node.pipeline->tables();
  const uint64_t used = memory_of(tables);
  if (used == 0) return;
  const double part = static_cast<double>(bytes) / static_cast<double>(used);
  for (const state::TableRef& ref : tables) {
    const auto share = static_cast<size_t>(part * static_cast<double>(ref.table->memory_bytes()));
    if (share > 0) node.state_evicted_bytes += ref.table->evict(share);
  }
}

}  // namespace

MemoryShares shares_of(uint64_t memory_bytes) {
  constexpr uint64_t kProgramBytes = 64 << 20;  // without any state: half of it the code of libraries
  MemoryShares shares;
  shares.state_bytes = std::max(memory_bytes / 4, (memory_bytes - std::min(memory_bytes, kProgramBytes)) / 8 * 3);
  shares.dirty_bytes = memory_bytes / 16;
  shares.block_bytes = std::clamp<uint64_t>(memory_bytes / 16, 1 << 20, 512 << 20);
  shares.query_bytes = std::max<uint64_t>(memory_bytes / 8, 64 << 20);
  shares.copy_bytes = std::max<uint64_t>(memory_bytes / 8, 8 << 20);
  shares.step_bytes = std::max<uint64_t>(memory_bytes / 256, 1 << 20);
  return shares;
}

void attach_state(NodeState& node, const std::vector<state::TableRef>& tables,
                  const std::set<state::TableId>& complete) {
  for (const state::TableRef& ref : tables) {
    auto stored = node.store->entries_of(ref.id, range_of(ref.worker, node.options.workers));
    const bool holds_all = complete.contains(ref.id) || stored->empty();
    ref.table->attach(std::move(stored), holds_all);
  }
}

Status open_store(NodeState& node) {
  state::StoreOptions options;
  options.block_cache_bytes = shares_of(node.options.memory_bytes).block_bytes;
  MR_ASSIGN(node.store, state::Store::open(node.env, node.options.data_directory + "/state", options));
  return {};
}

namespace {

/// The share of tables: what filters and indexes of stored state leave of it, but at least a quarter.
uint64_t table_limit(NodeState& node) {
  const uint64_t share = shares_of(node.options.memory_bytes).state_bytes;
  return std::max(share - std::min(share, node.store->index_bytes()), share / 4);
}

}  // namespace

void evict_clean_state(NodeState& node) {
  const uint64_t limit = table_limit(node);
  const uint64_t used = memory_of(node.pipeline->tables());
  if (used > limit) evict(node, used - limit / 10 * 8);
}

bool blocks_are_cached(NodeState& node) {
  return node.store->disk_bytes() <= shares_of(node.options.memory_bytes).block_bytes / 2;
}

void lend_free_table_bytes(NodeState& node) {
  const uint64_t limit = table_limit(node);
  // A step may add to the tables before the loan ends.
  const uint64_t used = memory_of(node.pipeline->tables()) + limit / 8;
  node.store->lend_to_block_cache(limit - std::min(limit, used));
}

uint64_t dirty_bytes_of(NodeState& node) {
  uint64_t dirty = 0;
  for (const state::TableRef& ref : node.pipeline->tables()) dirty += ref.table->dirty_bytes();
  return dirty;
}

Status bound_state(NodeState& node) {
  const uint64_t limit = table_limit(node);
  const auto evict_clean = [&] {
    if (memory_of(node.pipeline->tables()) <= limit) return;
    std::unique_lock readers(node.readers_mutex);
    evict_clean_state(node);
  };
  evict_clean();
  if (memory_of(node.pipeline->tables()) <= limit) return {};
  if (dirty_bytes_of(node) < limit / 16) return {};  // a checkpoint would make little room
  MR_TRY(checkpoint(node));
  evict_clean();
  return {};
}

}  // namespace millrace::engine
