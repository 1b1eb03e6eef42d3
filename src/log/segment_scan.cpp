#include "log/segment_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "log/producer_window.h"
#include "log/record_batch.h"

namespace millrace::log {

namespace {

constexpr uint64_t kWindowBytes = uint64_t{4} << 20;

/// A piece of a file in memory that moves forward with what is asked for.
class FileWindow {
 public:
  FileWindow(const RandomAccessFile& file, uint64_t file_bytes) : file_(file), file_bytes_(file_bytes) {}

  /// Up to `length` bytes at `place`; fewer only at the end of the file. Valid until the next call.
  Result<std::string_view> at(uint64_t place, uint64_t length) {
    length = std::min(length, file_bytes_ - std::min(place, file_bytes_));
    if (place < start_ || place + length > start_ + filled_) MR_TRY(fill(place, std::max(length, kWindowBytes)));
    uint64_t skipped = place - start_;
    return std::string_view(buffer_.get() + skipped, std::min(length, filled_ - skipped));
  }

 private:
  Status fill(uint64_t place, uint64_t length) {
    length = std::min(length, file_bytes_ - place);
    if (length > capacity_) {
      buffer_ = std::make_unique_for_overwrite<char[]>(length);
      capacity_ = length;
    }
    start_ = place;
    filled_ = 0;
    MR_ASSIGN(filled_, file_.read_at(place, buffer_.get(), length));
    return {};
  }

  const RandomAccessFile& file_;
  uint64_t file_bytes_;
  std::unique_ptr<char[]> buffer_;
  uint64_t capacity_ = 0;
  uint64_t start_ = 0;
  uint64_t filled_ = 0;
};

/// Why the frame does not follow what `index` holds; nothing when it does.
std::optional<std::string> judge_header(const FrameHeader& frame, const SegmentHeader& segment,
                                        const SegmentIndex& index, uint64_t file_bytes) {
  const Offset due = frame.due_after(segment);
  if (due != index.end_offset || frame.base_offset < due) {
    return fmt::format("the frame has offset {} where {} is due", due.value, index.end_offset.value);
  }
  if (index.has_frames() && frame.append_time < index.last_append_time) return "the append time goes back";
  if (frame.synced_bytes > index.covered_bytes) return "the frame was written into a longer file";
  if (frame.frame_bytes() > file_bytes - index.covered_bytes) {
    return fmt::format("the frame is cut off: {} of {} bytes", file_bytes - index.covered_bytes, frame.frame_bytes());
  }
  return std::nullopt;
}

std::optional<std::string> judge_batch(std::string_view bytes, FrameHeader& frame, bool compacted) {
  Result<RecordBatchView> batch = RecordBatchView::parse(bytes);
  if (!batch.ok()) return batch.error().message;
  if (!matches(*batch, frame.base_offset, frame.offset_count, compacted)) return "the batch does not match its frame";
  frame.producer = sequence_of(*batch);
  return std::nullopt;
}

}  // namespace

Result<std::optional<SegmentHeader>> read_segment_header(const RandomAccessFile& file, uint64_t file_bytes) {
  char head[kSegmentHeaderBytes];
  MR_ASSIGN(const size_t length, file.read_at(0, head, sizeof head));
  std::optional<SegmentHeader> header = decode_segment_header({head, length});
  if (!header || !header->compacted) return header;
  if (file_bytes < kSegmentHeaderBytes + kSegmentFooterBytes) return std::optional<SegmentHeader>();
  char tail[kSegmentFooterBytes];
  MR_ASSIGN(const size_t tail_length, file.read_at(file_bytes - kSegmentFooterBytes, tail, sizeof tail));
  const std::optional<SegmentFooter> footer = decode_segment_footer({tail, tail_length}, header->salt);
  if (!footer || footer->covered_bytes != file_bytes - kSegmentFooterBytes) return std::optional<SegmentHeader>();
  header->footer = *footer;
  return header;
}

Result<std::optional<std::string>> scan_frames(const RandomAccessFile& file, uint64_t file_bytes,
                                               const SegmentHeader& segment, SegmentIndex& index) {
  FileWindow window(file, file_bytes);
  const uint64_t end = segment.compacted ? segment.footer.covered_bytes : file_bytes;
  while (index.covered_bytes < end) {
    MR_ASSIGN(std::string_view head, window.at(index.covered_bytes, kFrameHeaderBytes));
    std::optional<FrameHeader> frame = decode_frame_header(head, segment.salt);
    if (!frame) return std::optional<std::string>("no frame header, or a damaged one");
    if (auto why = judge_header(*frame, segment, index, end)) return why;
    MR_ASSIGN(std::string_view batch, window.at(index.covered_bytes + kFrameHeaderBytes, frame->batch_bytes));
    if (auto why = judge_batch(batch, *frame, segment.compacted)) return why;
    index.add(*frame);
  }
  if (!segment.compacted) return std::optional<std::string>();
  if (index.end_offset > segment.footer.end_offset) {
    return std::optional<std::string>("the frames go beyond what the footer says");
  }
  index.end_offset = segment.footer.end_offset;
  return std::optional<std::string>();
}

Result<std::optional<uint64_t>> find_proof_of_sync(const RandomAccessFile& file, uint64_t file_bytes, uint32_t salt,
                                                   uint64_t bad_place) {
  FileWindow window(file, file_bytes);
  uint64_t place = bad_place;
  while (place + kFrameHeaderBytes <= file_bytes) {
    MR_ASSIGN(std::string_view bytes, window.at(place, kWindowBytes));
    if (bytes.size() < kFrameHeaderBytes) break;
    for (size_t at = bytes.find(kFrameMagic); at != std::string_view::npos && at + kFrameHeaderBytes <= bytes.size();
         at = bytes.find(kFrameMagic, at + 1)) {
      std::optional<FrameHeader> frame = decode_frame_header(bytes.substr(at), salt);
      if (frame && frame->synced_bytes > bad_place) return std::optional<uint64_t>(place + at);
    }
    place += bytes.size() - (kFrameHeaderBytes - 1);  // a header may lie across two pieces
  }
  return std::optional<uint64_t>();
}

}  // namespace millrace::log
