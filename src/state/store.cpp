#include "state/store.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "base/bytes.h"
#include "base/failpoints.h"
#include "state/block.h"
#include "state/key_values.h"
#include "state/live_runs.h"
#include "state/run_index.h"
#include "state/run_merge.h"
#include "state/run_writer.h"
#include "state/table_draft.h"

namespace millrace::state {

namespace {

constexpr std::string_view kFormatVersion = "1";
const std::string kVersionKey = "version";
const std::string kNextRunKey = "next_run";
const std::string kNoteKey = "note";
/// Merging waits for a later checkpoint when this one has merged so many bytes, and as many again as it writes anew.
constexpr uint64_t kMergeBytes = 16 << 20;
/// A checkpoint holds about so many bytes of blocks; more are written out before it is complete.
constexpr uint64_t kUnstagedBytes = 4 << 20;

class BlockStore final : public Store {
 public:
  BlockStore(Env& env, std::string directory, const StoreOptions& options)
      : env_(env),
        directory_(std::move(directory)),
        options_(options),
        live_(options.block_cache_bytes - options.block_cache_bytes / 4) {}

  Status open();
  Result<std::string> last_note() override { return note_; }
  Result<CheckpointStats> checkpoint(std::string_view note, std::vector<TableRef> tables, ThreadPool& pool) override;
  std::unique_ptr<StoredEntries> entries_of(TableId id, NodeRange range) override {
    return make_stored_entries(live_, id, range);
  }
  Status status() override { return live_.status(); }
  void set_readers_mutex(std::shared_mutex* readers) override { readers_mutex_ = readers; }
  uint64_t index_bytes() override;
  void lend_to_block_cache(uint64_t bytes) override {
    live_.cache.set_bytes_max(options_.block_cache_bytes - options_.block_cache_bytes / 4 + bytes);
  }
  uint64_t blocks_read() override { return live_.blocks_read; }
  Status restore(TableId id, const std::function<Status(const Entry&)>& put) override;
  Status drop_tables(const std::vector<TableId>& tables) override;
  Status drop(const std::vector<OperatorId>& operators) override;
  uint64_t disk_bytes() override;
  Status copy_to(const std::string& directory) override { return key_values_->copy_to(directory); }

 private:
  /// What one checkpoint is about to write.
  struct Draft {
    uint64_t run = 0;
    uint64_t new_bytes = 0;     // of blocks with changes
    uint64_t merged_bytes = 0;  // of blocks that merges wrote
    uint64_t unstaged_bytes = 0;
    CheckpointStats stats;
    WriteSet changes;
    std::map<TableId, RunIndex> indexes;  // of the tables that change
  };

  Status check_version(const std::string& found) const;
  Status load(const std::string& key, std::string_view value);
  Status load_filters();
  Status build_missing_filters();
  Status sweep();
  Status write(const WriteSet& changes);
  Status draft_table(TableId id, std::vector<TableDraft>& parts, Draft& draft);
  Status draft_group(TableId id, uint32_t group, std::vector<Run>& runs, std::vector<std::string> blocks, Draft& draft);
  size_t runs_to_merge(const std::vector<Run>& runs, uint64_t new_bytes, const Draft& draft) const;
  Status put_block(Draft& draft, std::string key, std::string block);
  Status merge(TableId id, uint32_t group, const std::vector<Run>& runs, size_t kept, std::vector<std::string> newest,
               RunWriter& writer);
  RunMerge::Fetch fetch(TableId id, uint32_t group, uint64_t run);

  Env& env_;
  const std::string directory_;
  const StoreOptions options_;
  std::unique_ptr<KeyValues> key_values_;
  LiveRuns live_;
  std::map<TableId, RunIndex>& indexes_ = live_.indexes;  // changed with live_.mutex held
  std::shared_mutex* readers_mutex_ = nullptr;
  std::string note_;
  uint64_t next_run_ = 1;
  bool failed_ = false;  // a write failed: what is on disk is known only after opening again
};

/// The entries of several lists of blocks as one, in order.
Result<std::vector<std::string>> join_parts(std::vector<std::vector<std::string>> parts) {
  RunMerge merge;
  for (std::vector<std::string>& part : parts) {
    MR_TRY(merge.add_run(part.size(), [&](uint32_t block) -> Result<std::string> { return std::move(part[block]); }));
  }
  BlockWriter writer;
  Entry entry;
  while (true) {
    MR_ASSIGN(const bool more, merge.next(entry));
    if (!more) return writer.finish();
    writer.add(entry);
  }
}

uint64_t bytes_of(const std::vector<std::string>& blocks) {
  uint64_t bytes = 0;
  for (const std::string& block : blocks) bytes += block.size();
  return bytes;
}

Status BlockStore::open() {
  MR_ASSIGN(key_values_, open_rocksdb(env_, directory_, options_.block_cache_bytes / 4));
  live_.key_values = key_values_.get();
  bool has_version = false;
  MR_TRY(key_values_->scan(kVersionKey, [&](std::string_view, std::string_view value) -> Status {
    has_version = true;
    return check_version(std::string(value));
  }));
  if (!has_version) {
    WriteSet changes;
    changes.put.emplace_back(kVersionKey, kFormatVersion);
    MR_TRY(write(changes));
  }
  for (const std::string& prefix : {std::string(1, kIndexPrefix), kNextRunKey, kNoteKey}) {
    MR_TRY(key_values_->scan(
        prefix, [&](std::string_view key, std::string_view value) { return load(std::string(key), value); }));
  }
  MR_TRY(load_filters());
  MR_ASSIGN(const bool was_cut, key_values_->write_was_cut());
  return was_cut ? sweep() : Status();
}

Status BlockStore::check_version(const std::string& found) const {
  if (found == kFormatVersion) return {};
  return user_error(sqlstate::kNotSupported, "the operator state in " + directory_ + " has format version " + found)
      .with_hint("this program reads version " + std::string(kFormatVersion) +
                 "; use the release that wrote the directory, or another directory (--data)");
}

Status BlockStore::load(const std::string& key, std::string_view value) {
  if (key == kNoteKey) {
    note_ = value;
  } else if (key == kNextRunKey) {
    MR_ASSIGN(next_run_, ByteReader(value).varint());
  } else {
    MR_ASSIGN(const TableId id, table_of_index_key(key));
    MR_ASSIGN(indexes_[id], RunIndex::decode(value));
  }
  return {};
}

Status BlockStore::load_filters() {
  MR_TRY(key_values_->scan(std::string(1, kFilterPrefix), [&](std::string_view key, std::string_view value) -> Status {
    MR_ASSIGN(const BlockPlace place, place_of_filter_key(key));
    const auto index = indexes_.find(place.id);
    if (index == indexes_.end()) return {};
    for (Run& run : index->second.groups[place.group]) {
      if (run.number != place.run) continue;
      MR_ASSIGN(RunFilter filter, RunFilter::decode(value));
      if (filter.blocks() != run.blocks) {
        return external_error(sqlstate::kDataCorrupted, "a filter of operator state is of another run");
      }
      run.filter = std::make_shared<const RunFilter>(std::move(filter));
    }
    return {};
  }));
  return build_missing_filters();
}

/// Runs of a release without filters: read once, at this start and any that comes before their merge.
Status BlockStore::build_missing_filters() {
  for (auto& [id, index] : indexes_) {
    for (uint32_t group = 0; group < kGroups; ++group) {
      for (Run& run : index.groups[group]) {
        if (run.filter) continue;
        std::vector<std::string> blocks;
        for (uint32_t block = 0; block < run.blocks; ++block) {
          MR_ASSIGN(blocks.emplace_back(), key_values_->get(block_key(id, group, run.number, block)));
          BlockReader reader;
          MR_TRY(reader.open(blocks.back()));
        }
        run.filter = std::make_shared<const RunFilter>(RunFilter::of_blocks(blocks));
      }
    }
  }
  return {};
}

/// Erases the blocks of a checkpoint that did not come to its end, before its run number is used again.
Status BlockStore::sweep() {
  std::set<std::string> live;
  for (const auto& [id, index] : indexes_) {
    for (uint32_t group = 0; group < kGroups; ++group) {
      for (const Run& run : index.groups[group]) live.insert(run_prefix(id, group, run.number));
    }
  }
  WriteSet changes;
  const std::string prefix(1, kBlockPrefix);
  std::string from = prefix;
  while (true) {
    MR_ASSIGN(const std::string key, key_values_->first_key(from, prefix));
    if (key.empty()) break;
    MR_ASSIGN(const BlockPlace place, place_of_block_key(key));
    const std::string run = run_prefix(place.id, place.group, place.run);
    if (!live.contains(run)) changes.erased_prefixes.push_back(run);
    from = run_prefix(place.id, place.group, place.run + 1);
  }
  return write(changes);
}

Status BlockStore::write(const WriteSet& changes) {
  if (failed_) {
    return external_error(sqlstate::kIoError, "an earlier write of operator state failed")
        .with_hint("start the node again");
  }
  MR_TRY(env_.failpoints().point("state.write.before").check());
  Status status = key_values_->write(changes);
  failed_ = !status.ok();
  MR_TRY(env_.failpoints().point("state.write.after").check());
  return status;
}

/// The drafts of all tables, made by all workers. The largest go first, so that none of them is left alone at the end.
std::vector<TableDraft> draft_all(const std::vector<TableRef>& tables, ThreadPool& pool) {
  std::vector<TableDraft> drafts(tables.size());
  std::vector<size_t> order(tables.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return tables[a].table->dirty_bytes() > tables[b].table->dirty_bytes(); });
  std::atomic<size_t> next{0};
  const Status status = pool.run_on_all([&](size_t) -> Status {
    for (size_t i = next++; i < order.size(); i = next++) drafts[order[i]] = draft_changes(*tables[order[i]].table);
    return {};
  });
  MR_CHECK(status.ok(), "drafting cannot fail");
  return drafts;
}

Result<CheckpointStats> BlockStore::checkpoint(std::string_view note, std::vector<TableRef> tables, ThreadPool& pool) {
  std::map<TableId, std::vector<TableDraft>> by_id;
  std::vector<TableDraft> drafts = draft_all(tables, pool);
  for (size_t i = 0; i < tables.size(); ++i) {
    if (drafts[i].entries > 0) by_id[tables[i].id].push_back(std::move(drafts[i]));
  }
  Draft draft;
  draft.run = next_run_;
  key_values_->discard_staged();
  for (auto& [id, parts] : by_id) MR_TRY(draft_table(id, parts, draft));
  std::string next_run;
  append_varint(next_run, draft.run + 1);
  draft.changes.put.emplace_back(kNextRunKey, std::move(next_run));
  draft.changes.put.emplace_back(kNoteKey, note);
  for (const auto& [id, index] : draft.indexes) draft.changes.put.emplace_back(index_key(id), index.encode());
  std::unique_lock<std::shared_mutex> readers;
  if (readers_mutex_) readers = std::unique_lock(*readers_mutex_);
  std::unique_lock lookups(live_.mutex);
  MR_TRY(write(draft.changes));
  for (auto& [id, index] : draft.indexes) indexes_[id] = std::move(index);
  next_run_ = draft.run + 1;
  note_ = note;
  MR_TRY(pool.run_on_all([&](size_t worker) -> Status {
    for (const TableRef& ref : tables) {
      if (ref.worker % pool.workers() == worker) ref.table->clear_dirty();
    }
    return {};
  }));
  return draft.stats;
}

Status BlockStore::draft_table(TableId id, std::vector<TableDraft>& parts, Draft& draft) {
  const auto known = indexes_.find(id);
  RunIndex& index = draft.indexes[id];
  if (known != indexes_.end()) index = known->second;
  for (uint32_t group = 0; group < kGroups; ++group) {
    std::vector<std::vector<std::string>> blocks;  // by part; workers seldom share a group
    for (TableDraft& part : parts) {
      if (part.groups[group].entries > 0) blocks.push_back(std::move(part.groups[group].blocks));
    }
    if (blocks.empty()) continue;
    if (blocks.size() > 1) {
      MR_ASSIGN(std::vector<std::string> joined, join_parts(std::move(blocks)));
      blocks = {std::move(joined)};
    }
    MR_TRY(draft_group(id, group, index.groups[group], std::move(blocks[0]), draft));
  }
  for (const TableDraft& part : parts) draft.stats.entries += part.entries;
  return {};
}

Status BlockStore::put_block(Draft& draft, std::string key, std::string block) {
  draft.unstaged_bytes += block.size();
  draft.changes.blocks.emplace_back(std::move(key), std::move(block));
  if (draft.unstaged_bytes <= kUnstagedBytes) return {};
  MR_TRY(key_values_->stage(draft.changes.blocks));
  draft.changes.blocks.clear();
  draft.unstaged_bytes = 0;
  return {};
}

Status BlockStore::draft_group(TableId id, uint32_t group, std::vector<Run>& runs, std::vector<std::string> blocks,
                               Draft& draft) {
  RunWriter writer([&](uint32_t number, std::string block) {
    return put_block(draft, block_key(id, group, draft.run, number), std::move(block));
  });
  const uint64_t new_bytes = bytes_of(blocks);
  const size_t merged = runs_to_merge(runs, new_bytes, draft);
  draft.new_bytes += new_bytes;
  if (merged > 0) {
    const size_t kept = runs.size() - merged;
    MR_TRY(merge(id, group, runs, kept, std::move(blocks), writer));
    for (size_t i = kept; i < runs.size(); ++i) {
      for (uint32_t block = 0; block < runs[i].blocks; ++block) {
        draft.changes.erased.push_back(block_key(id, group, runs[i].number, block));
      }
      draft.changes.erased.push_back(filter_key(id, group, runs[i].number));
    }
    runs.resize(kept);
  } else {
    for (std::string& block : blocks) MR_TRY(writer.add_block(std::move(block)));
  }
  MR_ASSIGN(Run run, writer.finish());
  if (run.blocks == 0) return {};  // all that was left of the group has been deleted
  run.number = draft.run;
  draft.changes.put.emplace_back(filter_key(id, group, draft.run), run.filter->encode());
  draft.stats.blocks += run.blocks;
  draft.stats.bytes += run.bytes;
  if (merged > 0) draft.merged_bytes += run.bytes;
  runs.push_back(std::move(run));
  return {};
}

/// How many of the newest runs go into the new one. As in a tiered LSM tree: when there are too many, the newest are
/// merged, and an older one joins while it is not more than twice what is there already, so that an entry is written
/// again a logarithmic number of times.
size_t BlockStore::runs_to_merge(const std::vector<Run>& runs, uint64_t new_bytes, const Draft& draft) const {
  if (runs.size() < options_.runs_max) return 0;
  const bool pressing = runs.size() >= 2 * size_t{options_.runs_max};
  if (draft.merged_bytes > kMergeBytes + draft.new_bytes && !pressing) return 0;
  size_t merged = runs.size() - options_.runs_max + 1;
  uint64_t bytes = new_bytes;
  for (size_t i = 1; i <= merged; ++i) bytes += runs[runs.size() - i].bytes;
  while (merged < runs.size() && runs[runs.size() - merged - 1].bytes <= 2 * bytes) {
    bytes += runs[runs.size() - ++merged].bytes;
  }
  return merged;
}

RunMerge::Fetch BlockStore::fetch(TableId id, uint32_t group, uint64_t run) {
  return [this, id, group, run](uint32_t block) { return key_values_->get(block_key(id, group, run, block)); };
}

Status BlockStore::merge(TableId id, uint32_t group, const std::vector<Run>& runs, size_t kept,
                         std::vector<std::string> newest, RunWriter& writer) {
  RunMerge merge;
  for (size_t i = kept; i < runs.size(); ++i) MR_TRY(merge.add_run(runs[i].blocks, fetch(id, group, runs[i].number)));
  MR_TRY(merge.add_run(newest.size(), [&](uint32_t block) -> Result<std::string> { return std::move(newest[block]); }));
  Entry entry;
  while (true) {
    MR_ASSIGN(const bool more, merge.next(entry));
    if (!more) return {};
    if (entry.deleted && kept == 0) continue;  // nothing older that it must hide
    MR_TRY(writer.add(entry));
  }
}

Status BlockStore::restore(TableId id, const std::function<Status(const Entry&)>& put) {
  const auto found = indexes_.find(id);
  if (found == indexes_.end()) return {};
  for (uint32_t group = 0; group < kGroups; ++group) {
    RunMerge merge;
    for (const Run& run : found->second.groups[group]) MR_TRY(merge.add_run(run.blocks, fetch(id, group, run.number)));
    Entry entry;
    while (true) {
      MR_ASSIGN(const bool more, merge.next(entry));
      if (!more) break;
      if (!entry.deleted) MR_TRY(put(entry));
    }
  }
  return {};
}

Status BlockStore::drop_tables(const std::vector<TableId>& tables) {
  WriteSet changes;
  for (const TableId id : tables) {
    if (!indexes_.contains(id)) continue;
    changes.erased_prefixes.push_back(table_prefix(id));
    changes.erased_prefixes.push_back(filter_prefix(id));
    changes.erased.push_back(index_key(id));
  }
  if (changes.erased.empty()) return {};
  std::unique_lock lookups(live_.mutex);
  MR_TRY(write(changes));
  for (const TableId id : tables) indexes_.erase(id);
  return {};
}

Status BlockStore::drop(const std::vector<OperatorId>& operators) {
  std::vector<TableId> tables;
  for (const auto& [id, index] : indexes_) {
    if (std::find(operators.begin(), operators.end(), id.op) != operators.end()) tables.push_back(id);
  }
  return drop_tables(tables);
}

uint64_t BlockStore::index_bytes() {
  std::shared_lock lookups(live_.mutex);
  uint64_t bytes = key_values_->memory_bytes();
  for (const auto& [id, index] : indexes_) {
    for (const std::vector<Run>& runs : index.groups) {
      for (const Run& run : runs) bytes += run.filter->memory_bytes();
    }
  }
  return bytes;
}

uint64_t BlockStore::disk_bytes() {
  uint64_t bytes = 0;
  const auto files = env_.files().list(directory_);
  if (!files.ok()) return 0;
  for (const FileInfo& file : *files) bytes += file.size;
  return bytes;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(Env& env, const std::string& directory, const StoreOptions& options) {
  auto store = std::make_unique<BlockStore>(env, directory, options);
  MR_TRY(store->open());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace millrace::state
