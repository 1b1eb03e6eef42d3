// The bytes of a segment: its header and the frame header before each batch. docs/formats/log.md, "A segment".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace::log {

inline constexpr size_t kSegmentHeaderBytes = 32;
inline constexpr size_t kSegmentFooterBytes = 40;
inline constexpr size_t kFrameHeaderBytes = 56;
inline constexpr std::string_view kFrameMagic = "MRF1";

/// What the footer of a compacted segment says.
struct SegmentFooter {
  Offset end_offset;           ///< the segment stands for all offsets from its base to here
  Offset clean_end;            ///< records below it have superseded the older ones of their keys
  uint64_t covered_bytes = 0;  ///< of the file, before the footer
};

struct SegmentHeader {
  StreamId stream;
  PartitionId partition;
  Offset base_offset;
  uint32_t salt = 0;
  bool compacted = false;  ///< then a footer closes the file
  SegmentFooter footer = {};
};

/// Which batch of an idempotent producer this is (KIP-98); the batch says so itself.
struct ProducerSequence {
  int64_t id = -1;  ///< −1: of no such producer
  int16_t epoch = -1;
  int32_t sequence = -1;  ///< of its first record
  bool operator==(const ProducerSequence&) const = default;
};

struct FrameHeader {
  Offset base_offset;
  Timestamp append_time;
  uint64_t idempotency_hash = 0;
  uint64_t synced_bytes = 0;  ///< of this segment, when the frame was written
  uint32_t batch_bytes = 0;
  int32_t offset_count = 0;        ///< that the batch stands for; in a compacted segment it may hold fewer records
  Offset follows = {};             ///< in a compacted segment: where the frame before ended
  ProducerSequence producer = {};  ///< read from the batch: no part of the frame's bytes

  Offset end_offset() const { return Offset{base_offset.value + offset_count}; }
  /// Where the frame before this one must have ended, or there is a hole.
  Offset due_after(const SegmentHeader& segment) const { return segment.compacted ? follows : base_offset; }
  uint64_t frame_bytes() const { return kFrameHeaderBytes + uint64_t{batch_bytes}; }
};

void append_segment_header(std::string& out, const SegmentHeader& header);
/// Nothing when the bytes (at least kSegmentHeaderBytes of them) are no good header. Of a compacted segment the footer
/// is still to be read.
std::optional<SegmentHeader> decode_segment_header(std::string_view bytes);

void append_segment_footer(std::string& out, const SegmentFooter& footer, uint32_t salt);
/// Nothing when the bytes (kSegmentFooterBytes of them) are no good footer of a segment with this salt.
std::optional<SegmentFooter> decode_segment_footer(std::string_view bytes, uint32_t salt);

void append_frame_header(std::string& out, const FrameHeader& header, uint32_t salt);
/// Nothing when the bytes (at least kFrameHeaderBytes of them) are no good header of a segment with this salt.
std::optional<FrameHeader> decode_frame_header(std::string_view bytes, uint32_t salt);

/// Where a frame lies, for searches by offset and by append time.
struct IndexEntry {
  Offset offset;
  uint64_t position = 0;
  Timestamp append_time;
};

/// A batch that came with an Idempotency-Key.
struct IdempotencyMark {
  uint64_t hash = 0;
  Offset first;
  int32_t record_count = 0;
};

/// A batch of an idempotent producer.
struct ProducerMark {
  ProducerSequence producer;
  Offset first;
  int32_t record_count = 0;
};

/// An entry is kept for about every so many bytes.
inline constexpr uint64_t kIndexIntervalBytes = uint64_t{256} << 10;

/// What is known of the first `covered_bytes` of a segment. Grows frame by frame.
struct SegmentIndex {
  uint64_t covered_bytes = kSegmentHeaderBytes;
  Offset end_offset;
  Timestamp first_append_time;  ///< means something when there is a frame
  Timestamp last_append_time;
  std::vector<IndexEntry> entries;
  std::vector<IdempotencyMark> marks;
  std::vector<ProducerMark> producers;  ///< the last ones of each, and some more
  size_t producers_max = 1024;          ///< when it is this long, those that nobody asks for go

  bool has_frames() const { return !entries.empty(); }
  /// Adds the frame that begins at covered_bytes.
  void add(const FrameHeader& frame);
};

std::string encode_segment_index(const SegmentIndex& index, uint32_t salt);
/// Nothing when the bytes are damaged, or belong to another segment.
std::optional<SegmentIndex> decode_segment_index(std::string_view bytes, uint32_t salt);

/// "00000000000000482113.seg"
std::string segment_file_name(Offset base_offset);
std::string index_file_name(Offset base_offset);
/// The name under which a segment is compacted, until it is whole.
std::string unfinished_file_name(Offset base_offset);
bool is_unfinished_file_name(std::string_view name);
/// Nothing when it is not the name of a segment.
std::optional<Offset> parse_segment_file_name(std::string_view name);

}  // namespace millrace::log
