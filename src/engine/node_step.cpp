// Steps, commits and checkpoints. The protocol and its crash windows: docs/formats/commit.md.
#include <algorithm>

#include "base/process_memory.h"
#include "base/text.h"
#include "engine/changelog.h"
#include "engine/compactor.h"
#include "engine/directory_files.h"
#include "engine/given_schema.h"
#include "engine/node_state.h"
#include "engine/sink_runner.h"
#include "engine/start_checks.h"
#include "engine/subscriptions.h"
#include "engine/view_topic.h"
#include "log/record_batch.h"

namespace millrace::engine {
namespace {

/// What one commit appends to the engine's own streams before its record: all of it is cut off again by recovery when
/// the record does not follow.
class CommitWriter {
 public:
  explicit CommitWriter(NodeState& node) : node_(node), now_(node.env.clock().now()) {}

  Status write_changes(PipelineView& view, const std::vector<Change>& changes) {
    MR_ASSIGN(auto ordered, order_changes(changes, view.store->codec(), view.pairing_key()));
    view.changes += ordered.size();
    if (view.topic) MR_TRY(write_topic(view, ordered));
    if (!view.changelog || ordered.empty()) return {};
    log::Partition& partition = view.changelog->partition(PartitionId(0));
    MR_ASSIGN(auto tickets, append_changes(partition, ordered, node_.epoch.next(), now_));
    note(*view.changelog, tickets.back().last().next());
    for (log::Ticket& ticket : tickets) changes_.push_back({view.changelog.get(), std::move(ticket)});
    return {};
  }

  /// Appends JSON rows to a companion.
  Status write_rows(log::Stream& stream, const std::vector<std::string>& rows) {
    if (rows.empty()) return {};
    log::RecordBatchBuilder builder;
    Offset end;
    for (size_t i = 0; i < rows.size(); ++i) {
      builder.add(std::nullopt, rows[i], now_.millis());
      if (builder.size_bytes() < (1 << 20) && i + 1 < rows.size()) continue;
      MR_ASSIGN(std::string batch, builder.finish(log::Compression::kLz4));
      MR_ASSIGN(log::Ticket ticket, stream.partition(PartitionId(0)).append(std::move(batch)));
      end = ticket.last().next();
    }
    note(stream, end);
    return {};
  }

  /// Makes all of it durable and enters the changelogs' rows into the books.
  Status sync() {
    MR_TRY(node_.log->sync(touched_));
    ledger::Recorder recorder;
    ledger::HopId hop = node_.ledger.hop("changelog");
    for (const auto& [stream, ticket] : changes_) {
      MR_ASSIGN(log::AppendResult at, stream->partition(PartitionId(0)).wait(ticket));
      recorder.add(hop, stream->id(), PartitionId(0), at.append_time, at.first,
                   static_cast<uint32_t>(at.last.value - at.first.value + 1));
    }
    node_.ledger.merge(recorder);
    return {};
  }

  /// Wakes Kafka clients that wait for what is committed now.
  void tell_readers() const {
    for (const log::Partition* partition : touched_) {
      node_.durable_watch.tell(partition->stream(), partition->id(), partition->end_offset());
    }
  }

 private:
  /// A topic that has nothing yet begins with the rows that are there before this commit.
  Status write_topic(PipelineView& view, const std::vector<LoggedChange>& changes) {
    TopicWriter topic(view.store->schema(), view.key, view.topic->partition(PartitionId(0)), now_);
    if (!node_.written.contains({view.topic->id(), PartitionId(0)})) {
      MR_TRY(topic.add_rows(view.store->snapshot()));
      MR_TRY(node_.store->status());
    }
    MR_TRY(topic.add_changes(changes));
    MR_ASSIGN(std::optional<Offset> end, topic.finish());
    if (end) note(*view.topic, *end);
    return {};
  }

  void note(log::Stream& stream, Offset end) {
    touched_.push_back(&stream.partition(PartitionId(0)));
    node_.written[{stream.id(), PartitionId(0)}] = end;
  }

  NodeState& node_;
  Timestamp now_;
  std::vector<log::Partition*> touched_;
  std::vector<std::pair<log::Stream*, log::Ticket>> changes_;
};

Status write_sides(NodeState& node, CommitWriter& writer) {
  for (auto& view : node.pipeline->views()) {
    std::vector<std::string> errors;
    std::vector<std::string> late;
    for (auto& side : view->sides) {
      for (std::string& row : side->take_errors()) errors.push_back(std::move(row));
      for (std::string& row : side->take_late()) late.push_back(std::move(row));
    }
    view->errors += errors.size();
    view->late_rows += late.size();
    if (view->error) MR_TRY(writer.write_rows(*view->error, errors));
    if (view->temporary && !errors.empty()) {
      const Error error = user_error(sqlstate::kInvalidParameter, "an expression of the query fails: " + errors[0]);
      end_subscriptions(node, &view->name, Error(error).with_hint("a materialized view keeps such rows in its _error"));
    }
    if (view->late) MR_TRY(writer.write_rows(*view->late, late));
  }
  return {};
}

Status write_dead(NodeState& node, CommitWriter& writer) {
  for (const StepInput::DeadOf& dead : node.pipeline->take_dead()) {
    const RunningSource& running = node.pipeline->sources()[dead.source];
    std::optional<sql::Relation> companion = node.catalog.relation(running.source.name + "_dead");
    std::shared_ptr<log::Stream> stream = companion ? node.log->find(companion->stream) : nullptr;
    if (!stream) continue;  // a table's or a companion's own
    std::vector<std::string> rows;
    for (const DeadRecord& record : dead.records) {
      rows.push_back(
          dead_record_json(record.partition.value, record.offset.value, record.append_time, record.reason, record.raw));
    }
    MR_TRY(writer.write_rows(*stream, rows));
  }
  return {};
}

Status append_commit_record(NodeState& node, const CommitRecord& record) {
  log::RecordBatchBuilder builder;
  builder.add(std::nullopt, encode(record), record.time.millis());
  MR_ASSIGN(std::string batch, builder.finish());
  MR_ASSIGN(log::AppendResult at, node.commits->partition(PartitionId(0)).append_and_wait(std::move(batch)));
  (void)at;
  return {};
}

void announce(NodeState& node) {
  {
    std::lock_guard guard(node.signal_mutex);
    node.committed_epoch = node.epoch;
  }
  node.signal.notify_all();
}

}  // namespace

Status commit(NodeState& node) {
  node.in_doubt = true;
  MR_TRY(node.env.failpoints().point("engine.commit.before").check());
  CommitWriter writer(node);
  for (auto& view : node.pipeline->views()) {
    // Consolidating costs a hash a row: only for views whose changes somebody reads.
    if (view->changelog || view->topic) MR_TRY(writer.write_changes(*view, view->store->staged_changes()));
  }
  MR_TRY(write_sides(node, writer));
  MR_TRY(write_dead(node, writer));
  MR_TRY(node.env.failpoints().point("engine.commit.appended").check());
  MR_TRY(writer.sync());
  MR_TRY(node.env.failpoints().point("engine.commit.written").check());

  CommitRecord record;
  record.epoch = node.epoch.next();
  record.time = node.env.clock().now();
  record.steps = std::move(node.uncommitted);
  node.uncommitted.clear();
  node.received.move_to(node.ledger, node.written);
  {
    std::lock_guard guard(node.sinks_mutex);
    for (const auto& sink : node.sinks) sink->move_to(node.ledger, node.written);
  }
  for (const auto& [at, end] : node.written) record.written.push_back({at.first, at.second, end});
  record.ledger = node.ledger.take_changes();
  record.bounded_end = node.bounded_end;
  MR_TRY(append_commit_record(node, record));
  MR_TRY(node.env.failpoints().point("engine.commit.durable").check());

  {
    std::unique_lock readers(node.readers_mutex);
    for (auto& view : node.pipeline->views()) MR_TRY(publish_changes(node, *view, record.epoch));
    MR_TRY(node.pipeline->apply_staged(*node.pool));
    node.epoch = record.epoch;
    node.committed_ends = node.written;
    for (RunningSource& running : node.pipeline->sources()) {
      if (!running.engine_written) continue;
      auto end = node.written.find({running.source.id, PartitionId(0)});
      if (end != node.written.end()) running.committed[0] = end->second;
    }
  }
  MR_TRY(node.env.failpoints().point("engine.commit.applied").check());
  node.in_doubt = false;
  node.commits_made.fetch_add(1, std::memory_order_relaxed);
  announce(node);
  writer.tell_readers();
  return {};
}

namespace {

Status keep_topic(NodeState& node, const log::Stream& topic, Timestamp now) {
  const auto end = node.written.find({topic.id(), PartitionId(0)});
  if (end == node.written.end()) return {};
  MR_ASSIGN([[maybe_unused]] uint64_t freed, topic.partition(PartitionId(0)).enforce_retention(now, end->second));
  return {};
}

/// Deletes what the options of streams and views allow to delete: nothing that the state of the last checkpoint does
/// not hold, and nothing that a sink has not delivered or given up.
Status enforce_retention(NodeState& node) {
  Timestamp now = node.env.clock().now();
  for (RunningSource& running : node.pipeline->sources()) {
    for (size_t p = 0; p < running.positions.size() && !running.engine_written; ++p) {
      log::Partition& partition = running.source.stream->partition(PartitionId(static_cast<int32_t>(p)));
      MR_ASSIGN(uint64_t freed, partition.enforce_retention(now, running.positions[p]));
      (void)freed;
    }
  }
  std::map<StreamId, Offset> needed;  // by changelog: from where on a sink still wants it
  {
    std::lock_guard guard(node.sinks_mutex);
    for (const auto& sink : node.sinks) {
      auto at = sink->needed(node.written);
      if (!at) continue;
      auto [entry, is_new] = needed.try_emplace(at->first, at->second);
      if (!is_new) entry->second = std::min(entry->second, at->second);
    }
  }
  for (const auto& view : node.pipeline->views()) {
    if (view->topic) MR_TRY(keep_topic(node, *view->topic, now));
    auto at = view->changelog ? needed.find(view->changelog->id()) : needed.end();
    if (at == needed.end() && !view->keeps_changes) continue;
    log::Partition& changelog = view->changelog->partition(PartitionId(0));
    const Offset end = at == needed.end() ? node.written[{view->changelog->id(), PartitionId(0)}] : at->second;
    MR_ASSIGN(uint64_t freed, changelog.enforce_retention(now, end));
    (void)freed;
  }
  return {};
}

}  // namespace

Status checkpoint(NodeState& node) {
  constexpr uint64_t kReturnMemoryBytes = 4 << 20;  // a checkpoint that wrote so much has freed as much
  MR_CHECK(!node.in_doubt, "a checkpoint of what is in no commit");
  {
    std::lock_guard guard(node.sinks_mutex);
    for (const auto& sink : node.sinks) sink->move_to(node.ledger, node.written);
  }
  CheckpointNote note;
  note.epoch = node.epoch;
  note.bounded_end = node.bounded_end;
  note.watermarks = node.pipeline->watermarks();
  for (RunningSource& running : node.pipeline->sources()) {
    for (size_t p = 0; p < running.positions.size(); ++p) {
      PartitionEnd at{running.source.id, PartitionId(static_cast<int32_t>(p)), running.positions[p]};
      note.positions.push_back(at);
      if (running.progress[p].watermark) note.partition_watermarks.emplace_back(at, *running.progress[p].watermark);
    }
  }
  for (const auto& [at, end] : node.written) note.written.push_back({at.first, at.second, end});
  for (const auto& view : node.pipeline->views()) {
    note.views.push_back(note_name(*view));
    note.view_rows.push_back(view->kept ? view->store->rows() : 0);
  }
  for (const sql::CatalogObject& stream : streams_not_in_note(node.catalog, {})) note.streams.push_back(note_name(stream));
  note.kept.assign(node.asked.begin(), node.asked.end());
  note.ledger = node.ledger.snapshot();
  MR_TRY(node.env.failpoints().point("engine.checkpoint").check());
  MR_TRY(node.store->status());
  MR_ASSIGN(auto stats, node.store->checkpoint(encode(note), node.pipeline->tables(), *node.pool));
  if (stats.bytes >= kReturnMemoryBytes) return_free_memory();
  MR_TRY(write_checkpoint_mark(node.env.files(), node.options.data_directory, node.epoch));
  MR_TRY(node.env.failpoints().point("engine.checkpoint.after").check());
  node.replay_debt = Duration{};
  node.replay_bound.checkpointed(blocks_are_cached(node));
  node.checkpointed_at = node.env.clock().monotonic();
  node.checkpointed_epoch = node.epoch;
  node.checkpoints_made.fetch_add(1, std::memory_order_relaxed);
  log::Partition& commits = node.commits->partition(PartitionId(0));
  MR_ASSIGN(uint64_t freed, commits.enforce_retention(node.env.clock().now(), commits.end_offset()));
  (void)freed;
  MR_TRY(enforce_retention(node));
  if (node.compactor) node.compactor->follow();
  return {};
}

namespace {

Result<bool> step_with_lock(NodeState& node, bool force) {
  if (auto at = stopped_at(node)) return at->error();
  MR_TRY(refuse_in_doubt(node));
  node.in_doubt = true;
  StepRecord record;
  Duration started = node.env.clock().monotonic();
  bool end_of_time = node.end_of_time_wanted || node.bounded_end;
  const MemoryShares shares = shares_of(node.options.memory_bytes);
  const uint64_t step_bytes =
      node.replay_bound.step_bytes(std::min(node.options.step_bytes_max, shares.step_bytes));
  const uint64_t taken_before = node.pipeline->bytes_taken();
  Result<bool> ran = node.pipeline->step(step_bytes, end_of_time, force, *node.pool, record);
  MR_TRY(node.store->status());  // before what followed from rows that could not be read
  MR_ASSIGN(bool stepped, std::move(ran));
  Duration checkpoint_age{started.micros - node.checkpointed_at.micros};
  const bool long_ago = node.ready && checkpoint_age > node.options.checkpoint_interval;
  if (!stepped) {
    node.in_doubt = false;
    if (long_ago) MR_TRY(checkpoint(node));
    return false;
  }
  MR_TRY(stop_when_a_row_failed(node));
  MR_TRY(node.env.failpoints().point("engine.step.after").check());
  node.uncommitted.push_back(std::move(record));
  if (node.end_of_time_wanted) node.bounded_end = true;
  MR_TRY(commit(node));
  const uint64_t dirty = dirty_bytes_of(node);
  node.replay_bound.stepped(node.pipeline->bytes_taken() - taken_before, dirty);
  node.replay_debt.micros += node.env.clock().monotonic().micros - started.micros;
  bool due = long_ago || dirty > std::min(node.options.checkpoint_dirty_bytes, shares.dirty_bytes) ||
             node.replay_bound.wants_checkpoint() ||
             node.replay_debt > node.options.replay_debt_max;  // also without state: or a start would read it all again
  if (due) MR_TRY(checkpoint(node));
  MR_TRY(bound_state(node));
  lend_free_table_bytes(node);
  node.step_times.record(static_cast<uint64_t>(node.env.clock().monotonic().micros - started.micros));
  return true;
}

}  // namespace

Result<bool> step_and_commit(NodeState& node, bool force) {
  std::lock_guard steps(node.step_mutex);
  Result<bool> stepped = step_with_lock(node, force);
  const bool went_well = stepped.ok() ? *stepped : stopped_at(node).has_value();
  if (!went_well) return stepped;
  std::lock_guard starts(node.starts_mutex);
  (void)node.starts->clear();  // tried again after the next step
  return stepped;
}

Status give_first_rows(NodeState& node) {
  {
    std::lock_guard steps(node.step_mutex);
    if (!node.pipeline->owes_rows() || stopped_at(node)) return {};
  }
  MR_ASSIGN(bool stepped, step_and_commit(node, false));
  (void)stepped;
  return {};
}

void wake(NodeState& node) {
  {
    std::lock_guard guard(node.signal_mutex);
    ++node.data_signals;
  }
  node.signal.notify_all();
}

std::optional<Error> failure_of(NodeState& node) {
  std::lock_guard guard(node.signal_mutex);
  return node.failure;
}

void note_failure(NodeState& node, const Error& error) {
  const Error known = lead_to_verify(error);
  const bool external = known.fault == Fault::kExternal && known.code != sqlstate::kDataCorrupted;
  if (!external) {  // a start after this one would meet it again
    std::lock_guard starts(node.starts_mutex);
    (void)node.starts->fail(error);
  }
  {
    std::lock_guard guard(node.signal_mutex);
    if (!node.failure) node.failure = error;
  }
  node.signal.notify_all();
}

Result<bool> take_turn(NodeState& node) {
  MR_CHECK(node.env.single_threaded(), "a node with threads takes its own turns");
  if (std::optional<Error> failed = failure_of(node)) {
    if (failed->fault != Fault::kExternal) return *failed;
    MR_TRY(restart(node));
  }
  Result<bool> stepped = step_and_commit(node, false);
  if (!stepped.ok()) note_failure(node, stepped.error());
  std::lock_guard guard(node.sinks_mutex);
  for (const auto& sink : node.sinks) sink->turn();
  return stepped;
}

void step_loop(NodeState& node) {
  // A step that finds nothing sleeps until data comes, or until silence may have moved a watermark.
  constexpr Duration kIdleCheck = Duration::from_seconds(1);
  uint64_t seen = 0;
  uint32_t failures = 0;  // in a row
  Duration window_start = node.env.clock().monotonic();
  uint64_t window_rows = 0;
  while (!node.stopping) {
    std::optional<Error> failed = failure_of(node);  // of a commit that another thread made
    Result<bool> stepped = failed ? Result<bool>(*failed) : step_and_commit(node, false);
    if (!stepped.ok() && stopped_at(node)) {
      if (!stay_stopped(node)) return;
      continue;
    }
    if (!stepped.ok()) {
      note_failure(node, stepped.error());
      // What is not the disk's fault would fail in the same way again.
      if (stepped.error().fault != Fault::kExternal || !restart_until_it_works(node, ++failures)) return;
      continue;
    }
    failures = 0;
    Duration now = node.env.clock().monotonic();
    if (Duration elapsed{now.micros - window_start.micros}; elapsed >= Duration::from_millis(1000)) {
      std::lock_guard steps(node.step_mutex);
      uint64_t rows = node.pipeline->rows_taken();
      node.rows_per_second = rows < window_rows
                                 ? 0.0
                                 : static_cast<double>(rows - window_rows) * 1e6 / static_cast<double>(elapsed.micros);
      window_rows = rows;
      window_start = now;
    }
    if (*stepped) continue;
    std::unique_lock guard(node.signal_mutex);
    node.signal.wait_for(guard, std::chrono::microseconds(kIdleCheck.micros),
                         [&] { return node.stopping || node.data_signals != seen; });
    seen = node.data_signals;
  }
}

namespace {

/// Where every source ends now; of a companion, what is committed.
std::vector<PartitionEnd> present_ends(NodeState& node) {
  std::vector<PartitionEnd> ends;
  std::lock_guard steps(node.step_mutex);
  for (RunningSource& running : node.pipeline->sources()) {
    for (int32_t p = 0; p < running.source.stream->partition_count(); ++p) {
      Offset durable = running.source.stream->partition(PartitionId(p)).end_offset();
      ends.push_back({running.source.id, PartitionId(p), running.engine_written ? running.committed[p] : durable});
    }
  }
  return ends;
}

Status wait_for(NodeState& node, const std::vector<PartitionEnd>& wanted) {
  auto reached = [&] {
    std::lock_guard steps(node.step_mutex);
    return !node.in_doubt && std::all_of(wanted.begin(), wanted.end(), [&](const PartitionEnd& end) {
      RunningSource* running = node.pipeline->find_source(end.stream);
      return !running || running->positions[end.partition.value] >= end.end;
    });
  };
  bool runs_itself = node.env.single_threaded() || !node.ready;
  while (!reached()) {
    if (auto at = stopped_at(node)) return at->error();
    if (auto failure = failure_of(node)) return *failure;
    if (runs_itself) {
      Result<bool> stepped = step_and_commit(node, false);
      if (!stepped.ok()) {
        note_failure(node, stepped.error());
        return stepped.error();
      }
      continue;
    }
    wake(node);
    std::unique_lock guard(node.signal_mutex);
    Epoch before = node.committed_epoch;
    node.signal.wait_for(guard, std::chrono::milliseconds(100), [&] {
      return node.committed_epoch != before || node.failure || node.stopped || node.stopping;
    });
    if (node.stopping) return user_error(sqlstate::kUnavailable, "the node is stopping");
  }
  return {};
}

}  // namespace

Status wait_for_stream(NodeState& node, StreamId stream) {
  std::vector<PartitionEnd> ends = present_ends(node);
  std::erase_if(ends, [&](const PartitionEnd& end) { return end.stream != stream; });
  return wait_for(node, ends);
}

Status wait_for_catch_up(NodeState& node) {
  MR_TRY(wait_for(node, present_ends(node)));
  // What the first wait made late, dead or failing is input of the views that read those companions.
  return wait_for(node, present_ends(node));
}

}  // namespace millrace::engine
