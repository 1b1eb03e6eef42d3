#include "state/store.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/bytes.h"
#include "state/block.h"

namespace millrace::state {
namespace {

constexpr std::string_view kFormatVersion = "1";
constexpr const char* kVersionKey = "version";
constexpr const char* kNoteKey = "note";
constexpr size_t kBlockEntries = 2048;

Error rocks_error(const rocksdb::Status& status, std::string_view what) {
  std::string code = status.IsNoSpace() ? sqlstate::kDiskFull : status.IsCorruption() ? sqlstate::kDataCorrupted : sqlstate::kIoError;
  return external_error(std::move(code), std::string(what) + ": " + status.ToString());
}

/// Run key: 'r', operator, slot, run number, virtual node, block number; all big-endian, so that the blocks of a run lie together in order.
std::string block_key(TableId id, uint64_t run, uint16_t node, uint32_t block) {
  std::string key = "r";
  append_big(key, id.op.value);
  key.push_back(static_cast<char>(id.slot));
  append_big(key, run);
  append_big(key, node);
  append_big(key, block);
  return key;
}

std::string table_prefix(TableId id) {
  std::string key = "r";
  append_big(key, id.op.value);
  key.push_back(static_cast<char>(id.slot));
  return key;
}

constexpr size_t kPrefixBytes = 6;

class RocksStore final : public Store {
 public:
  explicit RocksStore(const StoreOptions& options) : options_(options) {}

  Status open(const std::string& directory) {
    rocksdb::Options rocks;
    rocks.create_if_missing = true;
    rocks.compression = rocksdb::kLZ4Compression;
    rocks.max_background_jobs = 1;
    rocks.write_buffer_size = 64 << 20;
    rocks.keep_log_file_num = 2;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(options_.block_cache_bytes);
    rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    rocksdb::Status status = rocksdb::DB::Open(rocks, directory, &db);
    if (!status.ok()) return rocks_error(status, "opening the state in " + directory);
    db_.reset(db);
    MR_TRY(check_version(directory));
    return load_runs();
  }

  Result<std::string> last_note() override {
    std::string note;
    rocksdb::Status status = db_->Get({}, kNoteKey, &note);
    if (status.IsNotFound()) return std::string();
    if (!status.ok()) return rocks_error(status, "reading the last checkpoint");
    return note;
  }

  Result<CheckpointStats> checkpoint(std::string_view note, std::vector<TableRef> tables) override {
    CheckpointStats stats;
    rocksdb::WriteBatch batch;
    std::map<TableId, std::vector<Table*>> by_id;
    for (const TableRef& ref : tables) by_id[ref.id].push_back(ref.table);
    uint64_t run = next_run_;
    std::vector<TableId> written;
    for (const auto& [id, parts] : by_id) {
      bool any = false;
      if (runs_[id].size() >= options_.runs_max) {
        MR_TRY(write_merged(id, parts, run, batch, stats, any));
      } else {
        write_dirty(id, parts, run, batch, stats, any);
      }
      if (any) written.push_back(id);
    }
    batch.Put(kNoteKey, rocksdb::Slice(note.data(), note.size()));
    rocksdb::WriteOptions write;
    write.sync = true;
    rocksdb::Status status = db_->Write(write, &batch);
    if (!status.ok()) return rocks_error(status, "writing a checkpoint");
    for (const TableId& id : merged_) runs_[id].clear();
    merged_.clear();
    for (const TableId& id : written) runs_[id].push_back(run);
    ++next_run_;
    for (const TableRef& ref : tables) ref.table->clear_dirty();
    return stats;
  }

  Status restore(TableId id, const std::function<Status(const Entry&)>& put) override {
    auto found = runs_.find(id);
    if (found == runs_.end()) return {};
    // From the newest run to the oldest: the first entry of a key counts.
    bool one_run = found->second.size() == 1;
    std::unordered_map<std::string, bool> seen;
    for (auto run = found->second.rbegin(); run != found->second.rend(); ++run) {
      MR_TRY(read_run(id, *run, [&](const Entry& entry) -> Status {
        if (!one_run && !seen.try_emplace(std::string(entry.key), true).second) return {};
        return entry.deleted ? Status() : put(entry);
      }));
    }
    return {};
  }

  Status drop(const std::vector<OperatorId>& operators) override {
    rocksdb::WriteBatch batch;
    for (OperatorId op : operators) {
      std::string first = "r";
      append_big(first, op.value);
      std::string end = "r";
      append_big(end, op.value + 1);
      batch.DeleteRange(first, end);
      std::erase_if(runs_, [op](const auto& entry) { return entry.first.op == op; });
    }
    rocksdb::WriteOptions write;
    write.sync = true;
    rocksdb::Status status = db_->Write(write, &batch);
    return status.ok() ? Status() : Status(rocks_error(status, "dropping state"));
  }

  uint64_t disk_bytes() override {
    uint64_t bytes = 0;
    db_->GetIntProperty("rocksdb.total-sst-files-size", &bytes);
    return bytes;
  }

 private:
  Status check_version(const std::string& directory) {
    std::string version;
    rocksdb::Status status = db_->Get({}, kVersionKey, &version);
    if (status.IsNotFound()) {
      rocksdb::WriteOptions write;
      write.sync = true;
      status = db_->Put(write, kVersionKey, rocksdb::Slice(kFormatVersion.data(), kFormatVersion.size()));
      return status.ok() ? Status() : Status(rocks_error(status, "writing the state's version"));
    }
    if (!status.ok()) return rocks_error(status, "reading the state's version");
    if (version == kFormatVersion) return {};
    return user_error(sqlstate::kNotSupported, "the state in " + directory + " has format version " + version)
        .with_hint("this program reads version " + std::string(kFormatVersion) + "; use the release that wrote the directory");
  }

  Status load_runs() {
    std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    for (at->Seek("r"); at->Valid() && at->key().starts_with("r");) {
      std::string_view key = at->key().ToStringView();
      if (key.size() < kPrefixBytes + 8) return external_error(sqlstate::kDataCorrupted, "the state has a malformed key");
      TableId id{OperatorId(load_big<uint32_t>(key.data() + 1)), static_cast<uint8_t>(key[5])};
      auto run = load_big<uint64_t>(key.data() + kPrefixBytes);
      runs_[id].push_back(run);
      next_run_ = std::max(next_run_, run + 1);
      std::string after = table_prefix(id);
      append_big(after, run + 1);
      at->Seek(after);
    }
    return at->status().ok() ? Status() : Status(rocks_error(at->status(), "reading the state"));
  }

  struct Pending {
    uint16_t node;
    Entry entry;
  };

  /// Sorts entries by (virtual node, key) and writes them as blocks. A block holds one virtual node's entries.
  static void write_blocks(TableId id, uint64_t run, std::vector<Pending>& entries, rocksdb::WriteBatch& batch, CheckpointStats& stats) {
    std::sort(entries.begin(), entries.end(), [](const Pending& a, const Pending& b) {
      return std::pair(a.node, a.entry.key) < std::pair(b.node, b.entry.key);
    });
    BlockBuilder block;
    uint32_t number = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      block.add(entries[i].entry);
      bool last = i + 1 == entries.size() || block.entries() == kBlockEntries;
      if (!last) continue;
      std::string bytes = block.finish();
      batch.Put(block_key(id, run, entries[i].node, number++), bytes);
      stats.bytes += bytes.size();
      ++stats.blocks;
    }
    stats.entries += entries.size();
  }

  static void write_dirty(TableId id, const std::vector<Table*>& parts, uint64_t run, rocksdb::WriteBatch& batch,
                          CheckpointStats& stats, bool& any) {
    std::vector<Pending> entries;
    Arena arena;
    for (Table* part : parts) {
      part->for_each_dirty([&](const Entry& entry) { entries.push_back({virtual_node_of(entry.hash).value, arena.copy(entry)}); });
    }
    any = !entries.empty();
    write_blocks(id, run, entries, batch, stats);
  }

  /// Too many runs: writes all live entries anew, in place of all of them.
  Status write_merged(TableId id, const std::vector<Table*>& parts, uint64_t run, rocksdb::WriteBatch& batch, CheckpointStats& stats,
                      bool& any) {
    std::string first = table_prefix(id);
    std::string end = first;
    append_big(end, run);
    batch.DeleteRange(first, end);
    merged_.push_back(id);
    std::vector<Pending> entries;
    Arena arena;
    for (Table* part : parts) {
      part->for_each([&](const Entry& entry) { entries.push_back({virtual_node_of(entry.hash).value, arena.copy(entry)}); });
    }
    any = !entries.empty();
    write_blocks(id, run, entries, batch, stats);
    return {};
  }

  Status read_run(TableId id, uint64_t run, const std::function<Status(const Entry&)>& visit) {
    std::string prefix = table_prefix(id);
    append_big(prefix, run);
    std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
      MR_TRY(read_block(at->value().ToStringView(), visit));
    }
    return at->status().ok() ? Status() : Status(rocks_error(at->status(), "reading the state"));
  }

  /// Keeps copies of entries' bytes.
  class Arena {
   public:
    Entry copy(const Entry& entry) {
      Entry kept = entry;
      kept.key = keep(entry.key);
      kept.payload = keep(entry.payload);
      return kept;
    }

   private:
    std::string_view keep(std::string_view bytes) {
      if (bytes.empty()) return {};
      if (blocks_.empty() || used_ + bytes.size() > size_) {
        size_ = std::max<size_t>(1 << 20, bytes.size());
        blocks_.emplace_back(new char[size_]);
        used_ = 0;
      }
      char* at = blocks_.back().get() + used_;
      std::copy(bytes.begin(), bytes.end(), at);
      used_ += bytes.size();
      return {at, bytes.size()};
    }

    std::vector<std::unique_ptr<char[]>> blocks_;
    size_t used_ = 0;
    size_t size_ = 0;
  };

  StoreOptions options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::map<TableId, std::vector<uint64_t>> runs_;  // oldest first
  std::vector<TableId> merged_;                    // by the checkpoint that is being written
  uint64_t next_run_ = 1;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(Env& env, const std::string& directory, const StoreOptions& options) {
  MR_TRY(env.files().create_directories(directory));
  auto store = std::make_unique<RocksStore>(options);
  MR_TRY(store->open(directory));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace millrace::state
