#include "log/segment.h"

#include <algorithm>
#include <utility>

#include "base/paths.h"

namespace millrace::log {

Segment::Segment(std::string directory, const SegmentHeader& header, SegmentIndex index)
    : header_(header),
      path_(join_path(directory, segment_file_name(header.base_offset))),
      index_path_(join_path(directory, index_file_name(header.base_offset))),
      index_(std::move(index)) {}

Segment::Extent Segment::extent() const {
  std::lock_guard lock(mutex_);
  return {index_.covered_bytes, index_.end_offset, index_.has_frames(), index_.first_append_time,
          index_.last_append_time};
}

uint64_t Segment::position_before(Offset offset) const {
  std::lock_guard lock(mutex_);
  auto after = std::upper_bound(index_.entries.begin(), index_.entries.end(), offset,
                                [](Offset wanted, const IndexEntry& entry) { return wanted < entry.offset; });
  return after == index_.entries.begin() ? kSegmentHeaderBytes : std::prev(after)->position;
}

uint64_t Segment::position_before(Timestamp time) const {
  std::lock_guard lock(mutex_);
  auto not_before =
      std::lower_bound(index_.entries.begin(), index_.entries.end(), time,
                       [](const IndexEntry& entry, Timestamp wanted) { return entry.append_time < wanted; });
  return not_before == index_.entries.begin() ? kSegmentHeaderBytes : std::prev(not_before)->position;
}

void Segment::advance(std::span<const FrameHeader> frames, size_t marks_max) {
  std::lock_guard lock(mutex_);
  for (const FrameHeader& frame : frames) index_.add(frame);
  auto& marks = index_.marks;
  if (marks.size() > 2 * marks_max) marks.erase(marks.begin(), marks.end() - static_cast<std::ptrdiff_t>(marks_max));
}

SegmentIndex Segment::index_before(Offset end) const {
  std::lock_guard lock(mutex_);
  SegmentIndex cut;
  cut.end_offset = header_.base_offset;
  auto first_behind = std::lower_bound(index_.entries.begin(), index_.entries.end(), end,
                                       [](const IndexEntry& entry, Offset wanted) { return entry.offset < wanted; });
  if (first_behind - index_.entries.begin() < 2) return cut;
  const IndexEntry& last = *std::prev(first_behind);
  cut.entries.assign(index_.entries.begin(), std::prev(first_behind));
  cut.covered_bytes = last.position;
  cut.end_offset = last.offset;
  cut.first_append_time = index_.first_append_time;
  cut.last_append_time = cut.entries.back().append_time;
  for (const IdempotencyMark& mark : index_.marks) {
    if (mark.first < last.offset) cut.marks.push_back(mark);
  }
  for (const ProducerMark& mark : index_.producers) {
    if (mark.first < last.offset) cut.producers.push_back(mark);
  }
  return cut;
}

std::string Segment::encode_index() const {
  std::lock_guard lock(mutex_);
  return encode_segment_index(index_, header_.salt);
}

void Segment::forget_marks() {
  std::lock_guard lock(mutex_);
  index_.marks = {};
  index_.producers = {};
}

}  // namespace millrace::log
