// Ingest: records into the log of a stream or table. Stored as they came; an answer goes out after fsync.
#include "base/hash.h"
#include "base/text.h"
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
  StreamSource source;
};

Result<Destination> find_destination(NodeState& node, std::string_view name) {
  std::shared_lock readers(node.readers_mutex);
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
  to.name = relation->name;
  to.key = relation->object->options.columns("key");
  if (to.key.empty()) to.key = relation->object->primary_key;
  RunningSource* running = node.pipeline->find_source(relation->stream);
  if (running) to.source = running->source;
  return to;
}

/// Which partition each record goes to. Without a key a request goes to one partition, the next in turn.
class Partitioner {
 public:
  Partitioner(NodeState& node, const Destination& to) : to_(to), partitions_(to.stream->partition_count()) {
    bool json = to.source.format == "json" || to.source.format == "ndjson";
    keyed_ = json && !to.key.empty() && partitions_ > 1;
    if (!keyed_) round_robin_ = static_cast<int32_t>(node.env.random().next() % static_cast<uint64_t>(partitions_));
  }

  int32_t partition_of(std::string_view record) {
    if (!keyed_) return round_robin_;
    // A record without a readable key has no order to keep, but must always go to one place: a retry sends it again.
    if (!reader_.read(record, to_.key, text_)) text_.assign(record);
    return log::partition_for_key(text_, partitions_).value;
  }

 private:
  const Destination& to_;
  int32_t partitions_;
  bool keyed_ = false;
  int32_t round_robin_ = 0;
  formats::JsonFieldReader reader_;
  std::string text_;
};

/// With ?validate=1: the reason why each record does not fit the schema, by index.
std::map<size_t, std::string> find_invalid(const Destination& to, const std::vector<std::string_view>& records) {
  std::map<size_t, std::string> invalid;
  auto decoder = formats::make_decoder(to.source.format, to.source.schema, to.source.decoder_options);
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

}  // namespace

Result<AppendReceipt> append_records(NodeState& node, std::string_view stream,
                                     const std::vector<std::string_view>& records, const AppendRequest& request) {
  MR_ASSIGN(Destination to, find_destination(node, stream));
  if (node.bounded_end) {
    return user_error(sqlstate::kReadOnly, "the data directory was run with --once to its end and takes no new events")
        .with_hint("start a node on another directory with --data");
  }
  AppendReceipt receipt;
  std::map<size_t, std::string> invalid;
  if (request.validate) invalid = find_invalid(to, records);
  uint64_t hash = request.idempotency_key.empty() ? 0 : hash_bytes(request.idempotency_key);
  if (!request.idempotency_key.empty() && hash == 0) hash = 1;

  Partitioner partitioner(node, to);
  std::vector<log::RecordBatchBuilder> builders(static_cast<size_t>(to.stream->partition_count()));
  int64_t now_ms = node.env.clock().now().millis();
  for (size_t i = 0; i < records.size(); ++i) {
    auto bad = invalid.find(i);
    if (bad != invalid.end()) {
      receipt.rejected.push_back({i + 1, bad->second});
    } else if (records[i].size() > node.options.record_bytes_max) {
      receipt.rejected.push_back({i + 1, "the record has " + std::to_string(records[i].size()) +
                                             " bytes; the limit is " + std::to_string(node.options.record_bytes_max)});
    } else {
      builders[partitioner.partition_of(records[i])].add(std::nullopt, records[i], now_ms);
    }
  }

  std::vector<log::PendingAppend> pending;
  for (size_t p = 0; p < builders.size(); ++p) {
    if (builders[p].empty()) continue;
    log::Partition& partition = to.stream->partition(PartitionId(static_cast<int32_t>(p)));
    MR_ASSIGN(std::string batch, builders[p].finish());
    MR_ASSIGN(log::Ticket ticket, partition.append(std::move(batch), {hash}));
    pending.push_back({&partition, std::move(ticket)});
  }
  std::optional<Error> failed;
  std::vector<ReceivedRange> received;
  for (size_t i = 0; auto& result : node.log->wait_all(pending)) {
    PartitionId partition = pending[i++].partition->id();
    if (!result.ok()) {
      failed = std::move(result).error();
      continue;
    }
    auto count = static_cast<uint32_t>(result->last.value - result->first.value + 1);
    receipt.accepted += count;
    receipt.positions.push_back({partition, result->first, result->last});
    if (!result->duplicate) received.push_back({partition, result->first, count, result->append_time});
  }
  (void)node.env.failpoints().point("engine.received").check();  // only a delay has an effect: the rows are durable
  node.received.add(to.id, received);
  if (failed) return *std::move(failed);
  return receipt;
}

}  // namespace millrace::engine
