// Ingest: records into the log of a stream or table. Stored as they came; an answer goes out after fsync.
#include "base/hash.h"
#include "base/text.h"
#include "connectors/connector.h"
#include "engine/node_state.h"
#include "formats/json_decoder.h"

namespace millrace::engine {
namespace {

/// What ingest needs of a stream, copied under the readers' lock.
struct Destination {
  std::shared_ptr<log::Stream> stream;
  StreamId id;
  std::string name;
  std::vector<std::string> key;
  std::vector<std::string> message_id;  ///< the column, or none
  StreamSource source;
  bool is_table = false;
};

Result<Destination> find_destination(NodeState& node, std::string_view name) {
  std::shared_lock readers(node.readers_mutex);
  MR_TRY(refuse_while_restarting(node));
  std::optional<sql::Relation> relation = node.catalog.relation(name);
  bool writable =
      relation && (relation->kind == sql::Relation::Kind::kStream || relation->kind == sql::Relation::Kind::kTable);
  if (!writable) {
    Error error = user_error(sqlstate::kUndefinedTable, "there is no stream or table named " + std::string(name));
    error.hint = relation ? "rows are sent to streams and tables; a view is computed" : node.catalog.did_you_mean(name);
    return error;
  }
  Destination to;
  to.stream = node.log->find(relation->stream);
  if (!to.stream) return internal_error("a stream has no log: " + relation->name);
  to.id = relation->stream;
  to.is_table = relation->kind == sql::Relation::Kind::kTable;
  to.name = relation->name;
  to.key = relation->object->options.columns("key");
  if (to.key.empty()) to.key = relation->object->primary_key;
  to.message_id = relation->object->options.columns("message_id");
  RunningSource* running = node.pipeline->find_source(relation->stream);
  if (running) to.source = running->source;
  return to;
}

/// Which partition each record goes to. Without a key a request goes to one of them as a whole: to any, or to the one
/// that its Idempotency-Key picks, because a partition knows only the marks of what it holds itself.
class Partitioner {
 public:
  Partitioner(NodeState& node, const Destination& to, uint64_t mark)
      : to_(to), partitions_(to.stream->partition_count()) {
    bool json = to.source.format == "json" || to.source.format == "ndjson";
    keyed_ = json && !to.key.empty() && partitions_ > 1;
    uint64_t any = mark != 0 ? mark : node.env.random().next();
    one_ = static_cast<int32_t>(any % static_cast<uint64_t>(partitions_));
  }

  int32_t partition_of(std::string_view record) {
    if (!keyed_) return one_;
    // A record without a readable key has no order to keep, but must always go to one place: a retry sends it again.
    if (!reader_.read(record, to_.key, text_)) text_.assign(record);
    return log::partition_for_key(text_, partitions_).value;
  }

 private:
  const Destination& to_;
  int32_t partitions_;
  bool keyed_ = false;
  int32_t one_ = 0;
  formats::JsonFieldReader reader_;
  std::string text_;
};

/// With ?validate=1: the reason why each record does not fit the schema, by index.
std::map<size_t, std::string> find_invalid(const Destination& to, const std::vector<std::string_view>& records) {
  std::map<size_t, std::string> invalid;
  auto decoder = connectors::make_decoder(to.source.format, to.source.schema, to.source.decoder_options);
  if (!decoder.ok()) return invalid;
  batch::Batch rows(to.source.schema);
  for (size_t first = 0; first < records.size(); first += batch::kBatchRows) {
    size_t count = std::min(batch::kBatchRows, records.size() - first);
    rows.reset();
    std::vector<uint32_t> decoded;
    std::vector<formats::DecodeError> errors;
    Status status = (*decoder)->decode(std::span(records).subspan(first, count), rows, decoded, errors);
    if (!status.ok()) return invalid;
    for (auto& error : errors) invalid[first + error.record] = std::move(error.reason);
  }
  return invalid;
}

/// Refuses a producer or minute that the books have no place for.
Status check_account(NodeState& node, std::string_view producer, Timestamp minute) {
  // Minutes older than a day are joined into hours, and one far ahead would make all others old.
  Timestamp now = node.env.clock().now();
  if (minute - now > Duration::from_seconds(3600) || now - minute > Duration::from_seconds(22 * 3600)) {
    return user_error(sqlstate::kInvalidParameter,
                      "the minute of a producer's account is not within the last 22 hours: " + format_iso8601(minute))
        .with_hint("it is the time of sending, not that of the event");
  }
  if (node.ledger.open_account(producer, kProducersMax)) return {};
  return user_error(sqlstate::kTooLarge, "there are accounts of " + std::to_string(kProducersMax) + " producers")
      .with_hint("give the instances of one service one name");
}

constexpr int32_t kRejected = -1;

/// Sums the message ids of a request, partition by partition.
class AccountWriter {
 public:
  AccountWriter(NodeState& node, const Destination& to, const std::optional<ProducerAccount>& account)
      : to_(to), json_(to.source.format == "json" || to.source.format == "ndjson") {
    if (!account) return;
    first_.emplace();
    first_->producer = account->producer;
    first_->minute = account->minute.value_or(node.env.clock().now());
    first_->sent = account->sent;
    shares_.resize(static_cast<size_t>(to.stream->partition_count()));
  }

  Status check(NodeState& node) const {
    return first_ ? check_account(node, first_->producer, first_->minute) : Status();
  }
  /// A record that goes to this partition, or nowhere.
  void count(int32_t place, std::string_view record) {
    if (!first_) return;
    (place == kRejected ? first_->rejected : shares_[static_cast<size_t>(place)]).add(id_of(record));
  }
  /// The share of a partition's batch. The first one asked for carries what is of the whole request.
  std::optional<ProducerShare> share(size_t partition) {
    if (!first_) return std::nullopt;
    ProducerShare share = *first_;
    share.received = shares_[partition];
    first_->rejected = {};
    first_->sent.reset();
    return share;
  }

 private:
  std::string_view id_of(std::string_view record) {
    bool found = json_ && !to_.message_id.empty() && reader_.read(record, to_.message_id, text_) && !text_.empty();
    return found ? std::string_view(text_) : record;
  }

  const Destination& to_;
  bool json_;
  std::optional<ProducerShare> first_;
  std::vector<ledger::IdSum> shares_;
  formats::JsonFieldReader reader_;
  std::string text_;
};

/// A record that SQL writes: docs/formats/log.md.
void add_operation(log::RecordBatchBuilder& builder, RowOperation operation, std::string_view format,
                   std::string_view record, int64_t now_ms) {
  static const std::string_view kHeader = kOperationHeader;
  const bool json = format == "json" || format == "ndjson";
  if (operation == RowOperation::kTakeKey) return builder.add(record, std::nullopt, {}, now_ms);
  if (operation == RowOperation::kAdd && json) return builder.add(std::nullopt, record, now_ms);
  const log::RecordHeader header{kHeader, operation == RowOperation::kAdd ? "+I" : "-D"};
  builder.add(std::nullopt, record, std::span(&header, 1), now_ms);
}

/// One batch a partition; the first record of each carries the partition's share of the producer's account.
std::vector<log::RecordBatchBuilder> build_batches(NodeState& node, const Destination& to,
                                                   const std::vector<std::string_view>& records,
                                                   const std::map<size_t, std::string>& refused,
                                                   const std::vector<int32_t>& places,
                                                   const std::vector<RowOperation>& operations, AccountWriter& account,
                                                   std::vector<std::optional<ProducerShare>>& shares) {
  auto partitions = static_cast<size_t>(to.stream->partition_count());
  std::vector<log::RecordBatchBuilder> builders(partitions);
  shares.resize(partitions);
  int64_t now_ms = node.env.clock().now().millis();
  auto next_refused = refused.begin();
  std::vector<log::RecordHeader> headers;
  for (size_t i = 0; i < records.size(); ++i) {
    const bool is_refused = next_refused != refused.end() && next_refused->first == i;
    const std::string* reason = is_refused ? &(next_refused++)->second : nullptr;
    if (places[i] == kRejected) continue;
    auto place = static_cast<size_t>(places[i]);
    if (!operations.empty()) {
      add_operation(builders[place], operations[i], to.source.format, records[i], now_ms);
      continue;
    }
    const bool first = builders[place].empty();
    if (first) shares[place] = account.share(place);
    if (!reason && (!first || !shares[place])) [[likely]] {
      builders[place].add(std::nullopt, records[i], now_ms);
      continue;
    }
    std::string share = first && shares[place] ? shares[place]->encode() : std::string();
    headers.clear();
    if (!share.empty()) headers.push_back({kProducerShareHeader, share});
    if (reason) headers.push_back({kRefusedHeader, *reason});
    builders[place].add(std::nullopt, records[i], headers, now_ms);
  }
  return builders;
}

}  // namespace

Status declare_sent(NodeState& node, std::string_view stream, std::string_view producer, Timestamp minute,
                    const ledger::IdSum& sent) {
  MR_ASSIGN(Destination to, find_destination(node, stream));
  MR_TRY(check_account(node, producer, minute));
  if (auto failure = failure_of(node)) return *failure;
  std::lock_guard steps(node.step_mutex);
  MR_TRY(refuse_in_doubt(node));
  node.received.move_to(node.ledger, node.written);  // or what requests declared before would be added to it
  node.ledger.declare(to.id, to.name, producer, minute, sent);
  Status committed = commit(node);
  if (committed.ok()) return {};
  {
    std::lock_guard guard(node.signal_mutex);
    node.failure = committed.error();
  }
  node.signal.notify_all();
  return committed;
}

namespace {

/// A request on its way into the log.
struct Appending {
  StreamId stream;
  AppendReceipt receipt;
  std::vector<PartitionId> partitions;               ///< of each pending append
  std::vector<std::optional<ProducerShare>> shares;  ///< by partition
  std::unique_ptr<GatePass> pass;                    ///< of a table, until all is durable
};

/// Its records are queued, not durable. `to` keeps the stream; `appending` may outlive it.
struct Queued {
  Destination to;
  Appending appending;
  std::vector<log::PendingAppend> pending;
};

Result<Queued> queue_records(NodeState& node, std::string_view stream, const std::vector<std::string_view>& records,
                             const AppendRequest& request, const std::vector<RowOperation>& operations,
                             bool gate_is_held) {
  Queued queued;
  MR_ASSIGN(queued.to, find_destination(node, stream));
  const Destination& to = queued.to;
  if (to.is_table && !gate_is_held) {
    queued.appending.pass = std::make_unique<GatePass>(node.table_gates.gate_of(to.id));
  }
  AppendReceipt& receipt = queued.appending.receipt;
  queued.appending.stream = to.id;
  if (node.bounded_end) {
    return user_error(sqlstate::kReadOnly, "the data directory was run with --once to its end and takes no new events")
        .with_hint("start a node on another directory with --data");
  }
  MR_TRY(node.space.check());
  std::map<size_t, std::string> invalid;
  if (request.validate) invalid = find_invalid(to, records);
  uint64_t hash = request.idempotency_key.empty() ? 0 : hash_bytes(request.idempotency_key);
  if (!request.idempotency_key.empty() && hash == 0) hash = 1;

  AccountWriter account(node, to, request.account);
  MR_TRY(account.check(node));
  std::vector<int32_t> places(records.size(), kRejected);  // the partition of each record
  Partitioner partitioner(node, to, hash);
  for (size_t i = 0; i < records.size(); ++i) {
    auto bad = invalid.find(i);
    if (bad != invalid.end()) {
      receipt.rejected.push_back({i + 1, bad->second});
    } else if (records[i].size() > node.options.record_bytes_max) {
      receipt.rejected.push_back({i + 1, "the record has " + std::to_string(records[i].size()) +
                                             " bytes; the limit is " + std::to_string(node.options.record_bytes_max)});
    } else {
      places[i] = partitioner.partition_of(records[i]);
    }
    account.count(places[i], records[i]);
  }
  std::vector<log::RecordBatchBuilder> builders =
      build_batches(node, to, records, request.refused, places, operations, account, queued.appending.shares);

  for (size_t p = 0; p < builders.size(); ++p) {
    if (builders[p].empty()) continue;
    log::Partition& partition = to.stream->partition(PartitionId(static_cast<int32_t>(p)));
    MR_ASSIGN(std::string batch, builders[p].finish());
    // A sync failed: its file is closed, and opened again at the end of what is known to be durable.
    if (partition.failure()) MR_TRY(partition.reopen());
    MR_ASSIGN(log::Ticket ticket, partition.append(std::move(batch), {hash}));
    queued.pending.push_back({&partition, std::move(ticket)});
    queued.appending.partitions.push_back(partition.id());
  }
  return queued;
}

/// All is settled: enters what is durable into the books.
Result<AppendReceipt> finish_append(NodeState& node, Appending& appending,
                                    std::vector<Result<log::AppendResult>> results) {
  AppendReceipt& receipt = appending.receipt;
  std::optional<Error> failed;
  std::vector<ReceivedRange> received;
  for (size_t i = 0; i < results.size(); ++i) {
    PartitionId partition = appending.partitions[i];
    Result<log::AppendResult>& result = results[i];
    if (!result.ok()) {
      failed = std::move(result).error();
      continue;
    }
    auto count = static_cast<uint32_t>(result->last.value - result->first.value + 1);
    receipt.accepted += count;
    receipt.positions.push_back({partition, result->first, result->last});
    if (!result->duplicate) {
      auto& share = appending.shares[static_cast<size_t>(partition.value)];
      received.push_back({partition, result->first, count, result->append_time, std::move(share)});
    }
  }
  if (results.empty()) return std::move(receipt);
  (void)node.env.failpoints().point("engine.received").check();  // only a delay has an effect: the rows are durable
  node.received.add(appending.stream, received);
  if (failed) return *std::move(failed);
  return std::move(receipt);
}

}  // namespace

Result<AppendReceipt> append_records(NodeState& node, std::string_view stream,
                                     const std::vector<std::string_view>& records, const AppendRequest& request) {
  MR_ASSIGN(Queued queued, queue_records(node, stream, records, request, {}, false));
  return finish_append(node, queued.appending, node.log->wait_all(queued.pending));
}

Result<AppendReceipt> append_rows(NodeState& node, std::string_view stream,
                                  const std::vector<std::string_view>& records,
                                  const std::vector<RowOperation>& operations, bool gate_is_held) {
  MR_ASSIGN(Queued queued, queue_records(node, stream, records, {}, operations, gate_is_held));
  return finish_append(node, queued.appending, node.log->wait_all(queued.pending));
}

void append_records_async(NodeState& node, std::string_view stream, const std::vector<std::string_view>& records,
                          const AppendRequest& request, std::function<void(Result<AppendReceipt>)> done) {
  Result<Queued> queued = queue_records(node, stream, records, request, {}, false);
  if (!queued.ok()) return done(std::move(queued).error());
  // The callback must not hold the stream: the last to let go of a stream waits for its callbacks.
  auto appending = std::make_shared<Appending>(std::move(queued->appending));
  node.log->when_all(queued->pending,
                     [&node, appending, done = std::move(done)](std::vector<Result<log::AppendResult>> results) {
                       Result<AppendReceipt> receipt = finish_append(node, *appending, std::move(results));
                       appending->pass.reset();
                       done(std::move(receipt));
                     });
}

}  // namespace millrace::engine
