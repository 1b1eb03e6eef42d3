#include "log/segment_writer.h"

#include <fmt/format.h>

#include <utility>

#include "base/paths.h"
#include "log/record_batch.h"

namespace millrace::log {

namespace {

/// Smaller batches are put together into writes of about this size; larger ones are written from where they are.
constexpr size_t kGatherBytes = size_t{1} << 20;
constexpr size_t kWriteDirectlyBytes = size_t{128} << 10;

}  // namespace

Status create_segment_file(Env& env, const std::string& directory, const SegmentHeader& header) {
  std::string bytes;
  append_segment_header(bytes, header);
  std::string path = join_path(directory, segment_file_name(header.base_offset));
  MR_ASSIGN(std::unique_ptr<WritableFile> file, env.files().create(path));
  MR_TRY(file->append(bytes));
  MR_TRY(file->sync());
  MR_TRY(file->close());
  return env.files().sync_directory(directory);
}

SegmentWriter::SegmentWriter(Env& env, std::string directory, StreamId stream, PartitionId partition,
                             const StreamOptions& options)
    : env_(env),
      directory_(std::move(directory)),
      stream_(stream),
      partition_(partition),
      options_(options),
      write_point_(env.failpoints().point("log.write")),
      sync_point_(env.failpoints().point("log.sync")),
      roll_point_(env.failpoints().point("log.roll")) {}

Status SegmentWriter::open(std::shared_ptr<Segment> active) {
  active_ = std::move(active);
  durable_bytes_ = active_->extent().bytes;
  position_ = durable_bytes_;
  MR_ASSIGN(file_, env_.files().open_append(active_->path()));
  if (file_->size() < durable_bytes_) {
    return external_error(sqlstate::kDataCorrupted, fmt::format("log segment became shorter: {} has {} of {} bytes",
                                                                active_->path(), file_->size(), durable_bytes_));
  }
  if (file_->size() > durable_bytes_) MR_TRY(file_->truncate(durable_bytes_));
  Segment::Extent extent = active_->extent();
  if (extent.has_frames) {
    MR_ASSIGN(finished_, env_.files().exists(join_path(directory_, segment_file_name(extent.end_offset))));
  }
  return file_->sync();
}

Status SegmentWriter::write(std::span<QueuedBatch> batches, Timestamp append_time) {
  Status status = write_frames(batches, append_time);
  if (!status.ok()) cut_back();
  return status;
}

Status SegmentWriter::write_frames(std::span<QueuedBatch> batches, Timestamp append_time) {
  MR_TRY(write_point_.check());
  for (QueuedBatch& batch : batches) {
    if (must_roll(batch, append_time)) {
      MR_TRY(sync_active());
      MR_TRY(start_segment(batch.base_offset));
    }
    MR_TRY(write_frame(batch, append_time));
  }
  return sync_active();
}

bool SegmentWriter::must_roll(const QueuedBatch& batch, Timestamp append_time) const {
  if (finished_) return true;
  if (position_ == kSegmentHeaderBytes) return false;
  if (position_ + kFrameHeaderBytes + batch.bytes.size() > options_.segment_bytes) return true;
  Segment::Extent extent = active_->extent();
  return extent.has_frames && append_time - extent.first_append_time > options_.segment_age;
}

Status SegmentWriter::write_frame(QueuedBatch& batch, Timestamp append_time) {
  patch_batch(batch.bytes.data(), batch.base_offset, 0);
  FrameHeader header{.base_offset = batch.base_offset,
                     .append_time = append_time,
                     .idempotency_hash = batch.idempotency_hash,
                     .synced_bytes = durable_bytes_,
                     .batch_bytes = static_cast<uint32_t>(batch.bytes.size()),
                     .offset_count = batch.record_count,
                     .producer = batch.producer};
  append_frame_header(gathered_, header, active_->salt());
  position_ += header.frame_bytes();
  unsynced_.push_back(header);
  if (batch.bytes.size() >= kWriteDirectlyBytes) {
    MR_TRY(flush());
    return file_->append(batch.bytes);
  }
  gathered_.append(batch.bytes);
  if (gathered_.size() >= kGatherBytes) return flush();
  return {};
}

Status SegmentWriter::flush() {
  if (gathered_.empty()) return {};
  Status status = file_->append(gathered_);
  gathered_.clear();
  return status;
}

Status SegmentWriter::sync_active() {
  MR_TRY(flush());
  if (unsynced_.empty()) return {};
  Status status = sync_point_.check();
  if (status.ok()) status = file_->sync();
  if (!status.ok()) {
    usable_ = false;
    return status;
  }
  durable_bytes_ = position_;
  active_->advance(unsynced_, options_.idempotency_window);
  unsynced_.clear();
  return {};
}

Status SegmentWriter::start_segment(Offset base_offset) {
  // From here on the old segment takes no more batches, whatever fails below: a file of the next one may exist already,
  // and recovery wants the old one to end where it begins.
  if (!finished_) write_index_file(*active_);
  finished_ = true;
  MR_TRY(roll_point_.check());
  SegmentHeader header{stream_, partition_, base_offset, static_cast<uint32_t>(env_.random().next())};
  Status created = create_segment_file(env_, directory_, header);
  if (!created.ok()) {
    usable_ = created.error().code == sqlstate::kDiskFull;
    return created;
  }
  SegmentIndex index;
  index.end_offset = base_offset;
  auto next = std::make_shared<Segment>(directory_, header, std::move(index));
  MR_ASSIGN(std::unique_ptr<WritableFile> file, env_.files().open_append(next->path()));
  (void)file_->close();  // all of it is synced
  file_ = std::move(file);
  active_->forget_marks();
  active_ = std::move(next);
  started_.push_back(active_);
  durable_bytes_ = kSegmentHeaderBytes;
  position_ = kSegmentHeaderBytes;
  finished_ = false;
  return {};
}

Status SegmentWriter::roll() {
  if (position_ == kSegmentHeaderBytes) return {};
  return start_segment(active_->extent().end_offset);
}

void SegmentWriter::cut_back() {
  gathered_.clear();
  unsynced_.clear();
  position_ = durable_bytes_;
  if (file_->size() > durable_bytes_ && !file_->truncate(durable_bytes_).ok()) usable_ = false;
}

void SegmentWriter::write_index_file(const Segment& segment) {
  // A hint: when it cannot be written whole, recovery reads the segment instead.
  Result<std::unique_ptr<WritableFile>> file = env_.files().create(segment.index_path());
  if (!file.ok()) return;
  (void)(*file)->append(segment.encode_index());
  (void)(*file)->close();
}

Status SegmentWriter::close() {
  if (!file_) return {};
  write_index_file(*active_);
  Status status = file_->close();
  file_.reset();
  return status;
}

}  // namespace millrace::log
