// ViewStore: the committed rows of one view or table, for pull queries, snapshots and subscriptions.
//
// A step's rows are staged, encoded and hashed by the workers that emit them; a commit applies them. Readers copy the
// rows they want under a shared lock (held by the caller) and decode outside it. Rows are spread over shards, one a
// worker, so that a commit applies them in parallel: by the virtual node of their hash, each once with its count; or, of
// a view that never takes a row away, as they come (appended_rows.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/batch.h"
#include "batch/row_codec.h"
#include "engine/appended_rows.h"
#include "state/store.h"
#include "state/table.h"

namespace millrace::engine {

/// One change of a view within a commit, + and − of equal rows already cancelled.
struct Change {
  std::string_view row;  ///< encoded; lives until the staged rows are cleared
  int64_t diff = 0;
};

class ViewStore {
 public:
  /// Slots of its tables beside those of the view's root operator.
  static constexpr uint8_t kCountedSlot = 255;
  static constexpr uint8_t kAppendedSlot = 254;
  static bool owns(state::TableId id) { return id.slot >= kAppendedSlot; }

  /// `root`: the view's root operator. `append_only`: no row ever comes with a negative diff.
  ViewStore(batch::Schema schema, OperatorId root, bool append_only, uint32_t workers);

  const batch::Schema& schema() const { return schema_; }
  const batch::RowCodec& codec() const { return codec_; }
  bool append_only() const { return append_only_; }

  /// Called by `worker` during a step.
  void stage(uint32_t worker, const batch::Batch& batch);
  /// The staged changes, consolidated, ordered by first appearance. Call between steps.
  std::vector<Change> staged_changes() const;
  bool has_staged() const;
  /// Applies what was staged to one shard; call for every shard, in parallel, readers excluded.
  void apply(uint32_t shard);
  /// Forgets what was staged, after all shards were applied.
  void clear_staged();

  /// A copy of all rows. Any number of readers, each with its own position; the store may be gone by then.
  struct Snapshot {
    batch::RowCodec codec;
    std::string bytes = {};
    std::vector<uint64_t> ends = {};  ///< end of each row in bytes
    std::vector<int64_t> counts = {};
    bool cut = false;      ///< it would have been larger than it may be, and lacks rows
    bool damaged = false;  ///< stored bytes are no rows

    struct Position {
      size_t row = 0;
      int64_t given = 0;  ///< of the row's count: one that stands for more rows than fit is handed out in parts
    };
    /// Decodes rows from `at` on into `out` until it is full; leaves it empty at the end.
    Status read(Position& at, batch::Batch& out) const;
    bool at_end(const Position& at) const { return at.row == ends.size(); }
    uint64_t memory_bytes() const { return bytes.size() + ends.size() * (sizeof(uint64_t) + sizeof(int64_t)); }
  };
  /// Readers' lock held.
  Snapshot snapshot(uint64_t bytes_max = UINT64_MAX) const;
  uint64_t rows() const;
  uint64_t memory_bytes() const;

  /// First those of counted rows, which an append-only view has from older releases only.
  std::vector<state::TableRef> tables();
  /// Of an entry of a table of counted rows.
  static int64_t count_of(const state::Entry& entry);
  Status restore(state::TableId id, const state::Entry& entry);
  /// After a restore that read no rows: how many there are.
  void set_rows(uint64_t rows);

 private:
  struct Staged {
    batch::RowBuffer rows;  // of an append-only view: encode's own
    std::vector<batch::RowBuffer> buffers;  // the first `used` of them hold rows
    std::vector<std::vector<int64_t>> diffs;
    size_t used = 0;
  };

  void apply_counted(uint32_t shard);
  std::vector<Change> appended_changes() const;

  batch::Schema schema_;
  batch::RowCodec codec_;
  const OperatorId root_;
  const bool append_only_;
  std::vector<Staged> staged_;                              // by worker
  std::vector<std::unique_ptr<state::ValueTable>> shards_;  // counted rows
  std::vector<std::unique_ptr<AppendedRows>> appended_;  // by worker; none when rows may be taken away
  std::vector<int64_t> rows_;                            // by shard, with their counts
};

}  // namespace millrace::engine
