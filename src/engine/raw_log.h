// RawLog: a node's streams and tables as the Kafka protocol sees them: topics, and whole record batches into their
// partitions. Reading is the log's own (log/log.h): an offset of Kafka's is an offset of ours.
// docs/adr/0017-kafka-protocol.md.
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

struct Topic {
  std::string name;  ///< as spelled in its CREATE
  StreamId id;
  bool table = false;
  std::shared_ptr<log::Stream> stream;  // shared with the log: stays usable when it is dropped
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
