#include "log/compaction.h"

#include <algorithm>
#include <utility>

#include "base/failpoints.h"
#include "log/producer_window.h"
#include "log/segment.h"

namespace millrace::log {

namespace {

constexpr size_t kReadBytes = size_t{4} << 20;

/// Up to where the records of a segment have superseded older ones.
Offset clean_end(const Segment& segment) {
  return segment.header().compacted ? segment.header().footer.clean_end : segment.base_offset();
}

}  // namespace

Status KafkaKeys::read(std::span<const RecordView> records, std::vector<RecordKey>& keys) {
  keys.clear();
  for (const RecordView& record : records) {
    RecordKey key;
    if (record.key) key = {record.value ? RecordRole::kValue : RecordRole::kTombstone, *record.key};
    keys.push_back(key);
  }
  return {};
}

Compaction::Compaction(Partition& partition, RecordKeys& keys, const CompactionBounds& bounds)
    : partition_(partition),
      keys_(keys),
      bounds_(bounds),
      options_(partition.setup_.options.compaction.value_or(CompactionOptions())) {
  MR_CHECK(partition.setup_.options.compaction.has_value(), "only streams that say so are compacted");
}

Result<bool> Compaction::advance() {
  if (phase_ == Phase::kDone) return false;
  MR_TRY(partition_.enter_compaction());
  Status status;
  switch (phase_) {
    case Phase::kSelect: status = select(); break;
    case Phase::kMap: status = map_segment(); break;
    case Phase::kRewrite: status = rewrite_group(); break;
    case Phase::kDone: break;
  }
  partition_.leave_compaction();
  if (!status.ok()) {
    phase_ = Phase::kDone;
    return std::move(status).error();
  }
  return phase_ != Phase::kDone;
}

Status Compaction::select() {
  segments_ = partition_.sealed_below(bounds_.end, Timestamp{bounds_.now.micros - options_.lag.micros});
  uint64_t bytes = 0;
  uint64_t dirty_bytes = 0;
  bool found = false;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const Segment::Extent extent = segments_[i]->extent();
    bytes += extent.bytes;
    if (clean_end(*segments_[i]) >= extent.end_offset) continue;
    dirty_bytes += extent.bytes;
    if (found) continue;
    found = true;
    at_ = i;
    map_begin_ = map_end_ = clean_end(*segments_[i]);
  }
  const bool worth_it = found && dirty_bytes * 100 >= bytes * bounds_.dirty_percent;
  phase_ = worth_it ? Phase::kMap : Phase::kDone;
  return {};
}

template <typename Visit>
Status Compaction::for_each_batch(Offset begin, Offset end, Visit&& visit) {
  Offset at = begin;
  while (at < end) {
    MR_TRY(partition_.read(at, kReadBytes, read_));
    for (const StoredBatch& stored : read_.batches()) {
      if (stored.base_offset >= end) return {};
      MR_ASSIGN(bool more, visit(stored));
      if (!more) return {};
    }
    at = read_.next_offset();
  }
  return {};
}

/// False when the batch has no rows, only what brokers write for themselves.
Result<bool> Compaction::open(const StoredBatch& stored, Opened& into) {
  MR_ASSIGN(RecordBatchView view, read_.view_of(stored));
  into.stored = stored;
  into.records.clear();
  into.bytes.clear();
  into.keys.clear();
  into.base_timestamp_ms = view.base_timestamp_ms();
  if (view.control()) return false;
  MR_ASSIGN(RecordCursor cursor, view.records(decompressor_));
  RecordView record;
  const char* begin = cursor.position();
  while (cursor.next(record)) {
    into.records.push_back(record);
    into.bytes.emplace_back(begin, static_cast<size_t>(cursor.position() - begin));
    begin = cursor.position();
  }
  MR_TRY(cursor.status());
  if (!into.records.empty()) MR_TRY(keys_.read(into.records, into.keys));
  MR_CHECK(into.keys.size() == into.records.size(), "one key a record");
  return true;
}

Status Compaction::map_segment() {
  const Segment::Extent extent = segments_[at_]->extent();
  bool full = false;
  MR_TRY(for_each_batch(map_end_, extent.end_offset, [&](const StoredBatch& stored) -> Result<bool> {
    full = map_end_ > map_begin_ && last_.memory_bytes() > bounds_.map_bytes;
    if (full) return false;
    MR_ASSIGN(bool has_rows, open(stored, opened_));
    for (size_t i = 0; has_rows && i < opened_.keys.size(); ++i) {
      if (opened_.keys[i].role == RecordRole::kOther) continue;
      last_.put(opened_.keys[i].key, Offset{stored.base_offset.value + opened_.records[i].offset_delta});
    }
    map_end_ = stored.end_offset();
    return true;
  }));
  if (!full) map_end_ = extent.end_offset;
  if (map_end_ > segments_[at_]->base_offset()) ++at_;
  if (!full && at_ < segments_.size()) return {};
  segments_.resize(at_);
  at_ = 0;
  phase_ = Phase::kRewrite;
  return {};
}

/// The segments from at_ on that fit into one.
size_t Compaction::group_end() const {
  uint64_t bytes = 0;
  size_t end = at_;
  while (end < segments_.size()) {
    bytes += segments_[end]->extent().bytes;
    if (end > at_ && bytes > partition_.setup_.options.segment_bytes) break;
    ++end;
  }
  return end;
}

Status Compaction::rewrite_group() {
  const size_t end = group_end();
  const std::span<const std::shared_ptr<Segment>> old(segments_.data() + at_, end - at_);
  at_ = end;
  if (at_ == segments_.size()) phase_ = Phase::kDone;
  const Offset old_end = old.back()->extent().end_offset;
  if (old.size() == 1 && clean_end(*old[0]) >= old_end) {
    MR_ASSIGN(const bool something, has_something_to_remove(*old[0]));
    if (!something) return {};
  }
  MR_ASSIGN(std::unique_ptr<CompactedSegmentWriter> segment, rewrite(old.front()->base_offset(), old_end));
  MR_TRY(partition_.setup_.env->failpoints().point("log.compact.written").check());
  for (const auto& replaced : old) report_.bytes_before += replaced->extent().bytes;
  report_.bytes_after += segment->header().footer.covered_bytes;
  MR_TRY(partition_.replace(old, *segment));
  return partition_.setup_.env->failpoints().point("log.compact.replaced").check();
}

bool Compaction::stays(const Opened& batch, size_t record) const {
  const RecordKey& key = batch.keys[record];
  const Offset offset{batch.stored.base_offset.value + batch.records[record].offset_delta};
  if (key.role == RecordRole::kOther || offset >= map_end_) return true;
  const std::optional<Offset> last = last_.find(key.key);
  if (last && *last > offset) return false;
  // All older records of a tombstone's key went before it, in this pass or an earlier one.
  return key.role == RecordRole::kValue || bounds_.now - batch.stored.append_time <= options_.tombstone_age;
}

/// A retry of the request or batch that it came with must still be known.
bool Compaction::must_keep_mark(const StoredBatch& batch) const {
  auto view = RecordBatchView::parse_unchecked(batch.bytes);
  if (view.ok() && view->producer_id() >= 0 &&
      partition_.remembers({sequence_of(*view), batch.base_offset, batch.offset_count})) {
    return true;
  }
  if (batch.idempotency_hash == 0) return false;
  const std::optional<OffsetRange> range = partition_.find_recent_idempotent(batch.idempotency_hash);
  return range && range->first == batch.base_offset;
}

Result<bool> Compaction::has_something_to_remove(const Segment& segment) {
  bool found = false;
  MR_TRY(for_each_batch(segment.base_offset(), segment.extent().end_offset,
                        [&](const StoredBatch& stored) -> Result<bool> {
                          MR_ASSIGN(bool has_rows, open(stored, opened_));
                          for (size_t i = 0; has_rows && i < opened_.records.size(); ++i) found |= !stays(opened_, i);
                          found |= has_rows && opened_.records.empty() && !must_keep_mark(stored);
                          return !found;
                        }));
  return found;
}

/// All batches of [begin, end) without what is superseded.
Result<std::unique_ptr<CompactedSegmentWriter>> Compaction::rewrite(Offset begin, Offset end) {
  const Partition::Setup& setup = partition_.setup_;
  SegmentHeader header{setup.stream, setup.id, begin, static_cast<uint32_t>(setup.env->random().next())};
  header.compacted = true;
  MR_ASSIGN(auto out, CompactedSegmentWriter::create(*setup.env, setup.directory, header));
  MR_TRY(for_each_batch(begin, end, [&](const StoredBatch& stored) -> Result<bool> {
    MR_ASSIGN(bool has_rows, open(stored, opened_));
    if (has_rows) {
      MR_TRY(rewrite_batch(opened_, *out));
    } else {
      MR_TRY(out->add({.base_offset = stored.base_offset,
                       .append_time = stored.append_time,
                       .idempotency_hash = stored.idempotency_hash,
                       .offset_count = stored.offset_count},
                      stored.bytes));
    }
    return true;
  }));
  MR_TRY(out->finish(end, std::min(end, map_end_)));
  return out;
}

Status Compaction::rewrite_batch(const Opened& batch, CompactedSegmentWriter& out) {
  const StoredBatch& stored = batch.stored;
  kept_.clear();
  int32_t count = 0;
  int64_t max_timestamp_ms = batch.base_timestamp_ms;
  for (size_t i = 0; i < batch.records.size(); ++i) {
    if (!stays(batch, i)) continue;
    const auto timestamp_ms = static_cast<int64_t>(static_cast<uint64_t>(batch.base_timestamp_ms) +
                                                   static_cast<uint64_t>(batch.records[i].timestamp_delta));
    max_timestamp_ms = count == 0 ? timestamp_ms : std::max(max_timestamp_ms, timestamp_ms);
    kept_.append(batch.bytes[i]);
    ++count;
  }
  report_.records_removed += batch.records.size() - static_cast<size_t>(count);
  if (count == 0 && !must_keep_mark(stored)) return {};
  const FrameHeader frame{.base_offset = stored.base_offset,
                          .append_time = stored.append_time,
                          .idempotency_hash = stored.idempotency_hash,
                          .offset_count = stored.offset_count};
  if (static_cast<size_t>(count) == batch.records.size()) return out.add(frame, stored.bytes);
  MR_ASSIGN(RecordBatchView view, RecordBatchView::parse_unchecked(stored.bytes));
  MR_ASSIGN(std::string rewritten, batch_with_records(view, kept_, count, max_timestamp_ms));
  return out.add(frame, rewritten);
}

}  // namespace millrace::log
