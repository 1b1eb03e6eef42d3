// Keyed operator state, with what a checkpoint needs: what changed since the last one. A table is in memory; what was
// evicted, or is there since before the start, is read back from the store when it is asked for (docs/adr/0006).
//
// Two shapes serve every operator. ValueTable: key → one value (aggregates, first rows). BagTable: key → a bag of rows,
// each with a count (joins, windows, the general form). Keys, values and rows are byte strings (batch/row_codec.h). A
// table belongs to one operator and one worker, which alone calls it; it holds the virtual nodes of that worker.
//
// Layout in memory: open addressing on the 64-bit key hash, entries in one array, bytes in an arena with free lists by
// size, so that a lookup costs two cache misses and an update of the same size costs no allocation.
//
// `rows_read` counts the entries that callers looked at: EXPLAIN ANALYZE shows it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace millrace::state {

/// An entry of a checkpoint or of a restore: (key hash, key, payload). A deleted one has no payload; a live one never
/// has an empty one.
struct Entry {
  uint64_t hash = 0;
  std::string_view key;
  std::string_view payload;
  bool deleted = false;
};

/// What the last checkpoint holds of one table, in the virtual nodes of the worker that asks. A read that fails finds
/// nothing, and the store remembers it (Store::status). Views live during the call; `visit` must not come back here.
class StoredEntries {
 public:
  virtual ~StoredEntries() = default;
  /// The live entry of the key; false when there is none.
  virtual bool find_key(uint64_t hash, std::string_view key, std::string& payload) = 0;
  /// All live entries of the hash whose key starts with `prefix`, in order.
  virtual void find_prefix(uint64_t hash, std::string_view prefix, const std::function<void(const Entry&)>& visit) = 0;
  /// All live entries, by (hash, key), until `visit` returns false. May be called by several threads.
  virtual void for_each(const std::function<bool(const Entry&)>& visit) = 0;
  virtual bool empty() = 0;
};

/// What the engine needs from every table.
class Table {
 public:
  virtual ~Table() = default;
  /// Entries beyond memory are looked up there from now on. `complete`: memory holds all of them already.
  void attach(std::unique_ptr<StoredEntries> stored, bool complete) {
    stored_ = std::move(stored);
    partial_ = !complete;
  }
  /// Memory may not hold all entries.
  bool partial() const { return partial_; }
  /// No entry, surely.
  bool empty() const { return entries() == 0 && !partial_; }
  /// Takes about `bytes` of clean entries out of memory, those not used for long first; returns how many bytes. Between
  /// steps. Takes none while nothing is attached.
  virtual size_t evict(size_t bytes) = 0;
  /// Calls `visit` with each live entry that is in memory.
  virtual void for_each_resident(const std::function<void(const Entry&)>& visit) const = 0;
  /// Live entries in memory.
  virtual size_t entries() const = 0;
  virtual size_t memory_bytes() const = 0;
  /// Bytes of the entries changed since the last clear_dirty().
  virtual size_t dirty_bytes() const = 0;
  /// Calls `visit` with each entry changed since the last clear_dirty(), in no order. Views live during the call.
  virtual void for_each_dirty(const std::function<void(const Entry&)>& visit) const = 0;
  virtual void clear_dirty() = 0;
  /// Puts an entry as a checkpoint wrote it. Only before first use; leaves nothing dirty.
  virtual Status restore(const Entry& entry) = 0;
  /// Every live entry, in memory or stored, in no order.
  virtual void for_each(const std::function<void(const Entry&)>& visit) const = 0;

  uint64_t rows_read = 0;
  uint64_t rows_fetched = 0;  ///< entries that lookups brought back into memory

 protected:
  std::unique_ptr<StoredEntries> stored_;
  bool partial_ = false;
};

/// key → value bytes.
class ValueTable final : public Table {
 public:
  ValueTable();
  ~ValueTable() override;

  /// The value, writable in place, or nullptr. Valid until its own key is put or erased, or clear_dirty(); other keys
  /// do not disturb it. Call mark_dirty after writing.
  struct Slot {
    char* value = nullptr;
    uint32_t length = 0;
    uint32_t index = 0;  ///< for mark_dirty
    bool inserted = false;
    explicit operator bool() const { return value != nullptr; }
    std::string_view view() const { return {value, length}; }
  };
  Slot find(uint64_t hash, std::string_view key);
  /// Inserts `length` (at least 1) zero bytes when the key is new; the new entry is dirty.
  Slot find_or_insert(uint64_t hash, std::string_view key, uint32_t length);
  void mark_dirty(const Slot& slot);
  /// Key and hash of a slot's entry; valid as long as the slot.
  std::string_view key_of(const Slot& slot) const;
  uint64_t hash_of(const Slot& slot) const;
  /// Sets the value, of any length but 0.
  void put(uint64_t hash, std::string_view key, std::string_view value);
  bool erase(uint64_t hash, std::string_view key);
  /// Visits all (hash, key, value); `visit` returns false to stop. Counts as rows read.
  void scan(const std::function<bool(uint64_t, std::string_view, std::string_view)>& visit);
  /// Fetches the cache line of the hash slot of a coming find; a few rows later, prefetch_entry fetches the entry
  /// itself.
  void prefetch(uint64_t hash) const;
  void prefetch_entry(uint64_t hash) const;

  size_t entries() const override;
  size_t memory_bytes() const override;
  size_t dirty_bytes() const override;
  void for_each_dirty(const std::function<void(const Entry&)>& visit) const override;
  void clear_dirty() override;
  Status restore(const Entry& entry) override;
  size_t evict(size_t bytes) override;
  void for_each_resident(const std::function<void(const Entry&)>& visit) const override;
  void for_each(const std::function<void(const Entry&)>& visit) const override;

 private:
  struct Rep;
  uint32_t locate(uint64_t hash, std::string_view key);
  uint32_t fetch(uint64_t hash, std::string_view key);
  uint32_t obtain(uint64_t hash, std::string_view key, uint32_t length, bool& inserted);
  void for_each_evicted(const std::function<bool(const Entry&)>& visit) const;
  std::unique_ptr<Rep> rep_;
};

class RowOrder;

/// key → bag of (row, count ≠ 0). A row's bytes may repeat with counts above 1; a count may pass through negative
/// values within a step (a retraction that comes before its insertion) and is kept.
class BagTable final : public Table {
 public:
  BagTable();
  ~BagTable() override;

  /// A group, by number; stable until the group becomes empty and its number is used again after release_empty().
  using Group = uint32_t;
  static constexpr Group kNone = UINT32_MAX;

  Group find(uint64_t hash, std::string_view key);
  Group find_or_insert(uint64_t hash, std::string_view key);
  std::string_view key_of(Group group) const;
  uint64_t hash_of(Group group) const;
  /// Number of distinct rows in the group.
  size_t rows(Group group) const;
  /// Adds `diff` to the row's count and returns the count after. `row_hash` must be hash_bytes(row). Groups above a few
  /// dozen rows keep an index, so the cost does not grow with the group.
  int64_t add(Group group, uint64_t row_hash, std::string_view row, int64_t diff);
  /// Visits the group's rows (row bytes, count) in no order. Counts as rows read. The table must not change meanwhile.
  template <typename Visit>
  void for_each_row(Group group, Visit&& visit) {
    RowCursor cursor(*this, group);
    std::string_view row;
    int64_t count;
    while (cursor.next(row, count)) visit(row, count);
  }
  /// Frees groups that have no rows left (called at the end of a step).
  void release_empty();
  /// Takes all rows of the group away; the group itself goes with the next release_empty().
  void clear_group(Group group);
  /// Number of groups in memory that have rows.
  size_t groups() const;
  /// Visits all groups in memory that have rows, until `visit` returns false.
  void for_each_group(const std::function<bool(Group)>& visit) const;
  /// Visits hash and key of all groups that have rows, in memory or stored, until `visit` returns false.
  void for_each_group_key(const std::function<bool(uint64_t, std::string_view)>& visit) const;
  /// Fetches cache lines, each a few rows after the one before: of the hash slot, of the group's entry, of its key.
  void prefetch(uint64_t hash) const;
  void prefetch_entry(uint64_t hash) const;
  void prefetch_key(uint64_t hash) const;
  /// The same for a coming add() to a group that was found, or for a visit of its rows.
  void prefetch_rows(Group group, uint64_t row_hash) const;

  size_t entries() const override;
  size_t memory_bytes() const override;
  size_t dirty_bytes() const override;
  /// An entry's key is varint(key length) key row; its payload the count as zigzag varint. Its hash is the group key's.
  void for_each_dirty(const std::function<void(const Entry&)>& visit) const override;
  void clear_dirty() override;
  Status restore(const Entry& entry) override;
  size_t evict(size_t bytes) override;
  void for_each_resident(const std::function<void(const Entry&)>& visit) const override;
  void for_each(const std::function<void(const Entry&)>& visit) const override;

  /// From now on SortedCursor goes through groups in the order of the rows' bytes from `skip` on; every row is longer
  /// than that, and no two rows of a group are equal behind it. Only while the table is empty.
  void keep_sorted(size_t skip);

  class RowCursor {
   public:
    RowCursor(BagTable& table, Group group);
    bool next(std::string_view& row, int64_t& count);

   private:
    BagTable& table_;
    Group group_;
    uint32_t next_ = 0;
  };

  /// Goes through a group's rows in order. The rows it gives count as read. The group must not change meanwhile. Small
  /// groups are sorted at seek; in large ones a seek costs a binary search.
  class SortedCursor {
   public:
    explicit SortedCursor(BagTable& table) : table_(table) {}
    /// Before the group's first row.
    void seek_first(Group group);
    /// Before the first row that is not less than `from`, compared with the rows' bytes behind `skip`.
    void seek(Group group, std::string_view from);
    /// Before the row that has at most `count` copies of rows before it, and more with its own; behind the last row
    /// when there is none. Returns how many are before it.
    int64_t seek_count(Group group, int64_t count);
    /// Behind the group's last row.
    void seek_end(Group group);
    bool next(std::string_view& row, int64_t& count);
    bool previous(std::string_view& row, int64_t& count);
    /// The sum of the counts of the rows before the place, and of all rows of the group. In a large group that costs a
    /// look at the counts of up to 64 rows, and at one number for each 64 to 128 rows between here and the nearer end.
    int64_t count_before() const;
    int64_t count_of_all() const;

   private:
    void open(Group group);
    void give(uint32_t block, std::string_view& row, int64_t& count);
    BagTable& table_;
    const RowOrder* order_ = nullptr;  // null: a small group, in sorted_
    uint32_t leaf_ = 0, at_ = 0;       // the place in the order; in sorted_ only at_
    std::vector<uint32_t> sorted_;     // blocks
  };

 private:
  friend class RowCursor;
  friend class SortedCursor;
  struct Rep;
  Group fetch(uint64_t hash, std::string_view key);
  void for_each_evicted(const std::function<bool(const Entry&)>& visit) const;
  std::unique_ptr<Rep> rep_;
};

}  // namespace millrace::state
