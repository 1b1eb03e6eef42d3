#include "state/live_runs.h"

#include <algorithm>

#include "state/run_merge.h"

namespace millrace::state {

BlockCache::Block BlockCache::find(const std::string& key) {
  std::lock_guard guard(mutex_);
  const auto place = places_.find(key);
  if (place == places_.end()) return nullptr;
  items_.splice(items_.begin(), items_, place->second);
  return place->second->block;
}

void BlockCache::insert(const std::string& key, Block block) {
  std::lock_guard guard(mutex_);
  if (places_.contains(key)) return;
  bytes_ += block->memory_bytes();
  items_.push_front({key, std::move(block)});
  places_.emplace(items_.front().key, items_.begin());
  shrink();
}

void BlockCache::set_bytes_max(uint64_t bytes) {
  std::lock_guard guard(mutex_);
  bytes_max_ = bytes;
  shrink();
}

void BlockCache::shrink() {
  while (bytes_ > bytes_max_ && items_.size() > 1) {
    bytes_ -= items_.back().block->memory_bytes();
    places_.erase(items_.back().key);
    items_.pop_back();
  }
}

void LiveRuns::fail(Error error) {
  std::lock_guard guard(failure_mutex_);
  if (!failure_) failure_ = std::move(error);
}

Status LiveRuns::status() const {
  std::lock_guard guard(failure_mutex_);
  return failure_ ? Status(*failure_) : Status();
}

namespace {

class RunEntries final : public StoredEntries {
 public:
  RunEntries(LiveRuns& live, TableId id, NodeRange range) : live_(live), id_(id), range_(range) {}

  bool find_key(uint64_t hash, std::string_view key, std::string& payload) override {
    std::shared_lock guard(live_.mutex);
    bool known = false, alive = false;
    const Status status = for_each_block(hash, [&](const BlockCache::Block& block) {
      for (size_t at = block->lower_bound(hash); at < block->size() && block->hash(at) == hash; ++at) {
        const Entry entry = block->at(at);
        if (entry.key != key) continue;
        known = true;
        alive = !entry.deleted;
        payload.assign(entry.payload);
      }
      return !known;
    });
    if (!status.ok()) live_.fail(status.error());
    return alive && status.ok();
  }

  void find_prefix(uint64_t hash, std::string_view prefix, const std::function<void(const Entry&)>& visit) override {
    std::shared_lock guard(live_.mutex);
    std::vector<BlockCache::Block> pinned;
    std::vector<Entry> found;  // from the newest run to the oldest
    const Status status = for_each_block(hash, [&](const BlockCache::Block& block) {
      for (size_t at = block->lower_bound(hash); at < block->size() && block->hash(at) == hash; ++at) {
        if (block->at(at).key.starts_with(prefix)) found.push_back(block->at(at));
      }
      pinned.push_back(block);
      return true;
    });
    if (!status.ok()) return live_.fail(status.error());
    std::stable_sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
    for (size_t i = 0; i < found.size(); ++i) {
      const bool newest = i == 0 || found[i].key != found[i - 1].key;
      if (newest && !found[i].deleted) visit(found[i]);
    }
  }

  void for_each(const std::function<bool(const Entry&)>& visit) override {
    std::shared_lock guard(live_.mutex);
    const Status status = scan(visit);
    if (!status.ok()) live_.fail(status.error());
  }

  bool empty() override {
    std::shared_lock guard(live_.mutex);
    const auto index = live_.indexes.find(id_);
    if (index == live_.indexes.end()) return true;
    return std::all_of(index->second.groups.begin(), index->second.groups.end(),
                       [](const std::vector<Run>& runs) { return runs.empty(); });
  }

 private:
  /// Calls `visit` with each block that may hold entries of this hash, from the newest run to the oldest, until it
  /// returns false.
  template <typename Visit>
  Status for_each_block(uint64_t hash, Visit&& visit) {
    const auto index = live_.indexes.find(id_);
    if (index == live_.indexes.end()) return {};
    const uint32_t group = group_of(hash);
    const std::vector<Run>& runs = index->second.groups[group];
    for (size_t i = runs.size(); i-- > 0;) {
      if (!runs[i].filter->may_have(hash)) continue;
      const auto [first, last] = runs[i].filter->blocks_of(hash);
      for (uint32_t block = first; block < last; ++block) {
        MR_ASSIGN(const BlockCache::Block found, read(block_key(id_, group, runs[i].number, block)));
        if (!visit(found)) return {};
      }
    }
    return {};
  }

  Result<BlockCache::Block> read(const std::string& key) {
    if (BlockCache::Block cached = live_.cache.find(key)) return cached;
    MR_ASSIGN(std::string bytes, live_.key_values->get(key));
    MR_ASSIGN(BlockCache::Block block, IndexedBlock::open(std::move(bytes)));
    live_.blocks_read.fetch_add(1, std::memory_order_relaxed);
    live_.cache.insert(key, block);
    return block;
  }

  Status scan(const std::function<bool(const Entry&)>& visit) {
    const auto index = live_.indexes.find(id_);
    if (index == live_.indexes.end()) return {};
    const uint32_t nodes_a_group = kVirtualNodes / kGroups;
    for (uint32_t group = range_.first / nodes_a_group; group * nodes_a_group < range_.end; ++group) {
      RunMerge merge;
      for (const Run& run : index->second.groups[group]) {
        MR_TRY(merge.add_run(run.blocks, [this, group, number = run.number](uint32_t block) {
          live_.blocks_read.fetch_add(1, std::memory_order_relaxed);
          return live_.key_values->get(block_key(id_, group, number, block));
        }));
      }
      Entry entry;
      while (true) {
        MR_ASSIGN(const bool more, merge.next(entry));
        if (!more) break;
        const uint32_t node = virtual_node_of(entry.hash).value;
        if (entry.deleted || node < range_.first || node >= range_.end) continue;
        if (!visit(entry)) return {};
      }
    }
    return {};
  }

  LiveRuns& live_;
  const TableId id_;
  const NodeRange range_;
};

}  // namespace

std::unique_ptr<StoredEntries> make_stored_entries(LiveRuns& live, TableId id, NodeRange range) {
  return std::make_unique<RunEntries>(live, id, range);
}

}  // namespace millrace::state
