#include "log/compacted_segment.h"

#include <utility>

#include "base/paths.h"
#include "log/producer_window.h"
#include "log/record_batch.h"

namespace millrace::log {

namespace {

constexpr size_t kGatherBytes = size_t{1} << 20;

}  // namespace

CompactedSegmentWriter::CompactedSegmentWriter(Env& env, std::string path, const SegmentHeader& header,
                                               std::unique_ptr<WritableFile> file)
    : env_(env), path_(std::move(path)), header_(header), file_(std::move(file)) {
  index_.end_offset = header.base_offset;
  append_segment_header(gathered_, header);
}

Result<std::unique_ptr<CompactedSegmentWriter>> CompactedSegmentWriter::create(Env& env, const std::string& directory,
                                                                               const SegmentHeader& header) {
  std::string path = join_path(directory, unfinished_file_name(header.base_offset));
  MR_ASSIGN(std::unique_ptr<WritableFile> file, env.files().create(path));
  return std::unique_ptr<CompactedSegmentWriter>(
      new CompactedSegmentWriter(env, std::move(path), header, std::move(file)));
}

CompactedSegmentWriter::~CompactedSegmentWriter() {
  if (path_.empty()) return;
  file_.reset();
  (void)env_.files().remove(path_);  // else the next start does it
}

Status CompactedSegmentWriter::add(FrameHeader frame, std::string_view batch) {
  frame.follows = index_.end_offset;
  frame.synced_bytes = 0;
  frame.batch_bytes = static_cast<uint32_t>(batch.size());
  append_frame_header(gathered_, frame, header_.salt);
  gathered_.append(batch);
  MR_ASSIGN(RecordBatchView view, RecordBatchView::parse_unchecked(batch));
  frame.producer = sequence_of(view);
  index_.add(frame);
  if (gathered_.size() < kGatherBytes) return {};
  Status status = file_->append(gathered_);
  gathered_.clear();
  return status;
}

Status CompactedSegmentWriter::finish(Offset end_offset, Offset clean_end) {
  header_.footer = {end_offset, clean_end, index_.covered_bytes};
  append_segment_footer(gathered_, header_.footer, header_.salt);
  MR_TRY(file_->append(gathered_));
  gathered_.clear();
  MR_TRY(file_->sync());
  index_.end_offset = end_offset;
  return file_->close();
}

}  // namespace millrace::log
