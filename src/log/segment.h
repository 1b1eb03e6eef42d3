// One segment as readers see it: its durable part only.
//
// The partition's writer advances it after each fdatasync; a reader may hold it after the partition dropped it (the
// reader's open file keeps the bytes). All functions may be called from any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "base/ids.h"
#include "base/time.h"
#include "log/segment_format.h"

namespace millrace::log {

struct SegmentExtent {
  uint64_t bytes = 0;
  Offset end_offset;
  bool has_frames = false;
  Timestamp first_append_time;
  Timestamp last_append_time;
};

class Segment {
 public:
  Segment(std::string directory, const SegmentHeader& header, SegmentIndex index);

  const std::string& path() const { return path_; }
  const std::string& index_path() const { return index_path_; }
  Offset base_offset() const { return header_.base_offset; }
  uint32_t salt() const { return header_.salt; }

  using Extent = SegmentExtent;
  Extent extent() const;

  /// A place from which a walk over the frames meets the frame that holds `offset`.
  uint64_t position_before(Offset offset) const;
  /// A place from which a walk over the frames meets the first frame that is not older than `time`.
  uint64_t position_before(Timestamp time) const;

  /// These frames, which follow what was there, are durable now. Keeps the newest `marks_max` idempotency marks.
  void advance(std::span<const FrameHeader> frames, size_t marks_max);
  /// The index as it was at a place at or before `end`, where a frame begins; to be extended by a scan.
  SegmentIndex index_before(Offset end) const;
  const SegmentHeader& header() const { return header_; }
  /// What the index file should hold.
  std::string encode_index() const;
  /// The marks were only kept for the index file.
  void forget_marks();

 private:
  const SegmentHeader header_;
  const std::string path_;
  const std::string index_path_;

  mutable std::mutex mutex_;
  SegmentIndex index_;  // guarded by mutex_
};

}  // namespace millrace::log
