// RawLog: a node's streams, tables and views as the Kafka protocol sees them: topics, and whole record batches into
// their partitions. Reading is the log's own (log/log.h): an offset of Kafka's is an offset of ours.
// docs/adr/0017-kafka-protocol.md, docs/adr/0022-views-as-topics.md.
//
// Lives as long as its node. All functions may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "log/log.h"

namespace millrace::engine {

enum class TopicKind : uint8_t {
  kStream,
  kTable,
  kView,     ///< a materialized view: its committed changes
  kSide,     ///< rows that left the path of a stream, table or view: `_dead`, `_late`, `_error`
  kRefused,  ///< what the destination of a sink refused: `_dead`
};

struct Topic {
  std::string name;  ///< as spelled in its CREATE
  StreamId id;       ///< of a view that nobody has read yet: none
  TopicKind kind = TopicKind::kStream;
  std::shared_ptr<log::Stream> stream = {};  ///< null: of a view that nobody has read yet (RawLog::serve)
  // shared with the log: stays usable when it is dropped

  bool takes_records() const { return kind == TopicKind::kStream || kind == TopicKind::kTable; }
  int32_t partition_count() const { return stream ? stream->partition_count() : 1; }
};

struct RawBatch {
  PartitionId partition;  ///< must be one of the topic's
  std::string bytes;      ///< one record batch as a producer made it
  uint64_t idempotency_hash = 0;
};

/// Batches that are queued in the log, in order, and not durable yet. `settle` must be called.
class QueuedBatches {
 public:
  using Results = std::vector<Result<log::AppendResult>>;
  virtual ~QueuedBatches() = default;
  /// Calls `done` once, with a result for every batch in the order given, when all are durable and in the ledger's hop
  /// "received", or have failed. As Node::append_async: from this thread or from one that syncs; it may sync itself.
  virtual void settle(std::function<void(Results)> done) = 0;
};

/// Where the Kafka listener keeps what it must not forget: an id that the catalog never gives out.
inline constexpr StreamId kBrokerStream{0xFFFFFFF1};

class RawLog {
 public:
  virtual ~RawLog() = default;

  /// In order of creation.
  virtual std::vector<Topic> topics() = 0;
  virtual std::optional<Topic> topic(std::string_view name) = 0;
  virtual bool has_topic(StreamId id) = 0;
  /// Up to where readers see a partition of the topic. Of what the engine writes: the last commit.
  virtual Offset end_of(const Topic& topic, const log::Partition& partition) = 0;
  /// A view's changes are kept from now on, its rows in front; the topic as it is then. It stays so.
  virtual Result<Topic> serve(const Topic& view) = 0;
  /// They are not kept any more. False when they were not.
  virtual Result<bool> stop_serving(const Topic& view) = 0;
  /// The listener's own stream, of one partition, which nobody else writes and SQL does not see. Made at the first
  /// call.
  virtual Result<std::shared_ptr<log::Stream>> broker_stream(const log::StreamOptions& options) = 0;
  /// Why nothing may be appended now, if so.
  virtual Status check_appends() = 0;
  /// Checks and queues batches of one topic. A batch that is refused does not hold back the others. Waits for the disk
  /// only when too much is queued already.
  virtual std::unique_ptr<QueuedBatches> queue(const Topic& topic, std::vector<RawBatch> batches) = 0;
  /// No batch may be larger.
  virtual uint64_t batch_bytes_max() const = 0;
  /// Lets go of records before `end`: whole files of the log, of what a checkpoint holds, which it makes. Returns where
  /// the partition begins then.
  virtual Result<Offset> delete_records(const Topic& topic, PartitionId partition, Offset end) = 0;
  /// Told about new durable ends of any partition; see log::DurableListener. One at a time; an empty one ends it, and
  /// is not called any more once this returns.
  virtual void watch(log::DurableListener listener) = 0;
};

/// Whether the log may hold this batch of a producer's: what the engine could not read must not get in. The records of
/// a compressed batch are looked at only when `unpack` is set.
Status check_produced_batch(std::string_view bytes, uint64_t bytes_max, bool unpack);

}  // namespace millrace::engine
