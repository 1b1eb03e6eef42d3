// The appending half of a partition: the queue, its groups, and who writes them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "log/append_group.h"
#include "log/idempotency_window.h"
#include "log/partition.h"
#include "log/producer_window.h"
#include "log/record_batch.h"
#include "log/sync_pool.h"

namespace millrace::log {

namespace {

/// Which batch this is, and how many records it has; its offset is still to come.
Result<ProducerMark> check_batch(std::string_view bytes) {
  if (bytes.size() > kBatchBytesMax) {
    return user_error(sqlstate::kTooLarge,
                      fmt::format("record batch is larger than {} bytes: {}", kBatchBytesMax, bytes.size()));
  }
  MR_ASSIGN(RecordBatchView batch, RecordBatchView::parse(bytes));
  if (batch.record_count() < 1) return user_error(sqlstate::kInvalidParameter, "record batch has no records");
  if (batch.last_offset_delta() != batch.record_count() - 1) {
    return user_error(sqlstate::kInvalidParameter,
                      fmt::format("record batch has offsets with gaps: {} records, last delta {}", batch.record_count(),
                                  batch.last_offset_delta()));
  }
  if (batch.compression() > Compression::kZstd) {
    return user_error(sqlstate::kNotSupported, fmt::format("record batch has a compression that is not taken: {}",
                                                           static_cast<int>(batch.compression())))
        .with_hint("Set the producer's compression to lz4, zstd, snappy, gzip or none.");
  }
  return ProducerMark{sequence_of(batch), Offset(), batch.record_count()};
}

}  // namespace

Status Partition::refuse_if_unusable() const {
  if (closed_)
    return external_error(sqlstate::kUnavailable, fmt::format("log partition is closed: {}", setup_.directory));
  if (failure_) {
    return external_error(failure_->code,
                          fmt::format("log partition takes no appends since a write failed: {}", failure_->message),
                          Retry::kBackoff);
  }
  return {};
}

std::optional<Ticket> Partition::find_duplicate(uint64_t hash) const {
  if (hash == 0) return std::nullopt;
  if (std::optional<OffsetRange> range = window_->find(hash)) return duplicate_at(*range);
  for (const auto& group : {group_in_flight_, open_group_}) {
    if (!group) continue;
    auto found = group->mark_of_hash.find(hash);
    if (found != group->mark_of_hash.end()) return duplicate_at(range_of(group->marks[found->second]));
  }
  return std::nullopt;
}

/// For a batch that lies there, or is on its way there.
Ticket Partition::duplicate_at(const OffsetRange& range) const {
  Ticket ticket;
  ticket.duplicate_ = true;
  ticket.first_ = range.first;
  ticket.last_ = range.last;
  if (range.first < durable_end_) {
    ticket.group_ = std::make_shared<AppendGroup>(range.first);
    ticket.group_->done = true;
  } else {
    ticket.group_ = open_group_ && range.first >= open_group_->first ? open_group_ : group_in_flight_;
  }
  return ticket;
}

Result<Ticket> Partition::enqueue(std::string batch, ProducerMark mark, const AppendOptions& options) {
  MR_TRY(refuse_if_unusable());
  if (std::optional<Ticket> duplicate = find_duplicate(options.idempotency_hash)) return *std::move(duplicate);
  const int32_t record_count = mark.record_count;
  mark.first = next_offset_;
  if (mark.producer.id >= 0) {
    MR_ASSIGN(std::optional<OffsetRange> there, producers_->find(mark));
    if (there) return duplicate_at(*there);
    producers_->add(mark, durable_end_);
  }
  if (!open_group_) open_group_ = std::make_shared<AppendGroup>(next_offset_);
  Ticket ticket;
  ticket.group_ = open_group_;
  ticket.first_ = next_offset_;
  ticket.last_ = Offset{next_offset_.value + record_count - 1};
  next_offset_ = ticket.last_.next();
  if (options.idempotency_hash != 0) {
    open_group_->mark_of_hash.emplace(options.idempotency_hash, open_group_->marks.size());
    open_group_->marks.push_back({options.idempotency_hash, ticket.first_, record_count});
  }
  open_group_->bytes += batch.size();
  open_group_->batches.push_back(
      {std::move(batch), ticket.first_, record_count, options.idempotency_hash, mark.producer});
  return ticket;
}

Result<Ticket> Partition::append(std::string batch, const AppendOptions& options) {
  MR_ASSIGN(ProducerMark mark, check_batch(batch));
  Lock lock(mutex_);
  MR_TRY(make_room(lock));
  return enqueue(std::move(batch), mark, options);
}

Status Partition::make_room(Lock& lock) {
  while (open_group_ && open_group_->bytes >= kQueuedBytesMax) {
    std::shared_ptr<AppendGroup> full = open_group_;
    MR_TRY(wait_for_group(lock, *full));
  }
  return {};
}

void Partition::when_settled(const Ticket& ticket, std::function<void(Result<AppendResult>)> done) {
  MR_CHECK(ticket.group_ != nullptr, "a ticket comes from append");
  Lock lock(mutex_);
  AppendGroup& group = *ticket.group_;
  if (group.done) {
    Result<AppendResult> result = group.result(ticket.first_, ticket.last_, ticket.duplicate_);
    lock.unlock();
    done(std::move(result));
    return;
  }
  group.callbacks.push_back(
      [done = std::move(done), first = ticket.first_, last = ticket.last_,
       duplicate = ticket.duplicate_](const AppendGroup& settled) { done(settled.result(first, last, duplicate)); });
  group.wants_pool = true;
}

Result<AppendResult> Partition::wait(const Ticket& ticket) {
  MR_CHECK(ticket.group_ != nullptr, "a ticket comes from append");
  Lock lock(mutex_);
  (void)wait_for_group(lock, *ticket.group_);
  return ticket.group_->result(ticket.first_, ticket.last_, ticket.duplicate_);
}

Result<AppendResult> Partition::append_and_wait(std::string batch, const AppendOptions& options) {
  MR_ASSIGN(Ticket ticket, append(std::move(batch), options));
  return wait(ticket);
}

Status Partition::sync() {
  Lock lock(mutex_);
  std::shared_ptr<AppendGroup> newest = open_group_ ? open_group_ : group_in_flight_;
  if (newest) return wait_for_group(lock, *newest);
  return failure_ ? Status(*failure_) : Status();
}

void Partition::start_sync() {
  Lock lock(mutex_);
  if (!open_group_ || setup_.pool == nullptr) return;
  open_group_->wants_pool = true;
  if (!writing_) setup_.pool->submit(this);
}

void Partition::sync_queued() {
  Lock lock(mutex_);
  if (open_group_ && !writing_) lead(lock);
}

/// The caller keeps the group alive.
Status Partition::wait_for_group(Lock& lock, AppendGroup& group) {
  while (!group.done) {
    if (&group == open_group_.get() && !writing_) {
      lead(lock);
    } else {
      group.settled.wait(lock);
    }
  }
  return group.status;
}

/// Writes the open group. The lock is given up meanwhile.
void Partition::lead(Lock& lock) {
  writing_ = true;
  group_in_flight_ = std::move(open_group_);
  std::shared_ptr<AppendGroup> group = group_in_flight_;
  Timestamp append_time = setup_.env->clock().now();
  if (last_append_time_) append_time = std::max(append_time, *last_append_time_);
  lock.unlock();

  Status status = writer_->write(group->batches, append_time);
  (void)setup_.env->failpoints().point("log.ack").check();
  group->batches = {};

  lock.lock();
  Offset end_before = durable_end_;
  settle(*group, status, append_time);
  Offset end_after = durable_end_;
  std::shared_ptr<AppendGroup> failed_with_it;
  if (!status.ok() && open_group_) {  // its offsets counted on this group's
    failed_with_it = std::move(open_group_);
    settle(*failed_with_it, status, append_time);
  }
  if (!status.ok()) {
    next_offset_ = durable_end_;
    producers_->cut(durable_end_);
  }
  give_turn_back();
  lock.unlock();

  if (end_after > end_before && setup_.listener) setup_.listener(setup_.stream, setup_.id, end_after);
  for (const auto& callback : group->callbacks) callback(*group);
  if (failed_with_it) {
    for (const auto& callback : failed_with_it->callbacks) callback(*failed_with_it);
  }
  lock.lock();
}

/// Publishes what became durable, then the group's outcome.
void Partition::settle(AppendGroup& group, const Status& status, Timestamp append_time) {
  for (auto& segment : writer_->take_started()) segments_.push_back(std::move(segment));
  Segment::Extent extent = segments_.back()->extent();
  if (extent.end_offset > durable_end_) {
    durable_end_ = extent.end_offset;
    last_append_time_ = append_time;
    data_changed_.notify_all();
  }
  for (const IdempotencyMark& mark : group.marks) {
    if (mark.first < durable_end_) window_->add(mark);
  }
  if (!status.ok() && !writer_->usable()) {
    failure_ = status.error();
    data_changed_.notify_all();
  }
  group.append_time = append_time;
  group.status = status;
  group.done = true;
  group.settled.notify_all();
}

void Partition::take_turn(Lock& lock) {
  turn_free_.wait(lock, [&] { return !writing_; });
  writing_ = true;
}

void Partition::give_turn_back() {
  writing_ = false;
  group_in_flight_ = nullptr;
  turn_free_.notify_all();
  if (!open_group_) return;
  open_group_->settled.notify_one();
  if (open_group_->wants_pool && setup_.pool != nullptr) setup_.pool->submit(this);
}

}  // namespace millrace::log
