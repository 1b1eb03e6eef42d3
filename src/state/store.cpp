#include "state/store.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
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
constexpr const char* kManifestKey = "manifest";
/// A checkpoint of more bytes than this is ingested as a file.
constexpr uint64_t kIngestBytes = 4 << 20;
constexpr size_t kBlockEntries = 2048;

Error rocks_error(const rocksdb::Status& status, std::string_view what) {
  std::string code = status.IsNoSpace() ? sqlstate::kDiskFull : status.IsCorruption() ? sqlstate::kDataCorrupted : sqlstate::kIoError;
  return external_error(std::move(code), std::string(what) + ": " + status.ToString());
}

std::string run_prefix(TableId id, uint64_t run) {
  std::string key = "r";
  append_big(key, id.op.value);
  key.push_back(static_cast<char>(id.slot));
  append_big(key, run);
  return key;
}

/// Run key: 'r', operator, slot, run number, virtual node, block number; all big-endian, so that the blocks of a run lie together in order.
std::string block_key(TableId id, uint64_t run, uint16_t node, uint32_t block) {
  std::string key = run_prefix(id, run);
  append_big(key, node);
  append_big(key, block);
  return key;
}

class RocksStore final : public Store {
 public:
  explicit RocksStore(const StoreOptions& options) : options_(options) {}

  Status open(const std::string& directory) {
    directory_ = directory;
    rocksdb::Options& rocks = rocks_;
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
    return load_manifest();
  }

  Result<std::string> last_note() override { return manifest_.note; }

  Result<CheckpointStats> checkpoint(std::string_view note, std::vector<TableRef> tables) override {
    CheckpointStats stats;
    std::map<TableId, std::vector<Table*>> by_id;
    for (const TableRef& ref : tables) by_id[ref.id].push_back(ref.table);
    Manifest next = manifest_;
    std::vector<Block> blocks;
    std::vector<std::pair<TableId, uint64_t>> replaced;
    for (const auto& [id, parts] : by_id) {
      std::vector<uint64_t>& runs = next.runs[id];
      bool merge = runs.size() >= options_.runs_max;  // then all live entries are written anew, in place of all runs
      if (!write_run(id, next.next_run, parts, merge, blocks, stats)) continue;
      if (merge) {
        for (uint64_t run : runs) replaced.emplace_back(id, run);
        runs.clear();
      }
      runs.push_back(next.next_run);
    }
    ++next.next_run;
    MR_TRY(put_blocks(blocks, stats.bytes));
    next.note = note;
    MR_TRY(put_manifest(next, replaced));
    manifest_ = std::move(next);
    for (const TableRef& ref : tables) ref.table->clear_dirty();
    return stats;
  }

  Status restore(TableId id, const std::function<Status(const Entry&)>& put) override {
    auto found = manifest_.runs.find(id);
    if (found == manifest_.runs.end()) return {};
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

  Status drop_tables(const std::vector<TableId>& tables) override {
    return drop_where([&](TableId id) { return std::find(tables.begin(), tables.end(), id) != tables.end(); });
  }

  Status drop(const std::vector<OperatorId>& operators) override {
    return drop_where([&](TableId id) { return std::find(operators.begin(), operators.end(), id.op) != operators.end(); });
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

  /// Which runs count, and the caller's note: one value, written after the blocks, so that a checkpoint is there whole or not at all.
  struct Manifest {
    uint64_t next_run = 1;
    std::map<TableId, std::vector<uint64_t>> runs;  // oldest first
    std::string note;
  };

  struct Block {
    std::string key;
    std::string bytes;
  };

  Status drop_where(const std::function<bool(TableId)>& is_dropped) {
    Manifest next = manifest_;
    std::vector<std::pair<TableId, uint64_t>> replaced;
    for (const auto& [id, runs] : manifest_.runs) {
      if (!is_dropped(id)) continue;
      for (uint64_t run : runs) replaced.emplace_back(id, run);
      next.runs.erase(id);
    }
    if (replaced.empty()) return {};
    MR_TRY(put_manifest(next, replaced));
    manifest_ = std::move(next);
    return {};
  }

  Status load_manifest() {
    std::string bytes;
    rocksdb::Status status = db_->Get({}, kManifestKey, &bytes);
    if (status.IsNotFound()) return {};
    if (!status.ok()) return rocks_error(status, "reading the last checkpoint");
    ByteReader reader(bytes);
    MR_ASSIGN(manifest_.next_run, reader.varint());
    MR_ASSIGN(uint64_t tables, reader.varint());
    for (uint64_t i = 0; i < tables; ++i) {
      TableId id;
      MR_ASSIGN(uint64_t op, reader.varint());
      MR_ASSIGN(id.slot, reader.little<uint8_t>());
      id.op = OperatorId(static_cast<uint32_t>(op));
      MR_ASSIGN(uint64_t runs, reader.varint());
      for (uint64_t r = 0; r < runs; ++r) {
        MR_ASSIGN(uint64_t run, reader.varint());
        manifest_.runs[id].push_back(run);
      }
    }
    MR_ASSIGN(std::string_view note, reader.string());
    manifest_.note = note;
    return {};
  }

  /// Durable on return. Blocks of replaced runs go in the same write.
  Status put_manifest(const Manifest& manifest, const std::vector<std::pair<TableId, uint64_t>>& replaced) {
    std::string bytes;
    append_varint(bytes, manifest.next_run);
    append_varint(bytes, manifest.runs.size());
    for (const auto& [id, runs] : manifest.runs) {
      append_varint(bytes, id.op.value);
      append_little(bytes, id.slot);
      append_varint(bytes, runs.size());
      for (uint64_t run : runs) append_varint(bytes, run);
    }
    append_string(bytes, manifest.note);
    rocksdb::WriteBatch batch;
    for (const auto& [id, run] : replaced) {
      std::string first = run_prefix(id, run);
      std::string end = run_prefix(id, run + 1);
      batch.DeleteRange(first, end);
    }
    batch.Put(kManifestKey, bytes);
    rocksdb::WriteOptions write;
    write.sync = true;
    rocksdb::Status status = db_->Write(write, &batch);
    return status.ok() ? Status() : Status(rocks_error(status, "writing a checkpoint"));
  }

  /// Spreads the entries over one block builder a virtual node: no sorting, no copy in between. False when there are none.
  static bool write_run(TableId id, uint64_t run, const std::vector<Table*>& parts, bool all, std::vector<Block>& blocks,
                        CheckpointStats& stats) {
    std::vector<BlockBuilder> nodes(kVirtualNodes);
    std::vector<uint32_t> numbers(kVirtualNodes, 0);
    uint64_t before = stats.entries;
    auto finish = [&](uint16_t node) {
      blocks.push_back({block_key(id, run, node, numbers[node]++), nodes[node].finish()});
      stats.bytes += blocks.back().bytes.size();
      ++stats.blocks;
    };
    auto add = [&](const Entry& entry) {
      uint16_t node = virtual_node_of(entry.hash).value;
      nodes[node].add(entry);
      ++stats.entries;
      if (nodes[node].entries() == kBlockEntries) finish(node);
    };
    for (Table* part : parts) all ? part->for_each(add) : part->for_each_dirty(add);
    for (uint16_t node = 0; node < kVirtualNodes; ++node) {
      if (nodes[node].entries() > 0) finish(node);
    }
    return stats.entries > before;
  }

  /// Many blocks go in as one sorted file, which RocksDB takes over without writing them again; few as a plain batch, which
  /// the manifest's synced write makes durable with it.
  Status put_blocks(std::vector<Block>& blocks, uint64_t bytes) {
    if (blocks.empty()) return {};
    if (bytes < kIngestBytes) {
      rocksdb::WriteBatch batch;
      for (const Block& block : blocks) batch.Put(block.key, block.bytes);
      rocksdb::Status status = db_->Write({}, &batch);
      return status.ok() ? Status() : Status(rocks_error(status, "writing a checkpoint"));
    }
    std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) { return a.key < b.key; });
    std::string path = directory_ + "/checkpoint.sst.tmp";
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), rocks_);
    rocksdb::Status status = writer.Open(path);
    for (size_t i = 0; status.ok() && i < blocks.size(); ++i) status = writer.Put(blocks[i].key, blocks[i].bytes);
    if (status.ok()) status = writer.Finish();
    rocksdb::IngestExternalFileOptions ingest;
    ingest.move_files = true;
    if (status.ok()) status = db_->IngestExternalFile({path}, ingest);
    return status.ok() ? Status() : Status(rocks_error(status, "writing a checkpoint"));
  }

  Status read_run(TableId id, uint64_t run, const std::function<Status(const Entry&)>& visit) {
    std::string prefix = run_prefix(id, run);
    std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
      MR_TRY(read_block(at->value().ToStringView(), visit));
    }
    return at->status().ok() ? Status() : Status(rocks_error(at->status(), "reading the state"));
  }

  StoreOptions options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::string directory_;
  rocksdb::Options rocks_;
  Manifest manifest_;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(Env& env, const std::string& directory, const StoreOptions& options) {
  MR_TRY(env.files().create_directories(directory));
  auto store = std::make_unique<RocksStore>(options);
  MR_TRY(store->open(directory));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace millrace::state
