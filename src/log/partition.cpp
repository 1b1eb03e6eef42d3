#include "log/partition.h"

#include <chrono>
#include <utility>

#include "log/append_group.h"
#include "log/idempotency_window.h"
#include "log/producer_window.h"
#include "log/recovery.h"
#include "log/segment_writer.h"
#include "log/sync_pool.h"

namespace millrace::log {

Partition::Partition(Setup setup) : setup_(std::move(setup)) {}

Partition::~Partition() {
  (void)close();
  if (setup_.pool != nullptr) setup_.pool->forget(this);
}

Status Partition::create(Env& env, const std::string& directory, StreamId stream, PartitionId id) {
  MR_TRY(env.files().create_directories(directory));
  return create_segment_file(env, directory, {stream, id, Offset{0}, static_cast<uint32_t>(env.random().next())});
}

Result<std::unique_ptr<Partition>> Partition::open(Setup setup) {
  std::unique_ptr<Partition> partition(new Partition(std::move(setup)));
  const Setup& where = partition->setup_;
  MR_ASSIGN(RecoveredPartition found,
            recover_partition(*where.env, where.directory, where.stream, where.id, where.options));
  partition->torn_bytes_ = found.torn_bytes;
  partition->segments_.assign(found.segments.begin(), found.segments.end());
  partition->window_ = std::make_unique<IdempotencyWindow>(where.options.idempotency_window);
  for (const IdempotencyMark& mark : found.marks) partition->window_->add(mark);
  partition->producers_ = std::make_unique<ProducerWindow>();
  for (const ProducerMark& mark : found.producers) partition->producers_->add(mark, Offset{INT64_MAX});
  partition->writer_ =
      std::make_unique<SegmentWriter>(*where.env, where.directory, where.stream, where.id, where.options);
  // Also syncs: after a killed process, the end of the file may be in the system's cache only.
  MR_TRY(partition->writer_->open(found.segments.back()));
  MR_TRY(where.env->files().sync_directory(where.directory));
  partition->durable_end_ = found.segments.back()->extent().end_offset;
  partition->next_offset_ = partition->durable_end_;
  for (const auto& segment : found.segments) {
    Segment::Extent extent = segment->extent();
    if (extent.has_frames) partition->last_append_time_ = extent.last_append_time;
  }
  return partition;
}

Offset Partition::begin_offset() const {
  std::lock_guard lock(mutex_);
  return segments_.front()->base_offset();
}

Offset Partition::end_offset() const {
  std::lock_guard lock(mutex_);
  return durable_end_;
}

uint64_t Partition::size_bytes() const {
  std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const auto& segment : segments_) total += segment->extent().bytes;
  return total;
}

std::optional<Timestamp> Partition::last_append_time() const {
  std::lock_guard lock(mutex_);
  return last_append_time_;
}

std::optional<Error> Partition::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

std::optional<OffsetRange> Partition::find_recent_idempotent(uint64_t hash) const {
  std::lock_guard lock(mutex_);
  return window_->find(hash);
}

bool Partition::remembers(const ProducerMark& batch) const {
  std::lock_guard lock(mutex_);
  auto found = producers_->find(batch);
  return found.ok() && *found && (*found)->first == batch.first;
}

Offset Partition::wait_for_data(Offset beyond, Duration timeout) const {
  Lock lock(mutex_);
  if (!setup_.env->single_threaded()) {
    data_changed_.wait_for(lock, std::chrono::microseconds(timeout.micros),
                           [&] { return durable_end_ > beyond || closed_ || failure_; });
  }
  return durable_end_;
}

}  // namespace millrace::log
