// What a compaction asks of its partition: which segments nobody appends to, and putting a new one in their place.
#include <fmt/format.h>

#include <algorithm>

#include "base/file_steps.h"
#include "log/compacted_segment.h"
#include "log/partition.h"
#include "log/segment.h"

namespace millrace::log {

Offset Partition::compacted_end() const {
  std::lock_guard lock(mutex_);
  Offset end = segments_.front()->base_offset();
  for (const auto& segment : segments_) {
    if (segment->header().compacted) end = segment->extent().end_offset;
  }
  return end;
}

Status Partition::enter_compaction() {
  Lock lock(mutex_);
  MR_TRY(refuse_if_unusable());
  if (compacting_) return internal_error("two compactions of one partition: " + setup_.directory);
  compacting_ = true;
  return {};
}

void Partition::leave_compaction() {
  Lock lock(mutex_);
  compacting_ = false;
  turn_free_.notify_all();
}

/// The oldest segments, without the one that is appended to, up to `end`, none with a batch that is newer than
/// `newest`.
std::vector<std::shared_ptr<Segment>> Partition::sealed_below(Offset end, Timestamp newest) const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Segment>> sealed;
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    const Segment::Extent extent = segments_[i]->extent();
    if (extent.end_offset > end || (extent.has_frames && extent.last_append_time > newest)) break;
    sealed.push_back(segments_[i]);
  }
  return sealed;
}

/// Puts the finished segment in the place of `old`, which lie in a row: a crash leaves them or it.
Status Partition::replace(std::span<const std::shared_ptr<Segment>> old, CompactedSegmentWriter& with) {
  FileSystem& files = setup_.env->files();
  // The first one's index goes first, durably: it is of another segment from now on.
  for (const auto& segment : old) MR_TRY(remove_if_there(files, segment->index_path()));
  MR_TRY(files.sync_directory(setup_.directory));
  MR_TRY(swap_in(old, with));
  // Only when the new name is durable may the others go.
  MR_TRY(files.sync_directory(setup_.directory));
  for (const auto& segment : old.subspan(1)) MR_TRY(files.remove(segment->path()));
  MR_TRY(files.sync_directory(setup_.directory));
  // A hint: without it a start reads the segment.
  (void)files.write_atomically(old.front()->index_path(), encode_segment_index(with.index(), with.header().salt));
  return {};
}

/// Renames under the lock, so that who looks a segment up, opens its name and finds it still current has its file.
Status Partition::swap_in(std::span<const std::shared_ptr<Segment>> old, CompactedSegmentWriter& with) {
  auto segment = std::make_shared<Segment>(setup_.directory, with.header(), with.index());
  segment->forget_marks();
  Lock lock(mutex_);
  take_turn(lock);
  Status status = closed_ ? refuse_if_unusable() : Status();
  auto first = std::find(segments_.begin(), segments_.end(), old.front());
  const auto distance = static_cast<size_t>(segments_.end() - first);
  const bool there = old.size() < distance && std::equal(old.begin(), old.end(), first);
  if (status.ok() && !there) status = internal_error("a compacted segment is not there any more: " + with.path());
  if (status.ok()) status = setup_.env->files().rename(with.path(), segment->path());
  if (status.ok()) {
    with.keep();
    *first = std::move(segment);
    segments_.erase(first + 1, first + static_cast<std::ptrdiff_t>(old.size()));
  }
  give_turn_back();
  return status;
}

}  // namespace millrace::log
