#include "engine/subscriptions.h"

#include <shared_mutex>

#include "base/text.h"
#include "engine/changelog.h"
#include "engine/subscription_position.h"

namespace millrace::engine {
namespace {

/// The rows that are there when it begins, each as +I.
class SnapshotRows {
 public:
  static Result<SnapshotRows> of(NodeState& node, const PipelineView& view) {
    const uint64_t bytes_max = shares_of(node.options.memory_bytes).copy_bytes;
    SnapshotRows rows(view.store->snapshot(bytes_max), view.store->schema(), node.epoch);
    if (node.store) MR_TRY(node.store->status());
    if (!rows.snapshot_->cut) return rows;
    return user_error(sqlstate::kTooLarge, "the rows of " + view.name + " do not fit into the " +
                                               format_bytes(bytes_max) + " that may be copied at a time")
        .with_hint("subscribe FROM NOW, or start the node with more --memory");
  }

  Epoch epoch() const { return epoch_; }
  bool at_end() const { return snapshot_->at_end(at_); }
  /// Columns of the view, `_op` and `_commit`; each row once for each time that it is there.
  Status next(batch::Batch& out) {
    batch::Batch rows(schema_);
    MR_TRY(snapshot_->read(at_, rows));
    std::vector<uint32_t> all;
    for (uint32_t row = 0; row < rows.rows(); ++row) all.insert(all.end(), static_cast<size_t>(rows.diff(row)), row);
    batch::Batch changes(
        std::vector<batch::Type>{batch::Type(batch::TypeId::kVarchar), batch::Type(batch::TypeId::kUbigint)});
    for (size_t row = 0; row < all.size(); ++row) {
      changes.mutable_column(0).set_string(row, change_op_text(ChangeOp::kInsert));
      changes.mutable_column(1).set<uint64_t>(row, epoch_.value);
    }
    changes.set_rows(all.size());
    batch::Batch selected = rows.select(all);
    selected.set_diffs({});
    out = batch::Batch::beside(selected, changes).clone();
    return {};
  }

 private:
  SnapshotRows(ViewStore::Snapshot snapshot, batch::Schema schema, Epoch epoch)
      : snapshot_(std::make_unique<ViewStore::Snapshot>(std::move(snapshot))),
        schema_(std::move(schema)),
        epoch_(epoch) {}

  std::unique_ptr<ViewStore::Snapshot> snapshot_;
  batch::Schema schema_;
  Epoch epoch_;
  ViewStore::Snapshot::Position at_;
};

/// Drops the view of a query when its subscriber is gone.
class TemporaryView {
 public:
  TemporaryView(NodeState& node, std::string name) : node_(node), name_(std::move(name)) {}
  ~TemporaryView() {
    if (!node_.stopping) (void)drop_temporary_view(node_, name_);  // it is not stored: a stop ends it too
  }
  TemporaryView(const TemporaryView&) = delete;
  TemporaryView& operator=(const TemporaryView&) = delete;

 private:
  NodeState& node_;
  std::string name_;
};

class QueueSubscription final : public Subscription {
 public:
  QueueSubscription(std::shared_ptr<SubscriberQueue> queue, std::optional<SnapshotRows> snapshot,
                    std::unique_ptr<TemporaryView> view)
      : view_(std::move(view)), queue_(std::move(queue)), snapshot_(std::move(snapshot)) {}
  ~QueueSubscription() override { queue_->batches.close(); }

  const batch::Schema& schema() const override { return queue_->schema; }

  Result<batch::Batch> next(Duration timeout) override {
    if (auto failure = queue_->failure()) return *failure;
    batch::Batch rows(queue_->schema);
    if (snapshot_) {
      MR_TRY(snapshot_->next(rows));
      if (snapshot_->at_end()) snapshot_.reset();
      if (!rows.empty()) return rows;
    }
    if (auto batch = queue_->batches.pop_for(timeout)) return std::move(*batch);
    if (auto failure = queue_->failure()) return *failure;
    if (queue_->batches.closed()) return user_error(sqlstate::kCancelled, "the node is stopping");
    if (queue_->overrun) {
      return user_error(sqlstate::kUnavailable, "the subscriber was too slow: changes were let go")
          .with_hint("subscribe again");
    }
    return rows;
  }

 private:
  std::unique_ptr<TemporaryView> view_;  // goes last
  std::shared_ptr<SubscriberQueue> queue_;
  std::optional<SnapshotRows> snapshot_;
};

class ChangelogSubscription final : public Subscription {
 public:
  ChangelogSubscription(NodeState& node, const PipelineView& view, Offset from, std::optional<SnapshotRows> snapshot)
      : node_(node),
        id_(view.id),
        name_(view.name),
        stream_(view.changelog),
        view_schema_(view.store->schema()),
        schema_(changes_schema(view_schema_)),
        reader_(stream_->partition(PartitionId(0)), view_schema_, from),
        snapshot_(std::move(snapshot)) {
    schema_.fields.push_back({"_position", batch::Type(batch::TypeId::kVarchar)});
  }

  /// Of the first row, when the reader begins within a commit.
  void begin_behind(Epoch commit, uint64_t rows) {
    commit_ = commit.value;
    index_ = rows;
  }

  const batch::Schema& schema() const override { return schema_; }

  Result<batch::Batch> next(Duration timeout) override {
    if (snapshot_) {
      MR_ASSIGN(batch::Batch rows, next_of_snapshot());
      if (!rows.empty()) return rows;
    }
    MR_ASSIGN(Offset end, committed_end());
    if (reader_.position() >= end) {
      std::unique_lock guard(node_.signal_mutex);
      const Epoch seen = seen_;
      node_.signal.wait_for(guard, std::chrono::microseconds(timeout.micros),
                            [&] { return node_.stopping || node_.committed_epoch != seen; });
      seen_ = node_.committed_epoch;
      guard.unlock();
      if (node_.stopping) return user_error(sqlstate::kCancelled, "the node is stopping");
      MR_ASSIGN(end, committed_end());
    }
    if (reader_.position() >= end) return batch::Batch(schema_);
    if (reader_.position() < stream_->partition(PartitionId(0)).begin_offset()) {
      return user_error(sqlstate::kUnavailable, "the changes that come next are no longer kept: " + name_)
          .with_hint("subscribe FROM BEGINNING; the view's retention says how long changes are kept");
    }
    batch::Batch rows(changes_schema(view_schema_));
    MR_TRY(reader_.next(end, rows));
    return with_positions(rows);
  }

 private:
  Result<batch::Batch> next_of_snapshot() {
    batch::Batch rows(changes_schema(view_schema_));
    MR_TRY(snapshot_->next(rows));
    batch::Batch positions(std::vector<batch::Type>{batch::Type(batch::TypeId::kVarchar)});
    for (size_t row = 0; row < rows.rows(); ++row) positions.mutable_column(0).set_null(row);
    if (snapshot_->at_end()) {  // who did not see all rows must begin again
      if (!rows.empty()) {
        positions = batch::Batch(std::vector<batch::Type>{batch::Type(batch::TypeId::kVarchar)});
        for (size_t row = 0; row + 1 < rows.rows(); ++row) positions.mutable_column(0).set_null(row);
        positions.mutable_column(0).set_string(rows.rows() - 1, position_text(id_, snapshot_->epoch(), 0));
      }
      snapshot_.reset();
    }
    positions.set_rows(rows.rows());
    return batch::Batch::beside(rows, positions).clone();
  }

  batch::Batch with_positions(const batch::Batch& rows) {
    batch::Batch positions(std::vector<batch::Type>{batch::Type(batch::TypeId::kVarchar)});
    batch::ColumnView commits = rows.column(view_schema_.size() + 1);
    for (size_t row = 0; row < rows.rows(); ++row) {
      const uint64_t commit = commits.at<uint64_t>(row);
      index_ = commit == commit_ ? index_ + 1 : 1;
      commit_ = commit;
      positions.mutable_column(0).set_string(row, position_text(id_, Epoch(commit), index_));
    }
    positions.set_rows(rows.rows());
    return batch::Batch::beside(rows, positions).clone();
  }

  Result<Offset> committed_end() {
    std::shared_lock readers(node_.readers_mutex);
    MR_TRY(refuse_while_restarting(node_));
    const PipelineView* view = node_.pipeline->find_view(name_);
    if (!view || view->id != id_) return user_error(sqlstate::kUndefinedTable, "the view is gone: " + name_);
    auto end = node_.committed_ends.find({id_, PartitionId(0)});
    return end == node_.committed_ends.end() ? Offset(0) : end->second;
  }

  NodeState& node_;
  const StreamId id_;
  const std::string name_;
  const std::shared_ptr<log::Stream> stream_;  // shared with the log: it may be dropped meanwhile
  const batch::Schema view_schema_;
  batch::Schema schema_;
  ChangelogReader reader_;
  std::optional<SnapshotRows> snapshot_;
  Epoch seen_;
  uint64_t commit_ = 0;  // of the last row
  uint64_t index_ = 0;   // of it within its commit, from 1
};

SubscriptionRequest request_of(const sql::Query& query) {
  SubscriptionRequest request;
  request.query = query.sql.text;
  request.query_offset = query.sql.span.offset;
  request.on_window_close = query.emit == sql::Emit::kOnWindowClose;
  request.allowed_lateness = query.allowed_lateness.value_or(Duration{});
  request.from = SubscriptionRequest::From::kBeginning;
  return request;
}

Result<std::unique_ptr<Subscription>> subscribe_to_view(NodeState& node, const SubscriptionRequest& request,
                                                        std::unique_ptr<TemporaryView> temporary) {
  std::shared_lock readers(node.readers_mutex);
  MR_TRY(refuse_while_restarting(node));
  PipelineView* view = node.pipeline->find_view(request.view);
  if (!view) {
    return user_error(sqlstate::kUndefinedTable, "there is no view, table or stream named " + request.view)
        .with_hint(node.catalog.did_you_mean(request.view));
  }
  using From = SubscriptionRequest::From;
  std::optional<SnapshotRows> snapshot;
  if (request.from == From::kBeginning) {
    MR_ASSIGN(snapshot, SnapshotRows::of(node, *view));
  }
  if (view->keeps_changes) {
    auto committed = node.committed_ends.find({view->id, PartitionId(0)});
    Offset from = committed == node.committed_ends.end() ? Offset(0) : committed->second;
    ChangelogPlace place{from, {}, 0};
    if (request.from == From::kPosition) {
      MR_ASSIGN(place, place_behind(node, *view, request.position));
    }
    auto subscription = std::make_unique<ChangelogSubscription>(node, *view, place.offset, std::move(snapshot));
    subscription->begin_behind(place.commit, place.rows);
    return std::unique_ptr<Subscription>(std::move(subscription));
  }
  if (request.from == From::kPosition) {
    return user_error(sqlstate::kNotSupported, "the changes of " + view->name + " are not kept")
        .with_hint("CREATE MATERIALIZED VIEW … WITH (retention = '1 hour') keeps them for so long");
  }
  auto queue = std::make_shared<SubscriberQueue>(view->name, changes_schema(view->store->schema()));
  {
    std::lock_guard guard(node.subscribers_mutex);
    node.subscribers.push_back(queue);
  }
  return std::unique_ptr<Subscription>(
      std::make_unique<QueueSubscription>(std::move(queue), std::move(snapshot), std::move(temporary)));
}

/// A stream and a plain view have no changes of their own: they are asked as a query.
bool is_read_as_query(NodeState& node, const std::string& name) {
  std::shared_lock readers(node.readers_mutex);
  if (!node.pipeline || node.pipeline->find_view(name)) return false;
  std::optional<sql::Relation> relation = node.catalog.relation(name);
  if (relation) return relation->kind != sql::Relation::Kind::kSystem;
  const sql::CatalogObject* object = node.catalog.find(name);
  return object && object->kind == sql::ObjectKind::kView;
}

}  // namespace

Result<std::optional<SubscriptionRequest>> subscription_request(std::string_view sql) {
  MR_ASSIGN(std::vector<sql::Statement> statements, sql::parse_statements(sql));
  std::optional<SubscriptionRequest> request;
  if (statements.size() != 1) return request;
  if (const auto* select = std::get_if<sql::Select>(&statements[0].body)) {
    if (select->query.emit != sql::Emit::kDefault) request = request_of(select->query);
    return request;
  }
  const auto* subscribe = std::get_if<sql::Subscribe>(&statements[0].body);
  if (!subscribe) return request;
  using From = SubscriptionRequest::From;
  if (const auto* query = std::get_if<sql::Query>(&subscribe->source)) {
    request = request_of(*query);
    if (subscribe->from == sql::SubscribeFrom::kPosition) {
      return user_error(sqlstate::kNotSupported, "a query that is followed keeps no changes to go on from")
          .at(statements[0].span)
          .with_hint("CREATE MATERIALIZED VIEW … WITH (retention = '1 hour'), and SUBSCRIBE TO it");
    }
    return request;
  }
  request.emplace();
  request->view = std::get<sql::Name>(subscribe->source).text;
  if (subscribe->from == sql::SubscribeFrom::kBeginning) request->from = From::kBeginning;
  if (subscribe->from == sql::SubscribeFrom::kPosition) request->from = From::kPosition;
  request->position = subscribe->position;
  return request;
}

Result<std::unique_ptr<Subscription>> open_subscription(NodeState& node, const SubscriptionRequest& asked) {
  SubscriptionRequest request = asked;
  if (request.query.empty() && is_read_as_query(node, request.view)) {
    if (request.from == SubscriptionRequest::From::kPosition) {
      return user_error(sqlstate::kNotSupported, "no changes are kept of " + request.view + " to go on from")
          .with_hint(
              "CREATE MATERIALIZED VIEW … AS SELECT * FROM it WITH (retention = '1 hour'), and SUBSCRIBE TO that");
    }
    request.query = "SELECT * FROM " + quote_identifier(request.view);
  }
  if (request.query.empty()) {
    std::lock_guard ddl(node.ddl_mutex);
    MR_TRY(keep_rows(node, {request.view}));
  }
  std::unique_ptr<TemporaryView> temporary;
  if (!request.query.empty()) {
    MR_ASSIGN(request.view, create_temporary_view(node, request));
    temporary = std::make_unique<TemporaryView>(node, request.view);
  }
  return subscribe_to_view(node, request, std::move(temporary));
}

void end_subscriptions(NodeState& node, const std::string* view, const Error& error) {
  std::lock_guard guard(node.subscribers_mutex);
  for (const auto& weak : node.subscribers) {
    auto queue = weak.lock();
    if (queue && (!view || iequals(queue->view, *view))) queue->fail(error);
  }
}

Status publish_changes(NodeState& node, PipelineView& view, Epoch epoch) {
  std::vector<std::shared_ptr<SubscriberQueue>> queues;
  {
    std::lock_guard guard(node.subscribers_mutex);
    std::erase_if(node.subscribers, [](const auto& weak) { return weak.expired(); });
    for (const auto& weak : node.subscribers) {
      auto queue = weak.lock();
      if (queue && iequals(queue->view, view.name)) queues.push_back(std::move(queue));
    }
  }
  if (queues.empty() || !view.store->has_staged()) return {};
  MR_ASSIGN(auto ordered, order_changes(view.store->staged_changes(), view.store->codec(), view.pairing_key()));
  for (size_t first = 0; first < ordered.size(); first += batch::kBatchRows) {
    size_t count = std::min(batch::kBatchRows, ordered.size() - first);
    batch::Batch rows(queues[0]->schema);
    MR_TRY(put_changes(view.store->codec(), std::span(ordered).subspan(first, count), epoch, rows, 0));
    rows.set_rows(count);
    for (auto& queue : queues) {
      batch::Batch copy = rows.clone();
      size_t bytes = copy.memory_bytes();
      if (queue->batches.try_push(copy, bytes) == PushOutcome::kFull) queue->overrun = true;
    }
  }
  return {};
}

}  // namespace millrace::engine
