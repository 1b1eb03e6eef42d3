// LiveRuns: what readers of stored state share: which runs are live, their filters, a cache of decoded blocks.
//
// Many threads may read at once; the store changes the runs, and the blocks on disk, with `mutex` held exclusively.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "state/block.h"
#include "state/key_values.h"
#include "state/run_index.h"
#include "state/table.h"

namespace millrace::state {

/// The decoded blocks that were used last, up to a number of bytes.
class BlockCache {
 public:
  using Block = std::shared_ptr<const IndexedBlock>;
  explicit BlockCache(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  /// Null when it is not there.
  Block find(const std::string& key);
  void insert(const std::string& key, Block block);
  void set_bytes_max(uint64_t bytes);

 private:
  struct Item {
    std::string key;
    Block block;
  };
  void shrink();

  std::mutex mutex_;
  uint64_t bytes_max_;
  std::list<Item> items_;  // the one used last in front
  std::unordered_map<std::string_view, std::list<Item>::iterator> places_;
  uint64_t bytes_ = 0;
};

struct LiveRuns {
  explicit LiveRuns(uint64_t cache_bytes) : cache(cache_bytes) {}

  KeyValues* key_values = nullptr;  // fixed once open; the store's
  std::shared_mutex mutex;
  std::map<TableId, RunIndex> indexes;  // guarded by mutex
  BlockCache cache;
  std::atomic<uint64_t> blocks_read{0};

  void fail(Error error);
  Status status() const;

 private:
  mutable std::mutex failure_mutex_;
  std::optional<Error> failure_;  // the first
};

/// The entries of one table in these virtual nodes. `live` outlives it.
std::unique_ptr<StoredEntries> make_stored_entries(LiveRuns& live, TableId id, NodeRange range);

}  // namespace millrace::state
