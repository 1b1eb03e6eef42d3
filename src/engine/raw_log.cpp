#include "engine/raw_log.h"

#include <algorithm>

#include "engine/node_raw_log.h"
#include "engine/node_state.h"
#include "engine/producer_account.h"
#include "engine/stream_source.h"
#include "engine/view_topic.h"
#include "log/record_batch.h"

namespace millrace::engine {
namespace {

constexpr std::string_view kOwnHeaders[] = {kProducerShareHeader, kRefusedHeader};  // docs/formats/log.md

Error bad_record(std::string message) { return user_error(sqlstate::kDataCorrupted, std::move(message)); }

Status check_records(log::RecordCursor cursor) {
  log::RecordView record;
  int32_t expected = 0;
  while (cursor.next(record)) {
    if (record.offset_delta != expected++) return bad_record("offsets of a record batch do not count from 0");
    log::RecordHeader header;
    while (record.headers.next(header)) {
      if (std::find(std::begin(kOwnHeaders), std::end(kOwnHeaders), header.key) != std::end(kOwnHeaders)) {
        return user_error(sqlstate::kInvalidParameter,
                          "a record has a header of the system's: " + std::string(header.key));
      }
    }
  }
  return cursor.status();
}

class SettlingBatches final : public QueuedBatches {
 public:
  SettlingBatches(NodeState& node, StreamId stream, size_t count) : node_(node), stream_(stream), results_(count) {}

  void refuse(size_t place, Error error) { results_[place] = std::move(error); }
  void add(size_t place, log::Partition& partition, log::Ticket ticket) {
    pending_.push_back({&partition, std::move(ticket)});
    places_.push_back(place);
  }

  void settle(std::function<void(Results)> done) override {
    auto collect = [&node = node_, stream = stream_, results = std::move(results_), places = std::move(places_),
                    partitions = partitions_of_pending(), done = std::move(done)](Results settled) mutable {
      finish(node, stream, results, places, partitions, std::move(settled));
      Results all;
      for (auto& result : results) all.push_back(*std::move(result));
      done(std::move(all));
    };
    // Shared: a std::function must be copyable. It must not hold the stream: the last to let go waits for callbacks.
    auto shared = std::make_shared<decltype(collect)>(std::move(collect));
    node_.log->when_all(pending_, [shared](Results settled) { (*shared)(std::move(settled)); });
  }

 private:
  using Slots = std::vector<std::optional<Result<log::AppendResult>>>;

  std::vector<PartitionId> partitions_of_pending() const {
    std::vector<PartitionId> partitions;
    for (const auto& append : pending_) partitions.push_back(append.partition->id());
    return partitions;
  }

  static void finish(NodeState& node, StreamId stream, Slots& slots, const std::vector<size_t>& places,
                     const std::vector<PartitionId>& partitions, Results settled) {
    std::vector<ReceivedRange> received;
    for (size_t i = 0; i < settled.size(); ++i) {
      const auto& result = settled[i];
      if (result.ok() && !result->duplicate) {
        auto count = static_cast<uint32_t>(result->last.value - result->first.value + 1);
        received.push_back({partitions[i], result->first, count, result->append_time});
      }
      slots[places[i]] = std::move(settled[i]);
    }
    if (received.empty()) return;
    (void)node.env.failpoints().point("engine.received").check();  // only a delay has an effect
    node.received.add(stream, received);
  }

  NodeState& node_;
  StreamId stream_;
  Slots results_;
  std::vector<size_t> places_;
  std::vector<log::PendingAppend> pending_;
};

std::optional<TopicKind> kind_of(const sql::CatalogObject& object) {
  if (object.temporary) return std::nullopt;
  switch (object.kind) {
    case sql::ObjectKind::kStream: return TopicKind::kStream;
    case sql::ObjectKind::kTable: return TopicKind::kTable;
    case sql::ObjectKind::kMaterializedView: return TopicKind::kView;
    default: return std::nullopt;
  }
}

/// The log of the object's own topic; none: of a view that nobody has read.
StreamId log_of(const sql::CatalogObject& object, TopicKind kind) {
  return kind == TopicKind::kView ? sql::topic_stream(object).value_or(StreamId()) : object.stream;
}

class NodeRawLog final : public RawLog {
 public:
  explicit NodeRawLog(NodeState& node) : node_(node) {}

  std::vector<Topic> topics() override {
    std::shared_lock readers(node_.readers_mutex);
    std::vector<Topic> all;
    for (const sql::CatalogObject* object : node_.catalog.objects()) {
      if (auto topic = topic_of(*object)) all.push_back(*std::move(topic));
      for (const sql::Companion& companion : object->companions) {
        if (auto topic = topic_of(*object, companion)) all.push_back(*std::move(topic));
      }
    }
    return all;
  }

  std::optional<Topic> topic(std::string_view name) override {
    std::shared_lock readers(node_.readers_mutex);
    if (const sql::CatalogObject* object = node_.catalog.find(name)) return topic_of(*object);
    const std::optional<sql::Relation> relation = node_.catalog.relation(name);
    if (!relation || !relation->companion) return std::nullopt;
    return topic_of(*relation->object, {*relation->companion, relation->stream});
  }

  bool has_topic(StreamId id) override {
    const std::vector<Topic> all = topics();
    return std::any_of(all.begin(), all.end(), [&](const Topic& topic) { return topic.stream && topic.id == id; });
  }

  Offset end_of(const Topic& topic, const log::Partition& partition) override {
    if (topic.kind != TopicKind::kView && topic.kind != TopicKind::kSide) return partition.end_offset();
    std::shared_lock readers(node_.readers_mutex);
    const auto end = node_.committed_ends.find({topic.id, partition.id()});
    return end == node_.committed_ends.end() ? partition.begin_offset() : end->second;
  }

  Result<Topic> serve(const Topic& view) override {
    MR_TRY(serve_topic(node_, view.name));
    std::optional<Topic> served = topic(view.name);
    if (served && served->stream) return *std::move(served);
    return user_error(sqlstate::kUndefinedTable, "the view is gone: " + view.name);
  }

  Result<bool> stop_serving(const Topic& view) override { return drop_topic(node_, view.name); }

  Result<std::shared_ptr<log::Stream>> broker_stream(const log::StreamOptions& options) override {
    if (auto there = node_.log->find(kBrokerStream)) return there;
    return node_.log->create_stream(kBrokerStream, "_kafka", options);
  }

  Status check_appends() override {
    std::shared_lock readers(node_.readers_mutex);
    MR_TRY(refuse_while_restarting(node_));
    if (node_.bounded_end) {
      return user_error(sqlstate::kReadOnly,
                        "the data directory was run with --once to its end and takes no new events");
    }
    return node_.space.check();
  }

  std::unique_ptr<QueuedBatches> queue(const Topic& topic, std::vector<RawBatch> batches) override {
    auto queued = std::make_unique<SettlingBatches>(node_, topic.id, batches.size());
    for (size_t i = 0; i < batches.size(); ++i) {
      log::Partition& partition = topic.stream->partition(batches[i].partition);
      Result<log::Ticket> ticket = append(topic, partition, std::move(batches[i]));
      ticket.ok() ? queued->add(i, partition, *std::move(ticket)) : queued->refuse(i, std::move(ticket).error());
    }
    return queued;
  }

  uint64_t batch_bytes_max() const override { return node_.options.record_bytes_max; }

  Result<Offset> delete_records(const Topic& topic, PartitionId id, Offset end) override {
    log::Partition& partition = topic.stream->partition(id);
    MR_TRY(keep_all_rows());
    std::lock_guard steps(node_.step_mutex);
    if (auto failure = failure_of(node_)) return *failure;
    MR_TRY(refuse_in_doubt(node_));
    MR_TRY(checkpoint(node_));  // a restart runs again what came after the last one
    const RunningSource* running = node_.pipeline->find_source(topic.id);
    if (running != nullptr) end = std::min(end, running->positions[static_cast<size_t>(id.value)]);
    MR_ASSIGN(uint64_t freed, partition.delete_before(end));
    (void)freed;
    return partition.begin_offset();
  }

  void watch(log::DurableListener listener) override { node_.durable_watch.set(std::move(listener)); }

 private:
  /// From now on views cannot be computed from the log.
  Status keep_all_rows() {
    std::lock_guard ddl(node_.ddl_mutex);
    std::vector<std::string> views;
    {
      std::shared_lock readers(node_.readers_mutex);
      for (const auto& view : node_.pipeline->views()) {
        if (!view->kept) views.push_back(view->name);
      }
    }
    return keep_rows(node_, views);
  }

  std::optional<Topic> topic_of(const sql::CatalogObject& object) const {
    const std::optional<TopicKind> kind = kind_of(object);
    if (!kind) return std::nullopt;
    const StreamId id = log_of(object, *kind);
    auto stream = node_.log->find(id);
    if (!stream && *kind != TopicKind::kView) return std::nullopt;
    return Topic{object.name, id, *kind, std::move(stream)};
  }

  std::optional<Topic> topic_of(const sql::CatalogObject& owner, const sql::Companion& companion) const {
    auto stream = node_.log->find(companion.stream);
    if (companion.kind == sql::CompanionKind::kTopic || !stream) return std::nullopt;
    const bool refused = companion.kind == sql::CompanionKind::kRefused;
    return Topic{sql::companion_name(owner, companion.kind), companion.stream,
                 refused ? TopicKind::kRefused : TopicKind::kSide, std::move(stream)};
  }

  Result<log::Ticket> append(const Topic& topic, log::Partition& partition, RawBatch batch) {
    // A table is compacted by what its records say, so they are looked at before they are in.
    MR_TRY(check_produced_batch(batch.bytes, node_.options.record_bytes_max, topic.kind == TopicKind::kTable));
    if (partition.failure()) MR_TRY(partition.reopen());
    return partition.append(std::move(batch.bytes), {batch.idempotency_hash});
  }

  NodeState& node_;
};

}  // namespace

Status check_produced_batch(std::string_view bytes, uint64_t bytes_max, bool unpack) {
  if (bytes.size() > bytes_max) {
    return user_error(sqlstate::kTooLarge, "a record batch is larger than " + std::to_string(bytes_max) + " bytes");
  }
  MR_ASSIGN(auto batch, log::RecordBatchView::parse_unchecked(bytes));  // the log checks the CRC
  if (batch.control()) return user_error(sqlstate::kInvalidParameter, "a producer sent a control batch");
  if (batch.transactional()) return user_error(sqlstate::kNotSupported, "transactions are not part of this version");
  if (batch.compression() > log::Compression::kZstd) {
    return user_error(sqlstate::kNotSupported, "a record batch has an unknown compression");
  }
  if (batch.compression() != log::Compression::kNone && !unpack) return {};
  log::Decompressor decompressor;
  MR_ASSIGN(log::RecordCursor cursor, batch.records(decompressor));
  return check_records(cursor);
}

std::unique_ptr<RawLog> make_raw_log(NodeState& node) { return std::make_unique<NodeRawLog>(node); }

}  // namespace millrace::engine
