// One partition: a sequence of Kafka record batches in segment files, with offsets from 0 and no holes but those that a
// compaction (compaction.h) made.
//
// Appending is in two steps, so that one fdatasync serves all that wait: `append` puts a batch into a queue in memory
// and gives its offsets; `wait` (or `sync`) makes everything queued durable, by one write and one fdatasync, done by
// the first who waits or by a thread of the Log's pool (`start_sync`). Several partitions are synced in parallel. When
// Env::single_threaded() everything runs inline on the caller.
//
// Nothing is visible to readers, and no ticket succeeds, before its bytes are durable. When fdatasync fails, all that
// waits fails, what was not durable is cut off, and the partition refuses further appends until `reopen`. When the disk
// is full, all that waits fails with kDiskFull, what was not durable is cut off, and later appends are tried again.
//
// Files and recovery: docs/formats/log.md. All functions may be called from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace::log {

class RecordBatchView;

/// How a stream is compacted (docs/adr/0012-compaction.md).
struct CompactionOptions {
  Duration lag = {};  ///< by append time: records younger than this are left alone
  Duration tombstone_age = Duration::from_seconds(24 * 3600);  ///< how long a record with a key and no value stays

  bool operator==(const CompactionOptions&) const = default;
};

/// Settings of a stream, fixed in its file.
struct StreamOptions {
  int32_t partitions = 1;
  uint64_t segment_bytes = uint64_t{128} << 20;  ///< a new segment starts when the next batch would pass this
  Duration segment_age = Duration::from_seconds(24 * 3600);    ///< and when the first batch is this old
  std::optional<uint64_t> retention_bytes = std::nullopt;      ///< per partition; nothing: no bound
  std::optional<Duration> retention = std::nullopt;            ///< by append time; nothing: for ever
  uint32_t idempotency_window = 16384;                         ///< marked batches per partition that are remembered
  std::optional<CompactionOptions> compaction = std::nullopt;  ///< nothing: every record stays

  bool has_retention() const { return retention_bytes || retention; }
  bool operator==(const StreamOptions&) const = default;
};

/// No batch may be larger.
inline constexpr size_t kBatchBytesMax = size_t{128} << 20;
/// An `append` that finds this much queued waits until it is synced.
inline constexpr size_t kQueuedBytesMax = size_t{64} << 20;

struct AppendOptions {
  /// Hash of the request's Idempotency-Key; 0: none. When a batch with this mark is among the remembered ones (or is
  /// queued), nothing is appended and the ticket stands for the batch that is there.
  uint64_t idempotency_hash = 0;
};

/// Where a batch lies. `first` to `last`, both included.
struct AppendResult {
  Offset first;
  Offset last;
  Timestamp append_time;   ///< not set for a duplicate
  bool duplicate = false;  ///< it was there already (idempotency_hash, or an idempotent producer's sequence)
};

struct OffsetRange {
  Offset first;
  Offset last;
};

class Segment;
struct AppendGroup;

/// Stands for one appended batch. May be waited for any number of times, or dropped.
class Ticket {
 public:
  Ticket() = default;
  /// The offsets that it has when its wait succeeds.
  Offset first() const { return first_; }
  Offset last() const { return last_; }

 private:
  friend class Partition;
  std::shared_ptr<AppendGroup> group_;  // shared: the group outlives whichever of syncer and waiters is last
  Offset first_;
  Offset last_;
  bool duplicate_ = false;
};

/// A batch as it lies in a segment.
struct StoredBatch {
  Offset base_offset;
  int32_t offset_count = 0;  ///< that the batch stands for; a compaction may have taken some or all of the records out
  Timestamp append_time;
  uint64_t idempotency_hash = 0;
  std::string_view bytes;  ///< the Kafka batch, base offset set; its CRC is checked by ReadBatches::view_of

  Offset end_offset() const { return Offset{base_offset.value + offset_count}; }
};

/// Owns what a read returned. Use it again for the next read: the buffer is kept, and a read that goes on where the
/// last one ended needs no search. One thread at a time.
class ReadBatches {
 public:
  std::span<const StoredBatch> batches() const { return batches_; }
  bool empty() const { return batches_.empty(); }
  /// Where to read on: behind the last batch, or the offset asked for when there was none.
  Offset next_offset() const { return next_offset_; }
  /// The batch, its CRC checked. The error names file, byte and offset.
  Result<RecordBatchView> view_of(const StoredBatch& stored) const;

 private:
  friend class Partition;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  std::vector<StoredBatch> batches_;
  Offset next_offset_;
  std::shared_ptr<Segment> segment_;        // shared: it may be deleted meanwhile
  std::unique_ptr<RandomAccessFile> file_;  // of segment_
  uint64_t position_ = 0;                   // where next_offset_ lies in it
};

class CompactedSegmentWriter;
struct SegmentExtent;
class IdempotencyWindow;
class ProducerWindow;
struct ProducerMark;
class SegmentWriter;
class SyncPool;

/// Told about new durable ends, by the thread that synced, with no lock held. Two calls for one partition may overtake
/// each other: the larger end counts. Must be quick and must not append, wait or sync.
using DurableListener = std::function<void(StreamId, PartitionId, Offset end)>;

class Partition {
 public:
  /// Where a partition lies and what it works with. `pool` may be null only when single-threaded; env and pool outlive
  /// it.
  struct Setup {
    Env* env = nullptr;
    SyncPool* pool = nullptr;
    std::string directory;
    StreamId stream;
    PartitionId id;
    StreamOptions options;
    DurableListener listener;
  };
  /// Made by Log. The directory exists and holds at least one segment; runs recovery.
  static Result<std::unique_ptr<Partition>> open(Setup setup);
  /// Creates the first segment in `directory`, durably.
  static Status create(Env& env, const std::string& directory, StreamId stream, PartitionId id);
  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  PartitionId id() const { return setup_.id; }
  StreamId stream() const { return setup_.stream; }
  /// How many bytes of a torn tail recovery cut off.
  uint64_t torn_bytes() const { return torn_bytes_; }

  // -- appending ---------------------------------------------------------------------------------------------------

  /// Queues one whole Kafka batch (its base offset and leader epoch are overwritten, its CRC is checked). The
  /// producer's base offsets must count from 0: last_offset_delta = record_count - 1. A batch of an idempotent producer
  /// that is among its last ones is not appended again: the ticket stands for the batch that is there. One that is not
  /// the next of its producer fails (producer_window.h has the errors).
  Result<Ticket> append(std::string batch, const AppendOptions& options = {});
  /// Returns when the ticket's batch is durable. Syncs itself when nobody is at it.
  Result<AppendResult> wait(const Ticket& ticket);
  Result<AppendResult> append_and_wait(std::string batch, const AppendOptions& options = {});
  /// Calls `done` once, when the ticket's batch is durable or has failed: at once when it has already, else from the
  /// thread that syncs it, with no lock held. Somebody must sync: `start_sync`, `sync_queued` or a waiter.
  void when_settled(const Ticket& ticket, std::function<void(Result<AppendResult>)> done);
  /// Makes all that was appended before durable.
  Status sync();
  /// Asks the pool to sync, and returns at once.
  void start_sync();
  /// Syncs what is queued, on this thread, unless somebody is at it: then that one or the pool goes on with it, if
  /// somebody asked by `when_settled` or `start_sync`.
  void sync_queued();
  /// Where the batch marked with this hash lies, when it is durable and among the last `idempotency_window` marked
  /// ones.
  std::optional<OffsetRange> find_recent_idempotent(uint64_t hash) const;
  /// Whether a batch at this place is among the last ones of its producer.
  bool remembers(const ProducerMark& batch) const;

  // -- reading -----------------------------------------------------------------------------------------------------

  Offset begin_offset() const;
  /// Where the last compacted segment ends; begin_offset() when there is none.
  Offset compacted_end() const;
  /// One behind the last durable record.
  Offset end_offset() const;
  /// Bytes of all segments.
  uint64_t size_bytes() const;
  /// Append time of the newest durable batch; nothing when there is none.
  std::optional<Timestamp> last_append_time() const;

  /// Durable batches from the one that holds `from` on (so the first may begin before it; or behind it, when a
  /// compaction removed what was there), up to `max_bytes` but at least one; none at the end. Fails with
  /// kInvalidParameter outside [begin, end], with kDataCorrupted (naming file, byte and offset) when a frame is
  /// damaged.
  Status read(Offset from, size_t max_bytes, ReadBatches& into) const;
  Result<ReadBatches> read(Offset from, size_t max_bytes) const;
  /// Base offset of the first batch that was appended at `time` or later; end_offset() when there is none.
  Result<Offset> offset_at_or_after(Timestamp time) const;
  /// Waits until end_offset() > `beyond`, at most `timeout`; returns end_offset(). Does not wait when single-threaded.
  Offset wait_for_data(Offset beyond, Duration timeout) const;

  // -- keeping -----------------------------------------------------------------------------------------------------

  /// Deletes whole segments from the front that are too old, or beyond retention_bytes, and that no reader needs
  /// (`needed`: the lowest offset that somebody still has to read). Returns how many bytes went.
  Result<uint64_t> enforce_retention(Timestamp now, Offset needed);
  /// Deletes whole segments from the front that end at or before `end`, whatever the options say. Returns how many
  /// bytes went.
  Result<uint64_t> delete_before(Offset end);
  /// Cuts all at and behind `end`, which must be where a batch begins or ends. Only for streams that the engine itself
  /// writes, and only while nobody else appends or reads.
  Status truncate_to(Offset end);
  /// After a failed sync: opens the files again and goes on from the last durable batch. Nothing to do when healthy.
  Status reopen();
  /// The reason why appends are refused; nothing when healthy.
  std::optional<Error> failure() const;
  /// Syncs what is queued, remembers the indexes, closes. Later calls fail with kUnavailable.
  Status close();

 private:
  friend class Compaction;
  struct FrameSpot {
    uint64_t position = 0;
    Offset base_offset;
  };
  using Lock = std::unique_lock<std::mutex>;

  explicit Partition(Setup setup);

  // partition_append.cpp
  Status refuse_if_unusable() const;
  std::optional<Ticket> find_duplicate(uint64_t hash) const;
  Ticket duplicate_at(const OffsetRange& range) const;
  Result<Ticket> enqueue(std::string batch, ProducerMark mark, const AppendOptions& options);
  Status make_room(Lock& lock);
  Status wait_for_group(Lock& lock, AppendGroup& group);
  void lead(Lock& lock);
  void settle(AppendGroup& group, const Status& status, Timestamp append_time);
  void take_turn(Lock& lock);
  void give_turn_back();

  // partition_read.cpp
  Result<std::shared_ptr<Segment>> segment_of(Offset from) const;
  Result<std::shared_ptr<Segment>> segment_at_or_after(Timestamp time) const;
  std::deque<std::shared_ptr<Segment>>::const_iterator find_segment(Offset offset) const;
  bool is_current(const Segment& segment) const;
  Result<bool> start_read(Offset from, ReadBatches& into) const;
  Result<bool> seek(std::shared_ptr<Segment> segment, Offset from, ReadBatches& into) const;
  Status fill(size_t max_bytes, ReadBatches& into) const;
  Result<std::optional<FrameSpot>> locate(const RandomAccessFile& file, const Segment& segment, Offset offset) const;
  Status parse_frames(size_t length, ReadBatches& into) const;

  // partition_keep.cpp
  Result<uint64_t> delete_while(const std::function<bool(const SegmentExtent&)>& goes);
  Status delete_front();
  Status stand_at_batch(Offset end, ReadBatches& at_end) const;
  Status cut_behind(const ReadBatches& at_end);

  // partition_compact.cpp, for Compaction
  Status enter_compaction();
  void leave_compaction();
  std::vector<std::shared_ptr<Segment>> sealed_below(Offset end, Timestamp newest) const;
  Status replace(std::span<const std::shared_ptr<Segment>> old, CompactedSegmentWriter& with);
  Status swap_in(std::span<const std::shared_ptr<Segment>> old, CompactedSegmentWriter& with);

  const Setup setup_;
  uint64_t torn_bytes_ = 0;

  // Owned by whoever has the turn (writing_).
  std::unique_ptr<SegmentWriter> writer_;

  mutable std::mutex mutex_;
  // All below guarded by mutex_.
  bool writing_ = false;
  bool closed_ = false;
  bool compacting_ = false;  // close waits for it
  std::optional<Error> failure_;
  std::deque<std::shared_ptr<Segment>> segments_;  // shared: a reader may still hold one that is deleted
  std::unique_ptr<IdempotencyWindow> window_;
  std::unique_ptr<ProducerWindow> producers_;
  std::shared_ptr<AppendGroup> open_group_;       // takes appends; null when nothing is queued
  std::shared_ptr<AppendGroup> group_in_flight_;  // being written
  Offset next_offset_;                            // of the next append
  Offset durable_end_;
  std::optional<Timestamp> last_append_time_;
  std::condition_variable turn_free_;
  mutable std::condition_variable data_changed_;
};

}  // namespace millrace::log
