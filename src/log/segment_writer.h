// The writing side of a partition: puts batches behind the last segment, syncs, starts new segments.
//
// One thread at a time, the one that holds the partition's turn to write. Segments advance (become readable) only by
// what was synced.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/failpoints.h"
#include "base/result.h"
#include "log/partition.h"
#include "log/segment.h"

namespace millrace::log {

struct QueuedBatch {
  std::string bytes;
  Offset base_offset;
  int32_t record_count = 0;
  uint64_t idempotency_hash = 0;
  ProducerSequence producer = {};
};

class SegmentWriter {
 public:
  SegmentWriter(Env& env, std::string directory, StreamId stream, PartitionId partition, const StreamOptions& options);

  /// Goes on behind the durable end of `active`; what the file has beyond it is cut off.
  Status open(std::shared_ptr<Segment> active);

  /// Writes all batches and syncs them. After an error what was not synced is cut off again, and the durable end says
  /// what is left (a part may have become durable, when a segment was finished in between).
  Status write(std::span<QueuedBatch> batches, Timestamp append_time);
  /// False after an error that leaves the file's content in doubt: then only a new writer may go on.
  bool usable() const { return usable_; }

  /// Finishes the active segment; an empty one that begins at its end takes over.
  Status roll();
  /// Segments that were started since the last call, in order.
  std::vector<std::shared_ptr<Segment>> take_started() { return std::move(started_); }
  const std::shared_ptr<Segment>& active() const { return active_; }

  /// Writes the index file of the active segment and closes the file.
  Status close();

 private:
  Status write_frames(std::span<QueuedBatch> batches, Timestamp append_time);
  Status write_frame(QueuedBatch& batch, Timestamp append_time);
  bool must_roll(const QueuedBatch& batch, Timestamp append_time) const;
  Status flush();
  Status sync_active();
  Status start_segment(Offset base_offset);
  void cut_back();
  void write_index_file(const Segment& segment);

  Env& env_;
  const std::string directory_;
  const StreamId stream_;
  const PartitionId partition_;
  const StreamOptions options_;
  FailPoint& write_point_;
  FailPoint& sync_point_;
  FailPoint& roll_point_;

  std::shared_ptr<Segment> active_;  // shared with readers
  std::unique_ptr<WritableFile> file_;
  uint64_t durable_bytes_ = 0;  // of the active segment
  uint64_t position_ = 0;       // where the next frame goes
  std::string gathered_;        // frames not yet given to the file
  std::vector<FrameHeader> unsynced_;
  std::vector<std::shared_ptr<Segment>> started_;
  bool finished_ = false;  // the active segment takes no more: the next batch starts a new one
  bool usable_ = true;
};

/// Creates the segment's file with its header, and makes both durable.
Status create_segment_file(Env& env, const std::string& directory, const SegmentHeader& header);

}  // namespace millrace::log
