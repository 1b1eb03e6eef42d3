#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>

#include "state/env_file_system.h"
#include "state/key_values.h"

namespace millrace::state {

namespace {

/// A write with more bytes of blocks than this hands them to RocksDB as one sorted file, which it takes over without
/// writing them again. The file is durable before the rest of the write, so a key marks that it may be there alone.
constexpr size_t kIngestBytes = 4 << 20;
constexpr const char* kPendingKey = "pending";

Error from_rocksdb(std::string_view what, const rocksdb::Status& status, const RocksEnv& env) {
  std::string message = std::string(what) + ": " + status.ToString();
  const bool lacks_file = status.IsPathNotFound();
  if (status.IsIOError() && !lacks_file) {
    if (std::optional<Error> error = env.first_error()) return std::move(*error).within(what);
  }
  if (status.IsCorruption() || lacks_file) {
    return external_error(sqlstate::kDataCorrupted, std::move(message))
        .with_hint("start with a copy of the data directory from before, or with a new one (--data)");
  }
  return external_error(sqlstate::kIoError, std::move(message));
}

rocksdb::Options make_options(RocksEnv& env, bool single_threaded, uint64_t cache_bytes) {
  rocksdb::Options options;
  options.env = &env;
  (void)env.NewLogger("", &options.info_log).ok();  // what matters comes back as a status
  options.max_bgerror_resume_count = 0;             // a store that failed is opened again
  if (single_threaded) {                            // these would start threads
    options.stats_dump_period_sec = 0;
    options.stats_persist_period_sec = 0;
  }
  options.create_if_missing = true;
  options.compression = rocksdb::kLZ4Compression;
  options.write_buffer_size = std::clamp<uint64_t>(cache_bytes / 4, 2 << 20, 32 << 20);
  options.max_write_buffer_number = 3;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(cache_bytes);
  // Indexes stay in memory, about 0.4 % of the blocks: a lookup that had to read one would decode it whole.
  table.cache_index_and_filter_blocks = false;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class RocksKeyValues final : public KeyValues {
 public:
  RocksKeyValues(std::unique_ptr<RocksEnv> env, bool single_threaded, std::unique_ptr<rocksdb::DB> db,
                 const rocksdb::Options& options, std::string directory)
      : env_(std::move(env)),
        single_threaded_(single_threaded),
        db_(std::move(db)),
        options_(options),
        file_path_(std::move(directory) + "/checkpoint.sst.tmp") {
    env_->run_jobs();
  }
  ~RocksKeyValues() override { env_->run_jobs(); }

  Result<std::string> get(const std::string& key) override {
    rocksdb::ReadOptions options;
    options.fill_cache = false;  // blocks are read once, by a restore or a merge
    std::string value;
    const rocksdb::Status status = db_->Get(options, key, &value);
    if (status.IsNotFound()) return external_error(sqlstate::kDataCorrupted, "a block of operator state is missing");
    if (!status.ok()) return from_rocksdb("read operator state", status, *env_);
    return value;
  }

  Status scan(const std::string& prefix,
              const std::function<Status(std::string_view, std::string_view)>& visit) override {
    std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
      MR_TRY(visit(at->key().ToStringView(), at->value().ToStringView()));
    }
    if (!at->status().ok()) return from_rocksdb("read operator state", at->status(), *env_);
    return {};
  }

  Result<bool> write_was_cut() override {
    std::string value;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), kPendingKey, &value);
    if (!status.ok() && !status.IsNotFound()) return from_rocksdb("read operator state", status, *env_);
    return status.ok();
  }

  Result<std::string> first_key(const std::string& from, std::string_view prefix) override {
    std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    at->Seek(from);
    if (!at->status().ok()) return from_rocksdb("read operator state", at->status(), *env_);
    const bool found = at->Valid() && at->key().starts_with(rocksdb::Slice(prefix.data(), prefix.size()));
    return found ? at->key().ToString() : std::string();
  }

  Status stage(const std::vector<std::pair<std::string, std::string>>& blocks) override {
    rocksdb::Status status;
    if (!staged_) {
      rocksdb::WriteBatch pending;
      pending.Put(kPendingKey, "");
      MR_TRY(write_synced(pending));
      staged_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), options_);
      status = staged_->Open(file_path_);
    }
    for (const auto& [key, value] : blocks) {
      if (!status.ok()) break;
      status = staged_->Put(key, value);
    }
    env_->run_jobs();
    if (!status.ok()) return from_rocksdb("write operator state", status, *env_);
    return {};
  }

  void discard_staged() override { staged_.reset(); }

  Status write(const WriteSet& changes) override {
    size_t block_bytes = 0;
    for (const auto& [key, value] : changes.blocks) block_bytes += key.size() + value.size();
    rocksdb::WriteBatch batch;
    if (staged_ || block_bytes > kIngestBytes) {
      MR_TRY(stage(changes.blocks));
      MR_TRY(ingest_staged());
    } else {
      for (const auto& [key, value] : changes.blocks) batch.Put(key, value);
    }
    for (const std::string& prefix : changes.erased_prefixes) batch.DeleteRange(prefix, prefix_end(prefix));
    for (const std::string& key : changes.erased) batch.Delete(key);
    batch.Delete(kPendingKey);
    for (const auto& [key, value] : changes.put) batch.Put(key, value);
    return write_synced(batch);
  }

  Status copy_to(const std::string& directory) override {
    rocksdb::Checkpoint* made = nullptr;
    rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    // Its write-ahead log is copied rather than flushed, which would wait for a job.
    constexpr uint64_t kNeverFlush = UINT64_MAX;
    if (status.ok()) status = checkpoint->CreateCheckpoint(directory, kNeverFlush);
    env_->run_jobs();
    if (!status.ok()) return from_rocksdb("copy operator state", status, *env_);
    return {};
  }

  uint64_t memory_bytes() override {
    uint64_t indexes = 0, buffers = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kEstimateTableReadersMem, &indexes);
    db_->GetIntProperty(rocksdb::DB::Properties::kSizeAllMemTables, &buffers);
    return indexes + buffers;
  }

  Status check_files() override {
    const rocksdb::Status status = db_->VerifyChecksum();
    return status.ok() ? Status() : Status(from_rocksdb("check operator state", status, *env_));
  }

 private:
  Status write_synced(rocksdb::WriteBatch& batch) {
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = db_->Write(options, &batch);
    env_->run_jobs();
    if (!status.ok()) return from_rocksdb("write operator state", status, *env_);
    return {};
  }

  Status ingest_staged() {
    rocksdb::Status status = staged_->Finish();
    staged_.reset();
    rocksdb::IngestExternalFileOptions options;
    options.move_files = true;
    if (status.ok()) status = flush_queued();
    if (status.ok()) status = db_->IngestExternalFile({file_path_}, options);
    env_->run_jobs();
    if (!status.ok()) return from_rocksdb("write operator state", status, *env_);
    return {};
  }

  /// Without threads, an ingestion must not find blocks in memory that it would wait for to be flushed.
  rocksdb::Status flush_queued() {
    if (!single_threaded_) return rocksdb::Status::OK();
    rocksdb::FlushOptions options;
    options.wait = false;
    const rocksdb::Status status = db_->Flush(options);
    env_->run_jobs();
    return status;
  }

  const std::unique_ptr<RocksEnv> env_;  // outlives db_
  const bool single_threaded_;
  std::unique_ptr<rocksdb::DB> db_;
  const rocksdb::Options options_;
  const std::string file_path_;
  std::unique_ptr<rocksdb::SstFileWriter> staged_;  // the file that takes blocks ahead of the next write
};

/// RocksDB would take a directory without CURRENT for a new one and remove what is there.
Status check_current(FileSystem& files, const std::string& directory) {
  MR_ASSIGN(const bool there, files.exists(directory + "/CURRENT"));
  if (there) return {};
  MR_ASSIGN(const std::vector<FileInfo> found, files.list(directory));
  for (const FileInfo& file : found) {
    if (!file.name.ends_with(".sst") && !file.name.ends_with(".log")) continue;
    return external_error(sqlstate::kDataCorrupted, "operator state lacks its file " + directory + "/CURRENT")
        .with_hint("start with a copy of the data directory from before, or with a new one (--data)");
  }
  return {};
}

template <typename Open>
Result<std::unique_ptr<KeyValues>> open_with(Env& env, const std::string& directory, uint64_t cache_bytes,
                                             rocksdb::WALRecoveryMode recovery, Open open) {
  MR_TRY(check_current(env.files(), directory));
  const bool single_threaded = env.single_threaded();
  std::unique_ptr<RocksEnv> rocks_env = make_rocks_env(env);
  rocksdb::Options options = make_options(*rocks_env, single_threaded, cache_bytes);
  options.wal_recovery_mode = recovery;
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = open(options, &opened);
  std::unique_ptr<rocksdb::DB> db(opened);
  if (!status.ok()) {
    rocks_env->run_jobs();
    return from_rocksdb("open operator state in " + directory, status, *rocks_env);
  }
  return std::unique_ptr<KeyValues>(
      std::make_unique<RocksKeyValues>(std::move(rocks_env), single_threaded, std::move(db), options, directory));
}

}  // namespace

Result<std::unique_ptr<KeyValues>> open_rocksdb(Env& env, const std::string& directory, uint64_t cache_bytes) {
  MR_TRY(env.files().create_directories(directory));
  return open_with(
      env, directory, cache_bytes, rocksdb::WALRecoveryMode::kPointInTimeRecovery,
      [&](const rocksdb::Options& options, rocksdb::DB** db) { return rocksdb::DB::Open(options, directory, db); });
}

Result<std::unique_ptr<KeyValues>> open_rocksdb_to_verify(Env& env, const std::string& directory) {
  constexpr uint64_t kCacheBytes = 8 << 20;
  return open_with(env, directory, kCacheBytes, rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords,
                   [&](const rocksdb::Options& options, rocksdb::DB** db) {
                     return rocksdb::DB::OpenForReadOnly(options, directory, db);
                   });
}

}  // namespace millrace::state
