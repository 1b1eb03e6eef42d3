#include "engine/sink_runner.h"

#include <algorithm>

#include "base/text.h"
#include "engine/changelog.h"

namespace millrace::engine {
namespace {

/// When so many rows at a time went well again, a refusal is forgotten.
constexpr int64_t kRowsMaxForgotten = 1 << 20;
/// How long a destination may hold up the end of a node; the whole node has 10 s.
constexpr Duration kStopMax = Duration::from_seconds(5);

Result<connectors::SinkMode> mode_of(const sql::CatalogObject& object, bool append_only, bool has_key) {
  const std::string& text = object.options.text("mode");
  if (text == "snapshot" || (text.empty() && !append_only)) return connectors::SinkMode::kSnapshot;
  if (text == "changes") return connectors::SinkMode::kChanges;
  if (text == "upsert") {
    if (has_key) return connectors::SinkMode::kUpsert;
    return user_error(sqlstate::kInvalidParameter, "sink " + object.name + ": mode upsert needs a view with a key")
        .with_hint("group the view by its key columns, or use mode = 'changes'");
  }
  if (append_only) return connectors::SinkMode::kAppend;
  return user_error(sqlstate::kInvalidParameter,
                    "sink " + object.name + ": mode append needs a view that never changes a row")
      .with_hint("use mode = 'snapshot' or 'changes', or EMIT ON WINDOW CLOSE in the view");
}

/// The id of the view that a sink reads; it is never used again.
StreamId object_stream(NodeState& node, const std::string& name) {
  const sql::CatalogObject* object = node.catalog.find(name);
  return object ? object->stream : StreamId();
}

}  // namespace

std::vector<uint32_t> sink_columns(connectors::SinkMode mode, size_t view_columns) {
  std::vector<uint32_t> columns;
  if (mode == connectors::SinkMode::kChanges || mode == connectors::SinkMode::kUpsert) {
    columns = {static_cast<uint32_t>(view_columns), static_cast<uint32_t>(view_columns + 1)};
  }
  for (uint32_t i = 0; i < view_columns; ++i) columns.push_back(i);
  return columns;
}

Result<std::shared_ptr<SinkRunner>> SinkRunner::make(NodeState& node, const sql::CatalogObject& object) {
  std::shared_ptr<SinkRunner> runner(new SinkRunner(node, object));
  PipelineView* view = node.pipeline->find_view(object.source);
  if (!view) {
    return user_error(sqlstate::kWrongObjectType, "sink " + object.name +
                                                      " must read a materialized view or a table, and " +
                                                      object.source + " is neither")
        .with_hint("CREATE MATERIALIZED VIEW … AS SELECT * FROM " + object.source + ", and give the sink that view");
  }
  MR_ASSIGN(runner->mode_, mode_of(object, view->plan.root().append_only, !view->key.empty()));
  runner->view_schema_ = view->store->schema();
  if (runner->mode_ != connectors::SinkMode::kSnapshot) runner->changelog_ = view->changelog;
  if (object.options.has("every")) runner->every_ = object.options.duration("every");
  if (object.options.has("give_up_after")) runner->give_up_after_ = object.options.duration("give_up_after");
  batch::Schema changes = changes_schema(runner->view_schema_);
  connectors::SinkSetup setup;
  setup.env = &node.env;
  setup.name = object.name;
  setup.source = view->name;
  setup.mode = runner->mode_;
  for (uint32_t column : sink_columns(runner->mode_, runner->view_schema_.size()))
    setup.schema.fields.push_back(changes[column]);
  bool shifted = runner->mode_ == connectors::SinkMode::kChanges || runner->mode_ == connectors::SinkMode::kUpsert;
  for (uint32_t column : view->key) setup.key.push_back(column + (shifted ? 2 : 0));
  setup.identity = node.identity + "/" + std::to_string(object_stream(node, object.source).value);
  setup.options = object.options;
  setup.base_directory = node.base_directory;
  const auto& make_sink = node.options.make_sink ? node.options.make_sink : connectors::make_sink;
  MR_ASSIGN(runner->sink_, make_sink(object.options.text("connector"), setup));
  if (runner->changelog_) {
    runner->delivered_hop_ = node.ledger.hop("sink:" + object.name);
    runner->dead_hop_ = node.ledger.hop("dead:" + object.name);
    runner->lost_hop_ = node.ledger.hop("lost:" + object.name);
    node.ledger.link(
        runner->changelog_->id(), view->name,
        {"changelog", "sink:" + object.name, {"dead:" + object.name, "lost:" + object.name, "before:" + object.name}});
    for (const auto& row : node.ledger.rows()) {
      if (row.hop == "lost:" + object.name) runner->lost_ += row.count;
    }
  }
  runner->key_ = view->key;
  for (const sql::Companion& companion : object.companions) {
    auto stream = node.log->find(companion.stream);
    if (stream) runner->dead_.emplace(std::move(stream), runner->view_schema_);
  }
  return runner;
}

SinkRunner::~SinkRunner() { stop(); }

void SinkRunner::start() {
  if (!node_.env.single_threaded() && !thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void SinkRunner::stop() {
  {
    std::lock_guard guard(node_.signal_mutex);
    stopping_ = true;
  }
  node_.signal.notify_all();
  if (!thread_.joinable()) return;
  {
    std::unique_lock guard(node_.signal_mutex);
    bool ended =
        node_.signal.wait_for(guard, std::chrono::microseconds(kStopMax.micros), [&] { return ended_.load(); });
    if (!ended) sink_->interrupt();
  }
  thread_.join();
}

Offset SinkRunner::committed_end() const {
  if (!changelog_) return Offset(0);
  std::shared_lock readers(node_.readers_mutex);
  auto end = node_.committed_ends.find({changelog_->id(), PartitionId(0)});
  return end == node_.committed_ends.end() ? Offset(0) : end->second;
}

Status SinkRunner::deliver_snapshot(bool final) {
  Timestamp now = node_.env.clock().now();
  std::optional<ViewStore::Snapshot> snapshot;
  uint64_t epoch = 0;
  {
    std::shared_lock readers(node_.readers_mutex);
    epoch = node_.epoch.value;
    bool due = final || !every_ || now - last_delivery_ >= *every_;
    if (epoch == snapshot_epoch_ || !due) return {};
    PipelineView* view = node_.pipeline->find_view(source_);
    if (!view) return {};
    snapshot = view->store->snapshot();
  }
  ViewStore::Snapshot::Position at;
  uint64_t rows = 0;
  MR_TRY(sink_->replace(
      [&](batch::Batch& out) -> Status {
        MR_TRY(snapshot->read(at, out));
        for (size_t row = 0; row < out.rows(); ++row) rows += static_cast<uint64_t>(out.diff(row));
        return {};
      },
      epoch));
  rows_ = rows;
  snapshot_epoch_ = epoch;
  last_delivery_ = now;
  return {};
}

Status SinkRunner::deliver_changes(bool final) {
  Offset end = committed_end();
  if (!changelog_) return {};
  ChangelogReader reader(changelog_->partition(PartitionId(0)), view_schema_, position_);
  batch::Batch rows(changes_schema(view_schema_));
  while (position_ < end) {
    Offset stop = rows_max_ == 0 ? end : std::min(end, Offset(delivered_ + rows_max_));
    rows.reset();
    MR_TRY(reader.next(stop, rows));
    if (rows.empty()) break;
    attempted_ = reader.position();
    MR_TRY(write_changes(rows, position_, reader.append_time()));
    position_ = attempted_;
    bool full = rows_max_ > 0 && position_ == stop;
    if (full || sink_->wants_commit(node_.env.clock().now())) MR_TRY(commit_delivery());
  }
  if (final || sink_->wants_commit(node_.env.clock().now())) return commit_delivery();
  return {};
}

Status SinkRunner::write_changes(const batch::Batch& rows, Offset first, Timestamp append_time) {
  std::vector<uint32_t> columns = sink_columns(mode_, view_schema_.size());
  Offset next(first.value + static_cast<int64_t>(rows.rows()));
  StreamId stream = changelog_->id();
  RowFaults faults = node_.env.failpoints().point("ledger.sink").rows(rows.rows());
  if (dead_offsets_.empty() && faults.none()) {
    MR_TRY(sink_->write(rows.project(columns), next.value));
    undelivered_.add(delivered_hop_, stream, PartitionId(0), append_time, first, static_cast<uint32_t>(rows.rows()));
    undelivered_rows_ += rows.rows();
    return {};
  }
  std::vector<uint32_t> sent;
  std::vector<int64_t> sent_offsets;
  std::vector<int64_t> dead_offsets;
  for (uint32_t row : faults.apply(static_cast<uint32_t>(rows.rows()), batch::kBatchRows)) {
    int64_t offset = first.value + row;
    bool dead = dead_offsets_.count(offset) > 0;
    (dead ? dead_offsets : sent_offsets).push_back(offset);
    if (!dead) sent.push_back(row);
  }
  MR_TRY(sink_->write(rows.select(sent).project(columns), next.value));
  add_offsets(delivered_hop_, append_time, sent_offsets);
  add_offsets(dead_hop_, append_time, dead_offsets);
  undelivered_rows_ += sent.size();
  return {};
}

/// Only what the destination holds counts as delivered.
Status SinkRunner::commit_delivery() {
  attempted_ = position_;
  MR_TRY(sink_->commit());
  MR_TRY(node_.env.failpoints().point("engine.sink.committed").check());
  rows_ += std::exchange(undelivered_rows_, 0);
  rows_max_ = rows_max_ > kRowsMaxForgotten ? 0 : rows_max_ * 2;
  dead_offsets_.erase(dead_offsets_.begin(), dead_offsets_.lower_bound(position_.value));
  std::lock_guard guard(book_mutex_);
  unbooked_.push_back(std::exchange(undelivered_, ledger::Recorder()));
  unbooked_end_ = position_;
  delivered_ = position_.value;
  return {};
}

Status SinkRunner::after_refusal(const Error& error) {
  ++refusals_;
  int64_t rows = attempted_.value - delivered_;
  if (rows > 1) {
    rows_max_ = rows / 2;
    return {};
  }
  ChangelogReader reader(changelog_->partition(PartitionId(0)), view_schema_, Offset(delivered_));
  batch::Batch row(changes_schema(view_schema_));
  MR_TRY(reader.next(attempted_, row));
  if (row.empty()) return internal_error("a row that sink " + name_ + " was given is gone");
  DeadLetter letter = dead_->letter_of(row, 0, Offset(delivered_), reader.append_time());
  MR_TRY(dead_->keep(letter, error.message, refusals_, node_.env.clock().now()));
  MR_TRY(node_.env.failpoints().point("engine.sink.dead").check());
  dead_offsets_.insert(delivered_);
  ++dead_waiting_;
  refusals_ = 0;
  return {};
}

Status SinkRunner::open_sink() {
  MR_ASSIGN(int64_t position, sink_->open());
  if (changelog_ && position > committed_end().value) {
    return user_error(sqlstate::kObjectInUse, "sink " + name_ + ": the destination holds rows up to offset " +
                                                  std::to_string(position - 1) +
                                                  ", and the view has fewer: they are of another data directory")
        .with_hint("name another destination, or empty this one");
  }
  undelivered_.clear();
  undelivered_rows_ = 0;
  MR_TRY(book_delivered(booked(), Offset(position)));
  MR_ASSIGN(position_, begin_at(Offset(position)));
  attempted_ = position_;
  delivered_ = position_.value;
  if (dead_ && changelog_) {
    MR_ASSIGN(dead_offsets_, dead_->dead_from(position_));
    dead_waiting_ = static_cast<uint64_t>(std::max<int64_t>(0, dead_->end().value - sink_->replayed()));
  }
  if (mode_ == connectors::SinkMode::kSnapshot) {
    MR_ASSIGN(snapshot_epoch_, sink_->snapshot_epoch());
  }
  open_ = true;
  return {};
}

Status SinkRunner::deliver_once(bool final) {
  if (!open_) MR_TRY(open_sink());
  return mode_ == connectors::SinkMode::kSnapshot ? deliver_snapshot(final) : deliver_changes(final);
}

Status SinkRunner::deliver(bool final) {
  std::lock_guard guard(deliver_mutex_);
  while (true) {
    Status status = deliver_once(final);
    if (status.ok()) return status;
    open_ = false;  // ask the destination where it is before going on
    bool row_by_row = changelog_ && dead_ && mode_ != connectors::SinkMode::kSnapshot;
    if (!row_by_row || !sink_->refused_rows()) return status;
    MR_TRY(after_refusal(status.error()));
  }
}

Status SinkRunner::deliver_all() { return deliver(true); }

void SinkRunner::round(bool final) {
  constexpr int64_t kPauseMaxMs = 30000;
  Status status = deliver(final);
  pause_ms_ = status.ok() ? 0 : std::min(kPauseMaxMs, std::max<int64_t>(100, pause_ms_ * 2));
  note(status);
  if (!status.ok()) let_go_what_is_too_old();
}

/// Sinks of one destination that went away do not come back all at once.
int64_t SinkRunner::random_pause_ms() const {
  return pause_ms_ / 2 + static_cast<int64_t>(node_.env.random().next() % (pause_ms_ / 2 + 1));
}

void SinkRunner::turn() {
  Duration now = node_.env.clock().monotonic();
  if (now < next_round_) return;
  round(false);
  next_round_ = Duration{now.micros + random_pause_ms() * 1000};
}

void SinkRunner::run() {
  while (true) {
    bool last = stopping_ || node_.stopping;
    round(last);
    if (last) break;
    int64_t wait_ms = random_pause_ms();
    std::unique_lock guard(node_.signal_mutex);
    Epoch seen = node_.committed_epoch;
    node_.signal.wait_for(guard, std::chrono::milliseconds(pause_ms_ > 0 ? wait_ms : 200), [&] {
      return stopping_ || node_.stopping || (pause_ms_ == 0 && node_.committed_epoch != seen);
    });
  }
  {
    std::lock_guard guard(node_.signal_mutex);
    ended_ = true;
  }
  node_.signal.notify_all();
}

uint64_t SinkRunner::lag() const {
  if (mode_ != connectors::SinkMode::kSnapshot) {
    // Before the destination has answered once, the books say what it holds.
    return static_cast<uint64_t>(
        std::max<int64_t>(0, committed_end().value - std::max<int64_t>(delivered_, booked().value)));
  }
  std::shared_lock readers(node_.readers_mutex);
  return node_.epoch.value - std::min(node_.epoch.value, snapshot_epoch_.load());
}

void SinkRunner::note(const Status& status) {
  Timestamp now = node_.env.clock().now();
  std::lock_guard guard(state_mutex_);
  if (status.ok()) {
    state_.state = "running";
    state_.delivered_at = now;
    state_.failing_since.reset();
    state_.failed_attempts = 0;
    return;
  }
  state_.last_error = status.error().message;
  state_.state = "failing: " + state_.last_error;
  if (state_.failed_attempts++ == 0) state_.failing_since = now;
}

SinkStatus SinkRunner::status() const {
  uint64_t behind = lag();
  std::lock_guard guard(state_mutex_);
  SinkStatus status = state_;
  status.rows = rows_;
  status.lag = behind;
  status.dead = dead_waiting_;
  status.lost = lost_;
  return status;
}

bool is_off(const sql::CatalogObject& sink) {
  const sql::Options& options = sink.options;
  return options.text("connector") == "file" && (!options.has("path") || options.text("path").empty());
}

Status check_sink(NodeState& node, const sql::CatalogObject& sink) {
  if (is_off(sink)) return {};
  MR_ASSIGN(auto runner, SinkRunner::make(node, sink));
  return runner->check();
}

Status follow_sinks(NodeState& node) {
  std::lock_guard guard(node.sinks_mutex);
  std::vector<const sql::CatalogObject*> wanted = node.catalog.objects(sql::ObjectKind::kSink);
  auto is_wanted = [&](const std::shared_ptr<SinkRunner>& runner) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const auto* object) { return object->name == runner->name(); });
  };
  for (auto& runner : node.sinks) {
    if (!is_wanted(runner)) runner->stop();
  }
  std::erase_if(node.sinks, [&](const auto& runner) { return !is_wanted(runner); });
  for (const sql::CatalogObject* object : wanted) {
    bool there = std::any_of(node.sinks.begin(), node.sinks.end(),
                             [&](const auto& runner) { return runner->name() == object->name; });
    if (there) continue;
    if (is_off(*object)) continue;
    MR_ASSIGN(auto runner, SinkRunner::make(node, *object));
    if (node.ready) runner->start();
    node.sinks.push_back(std::move(runner));
  }
  return {};
}

}  // namespace millrace::engine
