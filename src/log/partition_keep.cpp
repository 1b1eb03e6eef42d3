// What happens to a partition's files besides appending: retention, truncation, reopening, closing.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file_steps.h"
#include "log/append_group.h"
#include "log/idempotency_window.h"
#include "log/partition.h"
#include "log/partition_begin.h"
#include "log/producer_window.h"
#include "log/segment_scan.h"
#include "log/sync_pool.h"

namespace millrace::log {

Result<uint64_t> Partition::enforce_retention(Timestamp now, Offset needed) {
  return delete_while([&](const Segment::Extent& oldest) {
    bool too_old = setup_.options.retention && now - oldest.last_append_time > *setup_.options.retention;
    bool too_large =
        setup_.options.retention_bytes && size_bytes() > *setup_.options.retention_bytes && segments_.size() > 1;
    return oldest.end_offset <= needed && (too_old || too_large);
  });
}

Result<uint64_t> Partition::delete_before(Offset end) {
  return delete_while([&](const Segment::Extent& oldest) { return oldest.end_offset <= end; });
}

Result<uint64_t> Partition::delete_while(const std::function<bool(const Segment::Extent&)>& goes) {
  Lock lock(mutex_);
  take_turn(lock);
  Status status = refuse_if_unusable();
  lock.unlock();
  uint64_t freed = 0;
  while (status.ok()) {
    Segment::Extent oldest = segments_.front()->extent();  // only the holder of the turn changes segments_
    if (!oldest.has_frames || !goes(oldest)) break;
    status = delete_front();
    if (status.ok()) freed += oldest.bytes;
  }
  lock.lock();
  if (!status.ok() && !closed_ && !writer_->usable()) failure_ = status.error();
  give_turn_back();
  if (!status.ok()) return std::move(status).error();
  return freed;
}

/// With the turn, without the lock. One file at a time, synced, so that a power cut leaves no hole.
Status Partition::delete_front() {
  if (segments_.size() == 1) {
    MR_TRY(writer_->roll());
    Lock lock(mutex_);
    for (auto& segment : writer_->take_started()) segments_.push_back(std::move(segment));
  }
  std::shared_ptr<Segment> front = segments_.front();
  {
    Lock lock(mutex_);
    segments_.pop_front();
  }
  FileSystem& files = setup_.env->files();
  MR_TRY(write_begin(files, setup_.directory, front->extent().end_offset));
  MR_TRY(files.remove(front->path()));
  MR_TRY(remove_if_there(files, front->index_path()));
  return files.sync_directory(setup_.directory);
}

Status Partition::truncate_to(Offset end) {
  MR_TRY(sync());
  Lock lock(mutex_);
  take_turn(lock);
  Status status = refuse_if_unusable();
  if (status.ok() && (end < segments_.front()->base_offset() || end > durable_end_)) {
    status = internal_error(fmt::format("truncation outside what the log holds, {} to {}: {}",
                                        segments_.front()->base_offset().value, durable_end_.value, end.value));
  }
  ReadBatches at_end;
  if (status.ok() && end < durable_end_) {
    lock.unlock();
    status = stand_at_batch(end, at_end);
    Status cut = status.ok() ? cut_behind(at_end) : Status();
    lock.lock();
    if (!cut.ok()) {
      failure_ = cut.error();
      status = std::move(cut);
    }
  }
  give_turn_back();
  return status;
}

/// Brings `at_end` to the batch that begins at `end`.
Status Partition::stand_at_batch(Offset end, ReadBatches& at_end) const {
  MR_ASSIGN(bool there, start_read(end, at_end));
  MR_CHECK(there, "the caller looked that it lies before the end");
  if (end == at_end.segment_->base_offset()) return {};
  MR_ASSIGN(std::optional<FrameSpot> spot, locate(*at_end.file_, *at_end.segment_, end));
  if (spot && spot->base_offset == end) return {};
  return internal_error(fmt::format("truncation inside a batch or a gap: {}", end.value));
}

/// With the turn, without the lock. Drops the segments behind the one `at_end` stands in, newest first, then cuts that.
Status Partition::cut_behind(const ReadBatches& at_end) {
  FileSystem& files = setup_.env->files();
  const std::shared_ptr<Segment>& holder = at_end.segment_;
  const Offset end = at_end.next_offset_;
  MR_TRY(writer_->close());
  while (segments_.back() != holder) {
    MR_TRY(files.remove(segments_.back()->path()));
    MR_TRY(remove_if_there(files, segments_.back()->index_path()));
    MR_TRY(files.sync_directory(setup_.directory));
    Lock lock(mutex_);
    segments_.pop_back();
  }
  // The index file goes first, durably: it promises bytes that will not be there.
  MR_TRY(remove_if_there(files, holder->index_path()));
  MR_TRY(files.sync_directory(setup_.directory));
  SegmentIndex index = holder->index_before(end);
  MR_ASSIGN(std::optional<std::string> bad, scan_frames(*at_end.file_, at_end.position_, holder->header(), index));
  if (bad)
    return external_error(sqlstate::kDataCorrupted, fmt::format("log is damaged: {}: file {}", *bad, holder->path()));
  auto cut = std::make_shared<Segment>(setup_.directory, holder->header(), std::move(index));
  auto writer =
      std::make_unique<SegmentWriter>(*setup_.env, setup_.directory, setup_.stream, setup_.id, setup_.options);
  MR_TRY(writer->open(cut));  // cuts the file and syncs it
  Lock lock(mutex_);
  writer_ = std::move(writer);
  segments_.back() = std::move(cut);
  durable_end_ = end;
  next_offset_ = end;
  window_->cut(end);
  producers_->cut(end);
  return {};
}

Status Partition::reopen() {
  Lock lock(mutex_);
  take_turn(lock);
  Status status;
  if (closed_) {
    status = refuse_if_unusable();
  } else if (failure_) {
    auto writer =
        std::make_unique<SegmentWriter>(*setup_.env, setup_.directory, setup_.stream, setup_.id, setup_.options);
    std::shared_ptr<Segment> active = segments_.back();
    lock.unlock();
    status = writer->open(std::move(active));
    lock.lock();
    if (status.ok()) {
      writer_ = std::move(writer);
      failure_.reset();
    }
  }
  give_turn_back();
  return status;
}

Status Partition::close() {
  Lock lock(mutex_);
  if (closed_) return {};
  closed_ = true;
  turn_free_.wait(lock, [&] { return !compacting_; });
  Status status;
  if (std::shared_ptr<AppendGroup> rest = open_group_) status = wait_for_group(lock, *rest);
  take_turn(lock);
  if (writer_) {
    Status closed = writer_->close();
    if (status.ok()) status = std::move(closed);
  }
  give_turn_back();
  data_changed_.notify_all();
  lock.unlock();
  // A thread of the pool may still be telling those whose appends became durable.
  if (setup_.pool != nullptr) setup_.pool->forget(this);
  return status;
}

}  // namespace millrace::log
