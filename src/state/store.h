// Store: the durable side of operator state. A checkpoint writes the changed entries of every table as sorted blocks of
// up to 2,048 entries, one run for each table and group of 16 virtual nodes, atomically and synced, together with a
// small note of the caller's (the epoch and cuts it stands at). RocksDB holds them, in files
// of the Env. docs/formats/state.md.
//
// Owned by the engine; one thread at a time, but any number of tables may look up their entries. After a failed write
// it must be opened again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "state/table.h"

namespace millrace::state {

/// Names one table: an operator may have several (a join has two).
struct TableId {
  OperatorId op;
  uint8_t slot = 0;
  auto operator<=>(const TableId&) const = default;
};

/// Virtual nodes [first, end).
struct NodeRange {
  uint32_t first = 0;
  uint32_t end = kVirtualNodes;
};

struct StoreOptions {
  uint64_t block_cache_bytes = 64ULL << 20;  ///< a quarter of it for RocksDB, the rest for decoded blocks
  /// Runs of one (table, virtual node) are merged into one when there are more than this many.
  uint32_t runs_max = 8;
};

/// A table as a checkpoint sees it; with several workers a TableId appears once for each.
struct TableRef {
  TableId id;
  Table* table;
  uint32_t worker = 0;
};

struct CheckpointStats {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t blocks = 0;
};

class Store {
 public:
  /// Opens or creates DIR. A directory of another format version is refused with the version and the way out.
  static Result<std::unique_ptr<Store>> open(Env& env, const std::string& directory, const StoreOptions& options);
  virtual ~Store() = default;

  /// The note of the last checkpoint; empty when there is none yet.
  virtual Result<std::string> last_note() = 0;
  /// Writes what is dirty in all tables and the note, atomically and durably; then the tables are clean. The pool's
  /// workers sort and encode, each one table at a time.
  virtual Result<CheckpointStats> checkpoint(std::string_view note, std::vector<TableRef> tables, ThreadPool& pool) = 0;
  /// The table's entries, for Table::attach. The store outlives them.
  virtual std::unique_ptr<StoredEntries> entries_of(TableId id, NodeRange range) = 0;
  /// The first error of a lookup: from then on what tables found is not to be trusted.
  virtual Status status() = 0;
  /// Readers of tables hold it shared; a checkpoint takes it alone while it changes what they see. Set before use.
  virtual void set_readers_mutex(std::shared_mutex* readers) = 0;
  /// Memory that grows with what is stored: filters, indexes, and what waits to be written to files.
  virtual uint64_t index_bytes() = 0;
  /// From now on decoded blocks may take so much memory beyond `block_cache_bytes`.
  virtual void lend_to_block_cache(uint64_t bytes) = 0;
  /// Blocks that lookups and scans have read.
  virtual uint64_t blocks_read() = 0;
  /// Gives every live entry of a table as of the last checkpoint, e.g. to the worker that owns its virtual node.
  virtual Status restore(TableId id, const std::function<Status(const Entry&)>& put) = 0;
  /// Forgets these tables.
  virtual Status drop_tables(const std::vector<TableId>& tables) = 0;
  /// Forgets tables of dropped operators.
  virtual Status drop(const std::vector<OperatorId>& operators) = 0;
  virtual uint64_t disk_bytes() = 0;
  /// Makes `directory`, which must not exist, a durable copy as of the last checkpoint, with hard links where it can.
  virtual Status copy_to(const std::string& directory) = 0;
};

}  // namespace millrace::state
