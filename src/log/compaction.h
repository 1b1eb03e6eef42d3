// Compaction of one partition: of the records with one key the last stays. docs/adr/0012-compaction.md says what is
// compacted and why that is safe.
//
//   Compaction compaction(partition, keys, {.end = nobody_reads_below, .now = env.clock().now()});
//   MR_ASSIGN(bool more, compaction.advance());   // … until false
//
// Appends and reads go on meanwhile. A Compaction may be dropped after any advance: what it did stands. One at a time
// for a partition, on one thread; the partition and the keys outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/compacted_segment.h"
#include "log/key_offsets.h"
#include "log/partition.h"
#include "log/record_batch.h"

namespace millrace::log {

enum class RecordRole : uint8_t {
  kOther,      ///< has no key: always stays
  kValue,      ///< stays until a later record has its key
  kTombstone,  ///< the same, and not for ever
};

struct RecordKey {
  RecordRole role = RecordRole::kOther;
  std::string_view key = {};
};

/// Says which records have one key. Equal bytes: one key.
class RecordKeys {
 public:
  virtual ~RecordKeys() = default;
  /// One entry a record, in order, valid until the next call. Must say the same of the same records every time.
  virtual Status read(std::span<const RecordView> records, std::vector<RecordKey>& keys) = 0;
};

/// Kafka's rule: the record's own key; without a value it is a tombstone.
class KafkaKeys final : public RecordKeys {
 public:
  Status read(std::span<const RecordView> records, std::vector<RecordKey>& keys) override;
};

struct CompactionBounds {
  Offset end;  ///< nobody will read below again in order to see each record
  Timestamp now;
  size_t map_bytes = size_t{32} << 20;  ///< for the keys of one pass, exceeded by at most one batch's
  uint32_t dirty_percent = 50;          ///< it begins when this much of what may be compacted was never before
};

struct CompactionReport {
  uint64_t records_removed = 0;
  uint64_t bytes_before = 0;  ///< of the segments that were replaced
  uint64_t bytes_after = 0;   ///< of those in their place
};

class Compaction {
 public:
  /// The partition's stream must have compaction among its options.
  Compaction(Partition& partition, RecordKeys& keys, const CompactionBounds& bounds);

  /// Does a piece of the work, of about one segment. False when there is nothing more to do.
  Result<bool> advance();
  const CompactionReport& report() const { return report_; }

 private:
  enum class Phase : uint8_t { kSelect, kMap, kRewrite, kDone };
  /// A batch that is looked at.
  struct Opened {
    StoredBatch stored;
    std::vector<RecordView> records;
    std::vector<std::string_view> bytes;  ///< of each record, its length in front
    std::vector<RecordKey> keys;
    int64_t base_timestamp_ms = 0;
  };

  Status select();
  Status map_segment();
  Status rewrite_group();
  size_t group_end() const;
  Result<bool> has_something_to_remove(const Segment& segment);
  Result<std::unique_ptr<CompactedSegmentWriter>> rewrite(Offset begin, Offset end);
  Status rewrite_batch(const Opened& batch, CompactedSegmentWriter& out);
  bool stays(const Opened& batch, size_t record) const;
  bool must_keep_mark(const StoredBatch& batch) const;
  template <typename Visit>
  Status for_each_batch(Offset begin, Offset end, Visit&& visit);
  Result<bool> open(const StoredBatch& stored, Opened& into);

  Partition& partition_;
  RecordKeys& keys_;
  const CompactionBounds bounds_;
  const CompactionOptions options_;
  Phase phase_ = Phase::kSelect;
  std::vector<std::shared_ptr<Segment>> segments_;  // oldest first; shared with the partition and its readers
  size_t at_ = 0;                                   // the segment that is next
  KeyOffsets last_;
  Offset map_begin_;
  Offset map_end_;  // what last_ knows of: [map_begin_, map_end_)
  CompactionReport report_;
  ReadBatches read_;
  Decompressor decompressor_;
  Opened opened_;
  std::string kept_;
};

}  // namespace millrace::log
