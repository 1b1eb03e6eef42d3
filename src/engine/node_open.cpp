// Opening a data directory: lock, version, log, catalog, state; then recovery up to the last commit.
#include <fmt/format.h>

#include "base/text.h"
#include "connectors/connector.h"
#include "engine/directory_files.h"
#include "engine/given_schema.h"
#include "engine/node_replace.h"
#include "engine/node_state.h"
#include "engine/replaced_changes.h"
#include "engine/relations.h"
#include "engine/start_checks.h"
#include "log/record_batch.h"
#include "sql/macros.h"

namespace millrace::engine {
namespace {

constexpr std::string_view kFormatVersion = "1";

Status check_version(NodeState& node) {
  FileSystem& files = node.env.files();
  std::string path = node.options.data_directory + "/VERSION";
  MR_ASSIGN(bool exists, files.exists(path));
  if (!exists) return files.write_atomically(path, std::string(kFormatVersion) + "\n");
  MR_ASSIGN(std::string text, files.read_all(path));
  std::string_view version = trim(text);
  if (version == kFormatVersion) return {};
  return user_error(sqlstate::kNotSupported,
                    "the data directory " + node.options.data_directory + " has format version " + std::string(version))
      .with_hint(
          "this program reads version " + std::string(kFormatVersion) +
          "; start it with the release that wrote the directory, or choose another --data; `millrace verify --data "
          "DIR` says whether it is damage");
}

Status load_base_directory(NodeState& node) {
  MR_ASSIGN(std::optional<std::string> base, read_base(node.env.files(), node.options.data_directory));
  if (base) node.base_directory = std::move(*base);
  return {};
}

Status open_sessions(NodeState& node) {
  batch::InstanceOptions options;
  options.memory_limit_bytes = shares_of(node.options.memory_bytes).query_bytes;
  MR_ASSIGN(node.instance, batch::SqlInstance::open(options, sql::register_functions));
  for (uint32_t i = 0; i < node.options.workers; ++i) node.sessions.emplace_back(*node.instance);
  node.ddl_session = std::make_unique<batch::Session>(*node.instance);
  return {};
}

Status open_log(NodeState& node) {
  MR_ASSIGN(node.log, log::Log::open(node.env, node.options.data_directory + "/log"));
  node.log->set_durable_listener([&node](StreamId stream, PartitionId partition, Offset end) {
    wake(node);
    node.durable_watch.tell(stream, partition, end);
  });
  node.commits = node.log->find(kCommitStream);
  if (node.commits) return {};
  log::StreamOptions options;
  options.segment_bytes = 16 << 20;
  options.retention_bytes = 64 << 20;
  MR_ASSIGN(node.commits, node.log->create_stream(kCommitStream, "_commits", options));
  return {};
}

Result<std::vector<CommitRecord>> read_commits(NodeState& node, Epoch after) {
  std::vector<CommitRecord> records;
  log::Partition& partition = node.commits->partition(PartitionId(0));
  log::ReadBatches read;
  log::Decompressor decompressor;
  Offset at = partition.begin_offset();
  while (at < partition.end_offset()) {
    MR_TRY(partition.read(at, 8 << 20, read));
    for (const log::StoredBatch& stored : read.batches()) {
      MR_ASSIGN(auto view, read.view_of(stored));
      MR_ASSIGN(auto cursor, view.records(decompressor));
      log::RecordView record;
      while (cursor.next(record)) {
        MR_ASSIGN(CommitRecord commit, decode_commit(record.value.value_or(std::string_view())));
        if (commit.epoch > after) records.push_back(std::move(commit));
      }
      MR_TRY(cursor.status());
    }
    at = read.next_offset();
  }
  return records;
}

void set_written(NodeState& node, const std::vector<PartitionEnd>& written) {
  for (const PartitionEnd& end : written) node.written[{end.stream, end.partition}] = end.end;
}

/// Cuts what the engine wrote after its last commit: changelogs and companions, never a producer's stream.
Status truncate_own_streams(NodeState& node) {
  MR_TRY(commit_replaced_changes(node));
  for (const sql::CatalogObject* object : node.catalog.objects()) {
    std::vector<StreamId> own;
    if (object->kind == sql::ObjectKind::kMaterializedView) own.push_back(object->stream);
    for (const sql::Companion& companion : object->companions) {
      // A sink writes what was refused when it is refused, not with a commit.
      if (companion.kind != sql::CompanionKind::kRefused) own.push_back(companion.stream);
    }
    for (StreamId id : own) {
      std::shared_ptr<log::Stream> stream = node.log->find(id);
      if (!stream) continue;
      log::Partition& partition = stream->partition(PartitionId(0));
      auto committed = node.written.find({id, PartitionId(0)});
      Offset end = committed == node.written.end() ? Offset(0) : committed->second;
      if (partition.end_offset() > end) MR_TRY(partition.truncate_to(end));
    }
  }
  return {};
}

/// A note of before views could be replaced has names alone.
std::vector<std::string>::const_iterator find_in_note(const CheckpointNote& note, const PipelineView& view) {
  auto found = std::find(note.views.begin(), note.views.end(), note_name(view));
  return found != note.views.end() ? found : std::find(note.views.begin(), note.views.end(), view.name);
}

/// State is not read at a start; the number of rows of a view is in the note.
Status restore_row_count(NodeState& node, const CheckpointNote& note, PipelineView& view) {
  if (!view.kept) return {};
  const auto known = find_in_note(note, view) - note.views.begin();
  if (static_cast<size_t>(known) < note.view_rows.size()) {
    view.store->set_rows(note.view_rows[static_cast<size_t>(known)]);
    return {};
  }
  uint64_t rows = 0;
  MR_TRY(node.store->restore(view.store->tables()[0].id, [&](const state::Entry& entry) -> Status {
    rows += static_cast<uint64_t>(ViewStore::count_of(entry));
    return {};
  }));
  view.store->set_rows(rows);
  return {};
}

/// Streams whose records the checkpoint knows as bytes are read from the beginning.
Status restore_sources(NodeState& node, const CheckpointNote& note, std::map<std::string, Timestamp>& watermarks) {
  for (const PartitionEnd& at : note.positions) {
    RunningSource* running = node.pipeline->find_source(at.stream);
    if (running) running->positions[at.partition.value] = at.end;
  }
  for (const auto& [at, watermark] : note.partition_watermarks) {
    RunningSource* running = node.pipeline->find_source(at.stream);
    if (running) running->progress[at.partition.value].watermark = watermark;
  }
  for (const sql::CatalogObject& stream : streams_not_in_note(node.catalog, note)) {
    MR_TRY(forget_bytes(node, stream));
    RunningSource* running = node.pipeline->find_source(stream.stream);
    if (running) begin_anew(*running);
    watermarks.erase(stream.name);
  }
  return {};
}

Status restore_checkpoint(NodeState& node, const CheckpointNote& note) {
  node.epoch = node.checkpointed_epoch = note.epoch;
  node.bounded_end = note.bounded_end;
  set_written(node, note.written);
  MR_TRY(node.ledger.restore(note.ledger));
  std::map<std::string, Timestamp> watermarks = note.watermarks;
  MR_TRY(restore_sources(node, note, watermarks));
  for (auto& view : node.pipeline->views()) MR_TRY(restore_row_count(node, note, *view));
  std::set<std::string> unfilled;
  for (auto& view : node.pipeline->views()) {
    if (find_in_note(note, *view) == note.views.end()) unfilled.insert(view->name);
  }
  node.pipeline->set_watermarks(std::move(watermarks), unfilled);
  return {};
}

/// Counts as received what became durable in the producers' streams after the last commit of the ledger.
Status count_received(NodeState& node) {
  log::ReadBatches read;
  for (const sql::CatalogObject* object : node.catalog.objects()) {
    if (object->kind != sql::ObjectKind::kStream && object->kind != sql::ObjectKind::kTable) continue;
    std::shared_ptr<log::Stream> stream = node.log->find(object->stream);
    for (int32_t p = 0; stream && p < stream->partition_count(); ++p) {
      log::Partition& partition = stream->partition(PartitionId(p));
      auto counted = node.written.find({stream->id(), PartitionId(p)});
      Offset at = std::max(counted == node.written.end() ? Offset(0) : counted->second, partition.begin_offset());
      node.received.begin_at(stream->id(), PartitionId(p), at);
      while (at < partition.end_offset()) {
        MR_TRY(partition.read(at, 8 << 20, read));
        for (const log::StoredBatch& batch : read.batches()) {
          ReceivedRange range{PartitionId(p), batch.base_offset, static_cast<uint32_t>(batch.offset_count),
                              batch.append_time, ProducerShare::of_batch(batch.bytes)};
          node.received.add(stream->id(), {&range, 1});
        }
        at = read.next_offset();
      }
    }
  }
  node.received.move_to(node.ledger, node.written);
  return {};
}

}  // namespace

Status load_catalog(NodeState& node) {
  FileSystem& files = node.env.files();
  std::string path = node.options.data_directory + "/catalog";
  MR_ASSIGN(bool exists, files.exists(path));
  MR_TRY(check_catalog_present(node, exists));
  node.catalog = sql::Catalog();
  if (exists) {
    MR_ASSIGN(std::string bytes, files.read_all(path));
    MR_ASSIGN(node.catalog, sql::Catalog::decode(bytes));
  }
  node.catalog.add_system_relation("_ledger", ledger_columns());
  for (const sql::CatalogObject* macro : node.catalog.objects(sql::ObjectKind::kMacro)) {
    MR_TRY(sql::define_macro(*node.ddl_session, macro->query));
  }
  // A crash between the log and the catalog leaves streams that no object owns.
  std::vector<StreamId> owned{kCommitStream, kBrokerStream};
  for (const sql::CatalogObject* object : node.catalog.objects()) {
    owned.push_back(object->stream);
    for (const sql::Companion& companion : object->companions) owned.push_back(companion.stream);
    MR_TRY(create_log_streams(node, *object));
  }
  for (const auto& stream : node.log->streams()) {
    if (std::find(owned.begin(), owned.end(), stream->id()) == owned.end()) MR_TRY(node.log->drop_stream(stream->id()));
  }
  return {};
}

Status persist_catalog(NodeState& node, const sql::Catalog& catalog) {
  return node.env.files().write_atomically(node.options.data_directory + "/catalog", catalog.encode());
}

Status set_base_directory(NodeState& node, const std::string& directory) {
  if (node.base_directory == directory) return {};
  MR_TRY(write_base(node.env.files(), node.options.data_directory, directory));
  node.base_directory = directory;
  return {};
}

Status open_directory(NodeState& node) {
  FileSystem& files = node.env.files();
  MR_TRY(files.create_directories(node.options.data_directory));
  auto lock = files.lock(node.options.data_directory + "/LOCK");
  if (!lock.ok()) {
    Error error = std::move(lock).error();
    if (error.code == sqlstate::kObjectInUse) {
      error.message = "another Millrace runs on the data directory " + node.options.data_directory;
      error.hint = "stop it, or choose another directory with --data";
    }
    return error;
  }
  node.lock = std::move(lock).value();
  MR_TRY(check_files_present(node));
  MR_TRY(check_version(node));
  MR_ASSIGN(node.starts, StartRecord::read(node.env, node.options.data_directory));
  node.safe_mode = node.starts->safe_mode_reason();
  if (!node.safe_mode.empty()) return {};
  MR_TRY(node.starts->begin());
  MR_TRY(node.env.failpoints().point("engine.start").check());
  MR_ASSIGN(node.identity, open_identity(node.env, node.options.data_directory));
  MR_TRY(load_base_directory(node));
  connectors::register_options(node.registry);
  MR_TRY(open_sessions(node));
  node.pool = std::make_unique<ThreadPool>(node.options.workers, node.env.single_threaded());
  MR_TRY(open_log(node));
  MR_TRY(open_store(node));
  return load_catalog(node);
}

Status open_to_read(NodeState& node) {
  connectors::register_options(node.registry);
  MR_TRY(open_sessions(node));
  node.pool = std::make_unique<ThreadPool>(node.options.workers, node.env.single_threaded());
  MR_TRY(open_log(node));
  MR_TRY(load_catalog(node));
  MR_ASSIGN(node.pipeline, Pipeline::build(pipeline_setup(node, node.catalog)));
  return {};
}

Status recover(NodeState& node) {
  CheckpointNote note;
  MR_ASSIGN(std::string note_bytes, node.store->last_note());
  if (!note_bytes.empty()) {
    MR_ASSIGN(note, decode_note(note_bytes));
    node.asked.insert(note.kept.begin(), note.kept.end());
  }
  MR_ASSIGN(node.pipeline, Pipeline::build(pipeline_setup(node, node.catalog)));
  if (!note_bytes.empty()) {
    const size_t asked = node.asked.size();
    for (const auto& view :
         node.pipeline->views()) {  // what is filled below reads the rows of what was replaced with it
      if (!view->is_table && find_in_note(note, *view) == note.views.end()) node.asked.insert(view->name);
    }
    if (node.asked.size() != asked) {
      MR_ASSIGN(node.pipeline, Pipeline::build(pipeline_setup(node, node.catalog)));
    }
  }
  MR_TRY(node.env.failpoints().point("engine.recover.before").check());
  attach_state(node, node.pipeline->tables());
  lend_free_table_bytes(node);
  if (!note_bytes.empty()) MR_TRY(restore_checkpoint(node, note));
  MR_TRY(node.env.failpoints().point("engine.recover.restored").check());
  // A view that was created but whose first checkpoint did not happen starts from the history, as of the checkpoint.
  bool incomplete = !streams_not_in_note(node.catalog, note).empty();
  std::vector<std::string> unknown;
  for (auto& view : node.pipeline->views()) {
    if (find_in_note(note, *view) == note.views.end()) unknown.push_back(view->name);
  }
  count_anew(node, unknown);  // the note has the books of what they replaced
  for (auto& view : node.pipeline->views()) {
    if (find_in_note(note, *view) != note.views.end()) continue;
    if (!node.pipeline->is_fresh(*view))
      MR_TRY(node.pipeline->backfill(view->name, node.options.step_bytes_max, *node.pool));
    incomplete = true;
  }
  MR_ASSIGN(std::vector<CommitRecord> commits, read_commits(node, note.epoch));
  MR_TRY(check_commits(node, note, commits));
  const Duration started = node.env.clock().monotonic();
  if (!commits.empty()) node.pipeline->clear_sides();  // the first of them wrote what the backfill gave
  for (const CommitRecord& commit : commits) {
    for (const StepRecord& step : commit.steps) {
      MR_TRY(node.pipeline->replay(step, *node.pool));
      evict_clean_state(node);
    }
    MR_TRY(node.store->status());
    MR_TRY(node.ledger.apply_changes(commit.ledger));
    node.epoch = commit.epoch;
    node.bounded_end = commit.bounded_end;
    set_written(node, commit.written);
  }
  // A start that came before the next checkpoint would replay it once more, and what follows.
  node.replay_debt.micros = node.env.clock().monotonic().micros - started.micros;
  node.replay_bound.restarted(blocks_are_cached(node), dirty_bytes_of(node));
  MR_TRY(node.env.failpoints().point("engine.recover.replayed").check());
  MR_TRY(truncate_own_streams(node));
  MR_TRY(node.env.failpoints().point("engine.recover.truncated").check());
  MR_TRY(count_received(node));
  for (RunningSource& running : node.pipeline->sources()) {
    auto end = node.written.find({running.source.id, PartitionId(0)});
    if (running.engine_written && end != node.written.end()) running.committed[0] = end->second;
  }
  MR_TRY(node.env.failpoints().point("engine.recover.after").check());
  node.committed_epoch = node.epoch;
  node.committed_ends = node.written;
  node.checkpointed_at = node.env.clock().monotonic();
  if (incomplete) MR_TRY(checkpoint(node));
  node.store->set_readers_mutex(&node.readers_mutex);  // until here there were none, or the caller excludes them
  return {};
}

}  // namespace millrace::engine
