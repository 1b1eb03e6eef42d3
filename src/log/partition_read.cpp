// The reading half of a partition.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "log/partition.h"
#include "log/record_batch.h"
#include "log/segment.h"

namespace millrace::log {

namespace {

/// What a walk in search of a frame reads at a time.
constexpr size_t kWalkBytes = size_t{64} << 10;
/// A single read takes no more, however much is asked for.
constexpr size_t kReadBytesMax = size_t{256} << 20;

Error damaged(const Segment& segment, uint64_t byte, Offset offset, std::string_view what) {
  return external_error(sqlstate::kDataCorrupted, fmt::format("log is damaged: {}: file {}, byte {}, offset {}", what,
                                                              segment.path(), byte, offset.value))
      .with_hint("Run `millrace verify` on the data directory; restore this file from a copy.");
}

/// Reads exactly so many bytes, which are known to be in the file.
Status read_exactly(const RandomAccessFile& file, const Segment& segment, uint64_t position, char* buffer,
                    size_t length) {
  MR_ASSIGN(size_t got, file.read_at(position, buffer, length));
  if (got == length) return {};
  return damaged(segment, position + got, segment.base_offset(), "the file is shorter than what was acked");
}

}  // namespace

Result<RecordBatchView> ReadBatches::view_of(const StoredBatch& stored) const {
  Result<RecordBatchView> view = RecordBatchView::parse(stored.bytes);
  const bool fits = view.ok() && matches(*view, stored.base_offset, stored.offset_count, segment_->header().compacted);
  if (fits) return view;
  const std::string_view last = batches_.back().bytes;  // position_ is behind it
  const auto behind = static_cast<uint64_t>(last.data() + last.size() - stored.bytes.data());
  return damaged(*segment_, position_ - behind, stored.base_offset,
                 view.ok() ? "the batch does not match its frame" : view.error().message);
}

/// The first frame that ends behind `offset`, which is durable and in this segment. Nothing when a compaction removed
/// all records from there to the segment's end.
Result<std::optional<Partition::FrameSpot>> Partition::locate(const RandomAccessFile& file, const Segment& segment,
                                                              Offset offset) const {
  uint64_t end = segment.extent().bytes;
  uint64_t position = segment.position_before(offset);
  auto buffer = std::make_unique_for_overwrite<char[]>(kWalkBytes);
  while (position + kFrameHeaderBytes <= end) {
    size_t length = static_cast<size_t>(std::min<uint64_t>(kWalkBytes, end - position));
    MR_TRY(read_exactly(file, segment, position, buffer.get(), length));
    uint64_t at = 0;
    while (at + kFrameHeaderBytes <= length) {
      std::optional<FrameHeader> header =
          decode_frame_header(std::string_view(buffer.get() + at, kFrameHeaderBytes), segment.salt());
      if (!header) return damaged(segment, position + at, offset, "a frame header is not good");
      if (header->end_offset() > offset) return std::optional<FrameSpot>({position + at, header->base_offset});
      at += header->frame_bytes();
    }
    position += at;
  }
  if (segment.header().compacted) return std::optional<FrameSpot>();
  return damaged(segment, position, offset, "the offset is missing");
}

Status Partition::read(Offset from, size_t max_bytes, ReadBatches& into) const {
  into.batches_.clear();
  MR_ASSIGN(bool more, start_read(from, into));
  return more ? fill(max_bytes, into) : Status();
}

Result<ReadBatches> Partition::read(Offset from, size_t max_bytes) const {
  ReadBatches batches;
  MR_TRY(read(from, max_bytes, batches));
  return batches;
}

/// The segment in whose range `from` lies; null at the end.
Result<std::shared_ptr<Segment>> Partition::segment_of(Offset from) const {
  std::lock_guard lock(mutex_);
  if (closed_)
    return external_error(sqlstate::kUnavailable, fmt::format("log partition is closed: {}", setup_.directory));
  // A reader may have seen what is durable before its appenders were told: the segment knows a moment earlier.
  const Offset known_end = std::max(durable_end_, segments_.back()->extent().end_offset);
  if (from < segments_.front()->base_offset() || from > known_end) {
    return user_error(sqlstate::kInvalidParameter,
                      fmt::format("offset is outside what the log holds, {} to {}: {}",
                                  segments_.front()->base_offset().value, durable_end_.value, from.value));
  }
  if (from >= durable_end_) return std::shared_ptr<Segment>();
  return *find_segment(from);
}

/// False when it was deleted, or replaced by a compaction: then a file opened by its name may be another one.
bool Partition::is_current(const Segment& segment) const {
  std::lock_guard lock(mutex_);
  return segment.base_offset() >= segments_.front()->base_offset() &&
         find_segment(segment.base_offset())->get() == &segment;
}

/// With mutex_ held; `offset` must not lie before the first segment.
std::deque<std::shared_ptr<Segment>>::const_iterator Partition::find_segment(Offset offset) const {
  auto after = std::upper_bound(segments_.begin(), segments_.end(), offset,
                                [](Offset wanted, const auto& candidate) { return wanted < candidate->base_offset(); });
  return std::prev(after);
}

/// Brings `into` to the frame that holds `from`, or to the next one when a compaction removed it. False when there is
/// nothing to read yet.
Result<bool> Partition::start_read(Offset from, ReadBatches& into) const {
  while (true) {
    MR_ASSIGN(std::shared_ptr<Segment> segment, segment_of(from));
    if (!segment) {
      if (into.next_offset_ != from) into.segment_ = nullptr;
      into.next_offset_ = from;
      return false;
    }
    if (segment == into.segment_ && into.next_offset_ == from) return true;
    const Result<bool> stands = seek(segment, from, into);
    if (!is_current(*segment)) {
      into.segment_ = nullptr;
      continue;
    }
    if (!stands.ok()) return stands.error();
    if (*stands) return true;
    from = segment->extent().end_offset;
  }
}

/// False when no frame of the segment ends behind `from`.
Result<bool> Partition::seek(std::shared_ptr<Segment> segment, Offset from, ReadBatches& into) const {
  if (segment != into.segment_) {
    into.segment_ = nullptr;
    MR_ASSIGN(into.file_, setup_.env->files().open_read(segment->path()));
  }
  into.segment_ = nullptr;  // until it stands at the right place
  uint64_t position = kSegmentHeaderBytes;
  if (from != segment->base_offset()) {
    MR_ASSIGN(std::optional<FrameSpot> spot, locate(*into.file_, *segment, from));
    if (!spot) return false;
    position = spot->position;
  } else if (segment->extent().bytes == kSegmentHeaderBytes) {
    return false;
  }
  into.position_ = position;
  into.next_offset_ = from;
  into.segment_ = std::move(segment);
  return true;
}

/// Reads whole frames from position_ on: at least one.
Status Partition::fill(size_t max_bytes, ReadBatches& into) const {
  const Segment::Extent extent = into.segment_->extent();
  uint64_t available = extent.bytes - into.position_;
  size_t length =
      static_cast<size_t>(std::min<uint64_t>(available, std::clamp(max_bytes, kFrameHeaderBytes, kReadBytesMax)));
  auto reserve = [&into](size_t bytes) {
    if (into.capacity_ >= bytes) return;
    into.buffer_ = std::make_unique_for_overwrite<char[]>(bytes);
    into.capacity_ = bytes;
  };
  reserve(length);
  MR_TRY(read_exactly(*into.file_, *into.segment_, into.position_, into.buffer_.get(), length));
  auto first = decode_frame_header(std::string_view(into.buffer_.get(), length), into.segment_->salt());
  if (!first) return damaged(*into.segment_, into.position_, into.next_offset_, "a frame header is not good");
  if (first->frame_bytes() > available) {
    return damaged(*into.segment_, into.position_, into.next_offset_, "a frame is longer than the file");
  }
  if (first->frame_bytes() > length) {
    length = static_cast<size_t>(first->frame_bytes());
    reserve(length);
    MR_TRY(read_exactly(*into.file_, *into.segment_, into.position_, into.buffer_.get(), length));
  }
  MR_TRY(parse_frames(length, into));
  if (into.position_ == extent.bytes) into.next_offset_ = extent.end_offset;  // a compaction may have removed the rest
  return {};
}

/// Lists the whole frames among the first `length` bytes of the buffer.
Status Partition::parse_frames(size_t length, ReadBatches& into) const {
  const Segment& segment = *into.segment_;
  const char* buffer = into.buffer_.get();
  size_t at = 0;
  while (at + kFrameHeaderBytes <= length) {
    auto header = decode_frame_header(std::string_view(buffer + at, kFrameHeaderBytes), segment.salt());
    if (!header) return damaged(segment, into.position_ + at, into.next_offset_, "a frame header is not good");
    const Offset due = header->due_after(segment.header());
    if (!into.batches_.empty() && due != into.next_offset_) {
      return damaged(segment, into.position_ + at, into.next_offset_,
                     fmt::format("a hole before offset {}", due.value));
    }
    if (header->frame_bytes() > length - at) break;
    into.batches_.push_back({header->base_offset, header->offset_count, header->append_time, header->idempotency_hash,
                             std::string_view(buffer + at + kFrameHeaderBytes, header->batch_bytes)});
    into.next_offset_ = header->end_offset();
    at += static_cast<size_t>(header->frame_bytes());
  }
  into.position_ += at;
  return {};
}

/// The oldest segment that has a batch appended at `time` or later; null when there is none.
Result<std::shared_ptr<Segment>> Partition::segment_at_or_after(Timestamp time) const {
  std::lock_guard lock(mutex_);
  if (closed_)
    return external_error(sqlstate::kUnavailable, fmt::format("log partition is closed: {}", setup_.directory));
  auto found = std::find_if(segments_.begin(), segments_.end(), [&](const auto& candidate) {
    Segment::Extent extent = candidate->extent();
    return extent.has_frames && extent.last_append_time >= time;
  });
  return found == segments_.end() ? nullptr : *found;
}

Result<Offset> Partition::offset_at_or_after(Timestamp time) const {
  const Offset end = end_offset();
  while (true) {
    MR_ASSIGN(std::shared_ptr<Segment> segment, segment_at_or_after(time));
    if (!segment) return end;
    ReadBatches batches;
    batches.segment_ = segment;
    Result<std::unique_ptr<RandomAccessFile>> file = setup_.env->files().open_read(segment->path());
    if (!is_current(*segment)) continue;
    MR_ASSIGN(batches.file_, std::move(file));
    batches.position_ = segment->position_before(time);
    while (batches.position_ < segment->extent().bytes) {
      batches.batches_.clear();
      MR_TRY(fill(size_t{256} << 10, batches));
      for (const StoredBatch& batch : batches.batches_) {
        if (batch.append_time >= time) return batch.base_offset;
      }
    }
    return end;
  }
}

}  // namespace millrace::log
