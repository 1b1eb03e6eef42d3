#include "engine/sink_runner.h"

#include <algorithm>

#include "base/text.h"
#include "engine/changelog.h"

namespace millrace::engine {
namespace {

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

/// `_op` and `_commit` in front, as sinks of changes have them.
std::vector<uint32_t> sink_columns(connectors::SinkMode mode, size_t view_columns) {
  std::vector<uint32_t> columns;
  if (mode == connectors::SinkMode::kChanges || mode == connectors::SinkMode::kUpsert) {
    columns = {static_cast<uint32_t>(view_columns), static_cast<uint32_t>(view_columns + 1)};
  }
  for (uint32_t i = 0; i < view_columns; ++i) columns.push_back(i);
  return columns;
}

}  // namespace

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
  runner->changelog_ = view->changelog;
  if (object.options.has("every")) runner->every_ = object.options.duration("every");
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
  setup.options = object.options;
  setup.base_directory = node.base_directory;
  MR_ASSIGN(runner->sink_, connectors::make_sink(object.options.text("connector"), setup));
  if (runner->changelog_) {
    runner->delivered_hop_ = node.ledger.hop("sink:" + object.name);
    node.ledger.link(runner->changelog_->id(), view->name, {"changelog", "sink:" + object.name, {}});
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
  if (thread_.joinable()) thread_.join();
}

Offset SinkRunner::committed_end() const {
  if (!changelog_) return Offset(0);
  std::shared_lock readers(node_.readers_mutex);
  auto end = node_.written.find({changelog_->id(), PartitionId(0)});
  return end == node_.written.end() ? Offset(0) : end->second;
}

Status SinkRunner::deliver_snapshot(bool final) {
  Timestamp now = node_.env.clock().now();
  std::optional<ViewStore::Snapshot> snapshot;
  uint64_t epoch = 0;
  {
    std::shared_lock readers(node_.readers_mutex);
    epoch = node_.epoch.value;
    bool due = final || !every_ || now - last_delivery_ >= *every_;
    lag_ = epoch - std::min(epoch, snapshot_epoch_);
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
  lag_ = 0;
  return {};
}

Status SinkRunner::deliver_changes(bool final) {
  Offset end = committed_end();
  lag_ = static_cast<uint64_t>(end.value - std::min(end.value, position_.value));
  if (!changelog_) return {};
  batch::Schema changes = changes_schema(view_schema_);
  std::vector<uint32_t> columns = sink_columns(mode_, view_schema_.size());
  ChangelogReader reader(changelog_->partition(PartitionId(0)), view_schema_, position_);
  ledger::Recorder recorder = std::exchange(undelivered_, ledger::Recorder());
  batch::Batch rows(changes);
  while (position_ < end) {
    rows.reset();
    Offset first = reader.position();
    MR_TRY(reader.next(end, rows));
    if (rows.empty()) break;
    MR_TRY(sink_->write(rows.project(columns), reader.position().value));
    position_ = reader.position();
    recorder.add(delivered_hop_, changelog_->id(), PartitionId(0), reader.append_time(), first,
                 static_cast<uint32_t>(rows.rows()));
    rows_ += rows.rows();
    lag_ = static_cast<uint64_t>(end.value - position_.value);
    if (sink_->wants_commit(node_.env.clock().now())) {
      MR_TRY(commit_delivery(recorder));
    }
  }
  if (final || sink_->wants_commit(node_.env.clock().now())) return commit_delivery(recorder);
  undelivered_ = std::move(recorder);
  return {};
}

/// Only what the destination holds counts as delivered.
Status SinkRunner::commit_delivery(ledger::Recorder& recorder) {
  MR_TRY(sink_->commit());
  node_.ledger.merge(recorder);
  delivered_ = position_.value;
  return {};
}

Status SinkRunner::deliver(bool final) {
  std::lock_guard guard(deliver_mutex_);
  if (!open_) {
    MR_ASSIGN(int64_t position, sink_->open());
    if (changelog_ && position > committed_end().value) {
      return user_error(sqlstate::kObjectInUse, "sink " + name_ + ": the destination holds rows up to offset " +
                                                    std::to_string(position - 1) +
                                                    ", and the view has fewer: they are of another data directory")
          .with_hint("name another destination, or empty this one");
    }
    position_ = Offset(position);
    delivered_ = position;
    undelivered_.clear();
    if (mode_ == connectors::SinkMode::kSnapshot) {
      MR_ASSIGN(snapshot_epoch_, sink_->snapshot_epoch());
    }
    open_ = true;
  }
  Status status = mode_ == connectors::SinkMode::kSnapshot ? deliver_snapshot(final) : deliver_changes(final);
  if (!status.ok()) open_ = false;  // ask the destination where it is before going on
  return status;
}

Status SinkRunner::deliver_all() { return deliver(true); }

void SinkRunner::run() {
  constexpr int64_t kPauseMaxMs = 30000;
  int64_t pause_ms = 0;
  while (true) {
    bool last = stopping_ || node_.stopping;
    Status status = deliver(last);
    {
      std::lock_guard guard(state_mutex_);
      state_ = status.ok() ? "running" : "failing: " + status.error().message;
    }
    if (last) return;
    pause_ms = status.ok() ? 0 : std::min(kPauseMaxMs, std::max<int64_t>(100, pause_ms * 2));
    std::unique_lock guard(node_.signal_mutex);
    Epoch seen = node_.committed_epoch;
    node_.signal.wait_for(guard, std::chrono::milliseconds(pause_ms > 0 ? pause_ms : 200), [&] {
      return stopping_ || node_.stopping || (pause_ms == 0 && node_.committed_epoch != seen);
    });
  }
}

std::optional<std::pair<StreamId, Offset>> SinkRunner::delivered() const {
  if (!changelog_) return std::nullopt;
  return std::pair(changelog_->id(), Offset(delivered_));
}

SinkStatus SinkRunner::status() const {
  std::lock_guard guard(state_mutex_);
  return {name_, source_, state_, rows_, lag_};
}

bool is_off(const sql::CatalogObject& sink) {
  const sql::Options& options = sink.options;
  return options.text("connector") == "file" && (!options.has("path") || options.text("path").empty());
}

Status check_sink(NodeState& node, const sql::CatalogObject& sink) {
  if (is_off(sink)) return {};
  MR_ASSIGN(auto runner, SinkRunner::make(node, sink));
  (void)runner;
  return {};
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
