// ListOffsets and OffsetForLeaderEpoch.
#include "log/record_batch.h"
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

namespace {

constexpr int64_t kLatest = -1;
constexpr int64_t kEarliest = -2;
constexpr int64_t kMaxTimestamp = -3;
constexpr size_t kScanBytes = 4 << 20;
/// A record may say a time so far ahead of when it was stored: Kafka's message.timestamp.after.max.ms.
constexpr Duration kAheadMax = Duration::from_seconds(3600);

struct Found {
  int64_t timestamp = -1;
  int64_t offset = -1;
};

/// The first record of the batch whose time is `timestamp` or later.
Result<Found> find_in_batch(const log::RecordBatchView& batch, int64_t timestamp, Offset from) {
  log::Decompressor decompressor;
  MR_ASSIGN(log::RecordCursor cursor, batch.records(decompressor));
  log::RecordView record;
  while (cursor.next(record)) {
    int64_t time = batch.base_timestamp_ms() + record.timestamp_delta;
    int64_t offset = batch.base_offset().value + record.offset_delta;
    if (time >= timestamp && offset >= from.value) return Found{time, offset};
  }
  return Found{};
}

/// By the records' own time, which the log has no index for. It has one for when they were stored, and from there on
/// the heads of batches are looked at.
Result<Found> find_by_time(const log::Partition& partition, Offset end, int64_t timestamp) {
  MR_ASSIGN(Offset from, partition.offset_at_or_after(Timestamp::from_millis(timestamp) - kAheadMax));
  log::ReadBatches batches;
  while (from < end) {
    MR_TRY(partition.read(from, kScanBytes, batches));
    for (const log::StoredBatch& stored : batches.batches()) {
      if (stored.base_offset >= end) break;
      MR_ASSIGN(auto batch, log::RecordBatchView::parse_unchecked(stored.bytes));
      if (batch.control() || batch.max_timestamp_ms() < timestamp) continue;
      auto found = find_in_batch(batch, timestamp, from);
      // A batch that does not unpack has no record to go to; its beginning is the place.
      if (!found.ok()) return Found{batch.max_timestamp_ms(), stored.base_offset.value};
      if (found->offset >= 0) return found;
    }
    from = batches.next_offset();
  }
  return Found{};
}

/// The record with the latest time: in the last part of the log, where it nearly always is.
Result<Found> find_latest_time(const log::Partition& partition, Offset end) {
  Found found;
  auto last = partition.last_append_time();
  if (!last) return found;
  MR_ASSIGN(Offset from, partition.offset_at_or_after(*last - kAheadMax));
  log::ReadBatches batches;
  while (from < end) {
    MR_TRY(partition.read(from, kScanBytes, batches));
    for (const log::StoredBatch& stored : batches.batches()) {
      if (stored.base_offset >= end) break;
      MR_ASSIGN(auto batch, log::RecordBatchView::parse_unchecked(stored.bytes));
      if (batch.max_timestamp_ms() <= found.timestamp) continue;
      auto record = find_in_batch(batch, batch.max_timestamp_ms(), stored.base_offset);
      found = record.ok() && record->offset >= 0 ? *record : Found{batch.max_timestamp_ms(), stored.base_offset.value};
    }
    from = batches.next_offset();
  }
  return found;
}

/// `end`: up to where readers see it.
Result<Found> find_offset(const log::Partition& partition, Offset end, int64_t timestamp) {
  if (timestamp == kLatest) return Found{-1, end.value};
  if (timestamp == kEarliest) return Found{-1, partition.begin_offset().value};
  if (timestamp == kMaxTimestamp) return find_latest_time(partition, end);
  return find_by_time(partition, end, std::max<int64_t>(timestamp, 0));
}

}  // namespace

void list_offsets(Broker& broker, const Request& request, const ListOffsetsRequest& asked, ListOffsetsResponse& answer) {
  for (const auto& topic : asked.topics) {
    Code refused = Code::kNone;
    std::optional<engine::Topic> there = topic_to_read(broker, request, topic.name, refused);
    auto& answered = answer.topics.emplace_back();
    answered.name = std::string(topic.name);
    for (const auto& partition : topic.partitions) {
      auto& result = answered.partitions.emplace_back();
      result.index = partition.index;
      log::Partition* stored = find_partition(there, partition.index);
      if (stored == nullptr) {
        result.error_code = number(refused);
        continue;
      }
      auto found = find_offset(*stored, broker.log().end_of(*there, *stored), partition.timestamp);
      if (!found.ok()) {
        result.error_code = number(code_of(found.error()));
        continue;
      }
      result.timestamp = found->timestamp;
      result.offset = found->offset;
      result.leader_epoch = found->offset >= 0 ? 0 : -1;
    }
  }
}

void offset_for_leader_epoch(Broker& broker, const Request& request, const OffsetForLeaderEpochRequest& asked,
                             OffsetForLeaderEpochResponse& answer) {
  for (const auto& topic : asked.topics) {
    std::optional<engine::Topic> there = broker.log().topic(topic.name);
    auto& answered = answer.topics.emplace_back();
    answered.name = std::string(topic.name);
    for (const auto& partition : topic.partitions) {
      auto& result = answered.partitions.emplace_back();
      result.index = partition.index;
      log::Partition* stored = find_partition(there, partition.index);
      if (!request.may(Right::kRead, topic.name)) {
        result.error_code = number(Code::kTopicAuthorizationFailed);
      } else if (stored == nullptr) {
        result.error_code = number(Code::kUnknownTopicOrPartition);
      } else if (partition.current_leader_epoch > 0) {
        result.error_code = number(Code::kUnknownLeaderEpoch);
      } else if (partition.leader_epoch == 0) {  // the only epoch there is
        result.leader_epoch = 0;
        result.end_offset = broker.log().end_of(*there, *stored).value;
      }
    }
  }
}

}  // namespace millrace::server::kafka
