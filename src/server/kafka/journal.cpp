#include "server/kafka/journal.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "log/record_batch.h"

namespace millrace::server::kafka {

namespace {

enum RecordKind : uint64_t { kOffsets = 1, kForgotten = 2, kSnapshot = 3, kProducerIds = 4, kRemoved = 5, kIdle = 6 };

/// Given out with one write.
constexpr int64_t kProducerIdsAtOnce = 1000;

constexpr size_t kReadBytes = 4 << 20;
constexpr size_t kEntryBytes = 96;  // of an offset in memory, besides its metadata

size_t bytes_of(const CommittedOffset& offset) { return kEntryBytes + offset.metadata.size(); }

Error damaged(std::string message) {
  return external_error(sqlstate::kDataCorrupted,
                        "the journal of the Kafka listener is damaged: " + std::move(message));
}

void append_place(std::string& out, const OffsetPlace& place) {
  append_varint(out, place.stream.value);
  append_varint(out, static_cast<uint64_t>(place.partition.value));
}

Result<OffsetPlace> read_place(ByteReader& in) {
  MR_ASSIGN(uint64_t stream, in.varint());
  MR_ASSIGN(uint64_t partition, in.varint());
  return OffsetPlace{StreamId(static_cast<uint32_t>(stream)), PartitionId(static_cast<int32_t>(partition))};
}

void append_offset(std::string& out, const OffsetPlace& place, const CommittedOffset& offset) {
  append_place(out, place);
  append_zigzag(out, offset.offset.value);
  append_zigzag(out, offset.leader_epoch);
  append_zigzag(out, offset.time.micros);
  append_string(out, offset.metadata);
}

Status read_offset(ByteReader& in, GroupOffsets& into) {
  MR_ASSIGN(const OffsetPlace place, read_place(in));
  MR_ASSIGN(int64_t offset, in.zigzag());
  MR_ASSIGN(int64_t epoch, in.zigzag());
  MR_ASSIGN(int64_t time, in.zigzag());
  MR_ASSIGN(std::string_view metadata, in.string());
  into[place] = {Offset(offset), static_cast<int32_t>(epoch), Timestamp{time}, std::string(metadata)};
  return {};
}

}  // namespace

log::StreamOptions journal_stream_options() {
  log::StreamOptions options;
  options.segment_bytes = 4 << 20;
  options.retention_bytes = 1;  // whatever a snapshot made needless goes
  options.idempotency_window = 0;
  return options;
}

Journal::Journal(Env& env, std::shared_ptr<log::Stream> stream, const Limits& limits)
    : env_(env), stream_(std::move(stream)), partition_(stream_->partition(PartitionId(0))), limits_(limits) {}

Journal::~Journal() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return pending_.empty() && !draining_; });
}

Result<std::unique_ptr<Journal>> Journal::open(Env& env, std::shared_ptr<log::Stream> stream, const Limits& limits) {
  auto journal = std::unique_ptr<Journal>(new Journal(env, std::move(stream), limits));
  MR_TRY(journal->load());
  return journal;
}

std::string Journal::encode(const Change& change) {
  std::string out;
  if (change.clears_all) {
    append_varint(out, kSnapshot);
    return out;
  }
  if (change.producer_ids_end > 0) {
    append_varint(out, kProducerIds);
    append_zigzag(out, change.producer_ids_end);
    return out;
  }
  if (change.marks) {
    append_varint(out, kIdle);
    append_string(out, change.group);
    append_zigzag(out, change.idle_since ? change.idle_since->micros : 0);
    return out;
  }
  if (change.until) {
    append_varint(out, kRemoved);
    append_string(out, change.group);
    append_zigzag(out, change.until->micros);
    append_varint(out, change.removed.size());
    for (const OffsetPlace& place : change.removed) append_place(out, place);
    return out;
  }
  append_varint(out, change.forgets ? kForgotten : kOffsets);
  append_string(out, change.group);
  if (change.forgets) return out;
  append_varint(out, change.offsets.size());
  for (const auto& [place, offset] : change.offsets) append_offset(out, place, offset);
  return out;
}

Result<Journal::Change> Journal::decode(std::string_view bytes) {
  ByteReader in(bytes);
  Change change;
  MR_ASSIGN(uint64_t kind, in.varint());
  if (kind < kOffsets || kind > kIdle) {
    return user_error(sqlstate::kNotSupported,
                      "the journal of the Kafka listener has a record of a later release: " + std::to_string(kind));
  }
  change.clears_all = kind == kSnapshot;
  change.forgets = kind == kForgotten;
  if (change.clears_all) return change;
  if (kind == kProducerIds) {
    MR_ASSIGN(change.producer_ids_end, in.zigzag());
    return change;
  }
  MR_ASSIGN(std::string_view group, in.string());
  change.group = group;
  if (change.forgets) return change;
  if (kind == kIdle || kind == kRemoved) {
    MR_ASSIGN(const int64_t micros, in.zigzag());
    const std::optional<Timestamp> time = micros == 0 ? std::nullopt : std::optional(Timestamp{micros});
    change.marks = kind == kIdle;
    (change.marks ? change.idle_since : change.until) = time;
    if (change.marks) return change;
  }
  MR_ASSIGN(uint64_t count, in.varint());
  for (uint64_t i = 0; i < count; ++i) {
    if (kind == kOffsets) {
      MR_TRY(read_offset(in, change.offsets));
      continue;
    }
    MR_ASSIGN(OffsetPlace place, read_place(in));
    change.removed.push_back(place);
  }
  if (!in.done()) return damaged("a record is too long");
  return change;
}

Status Journal::load() {
  log::ReadBatches read;
  log::Decompressor decompressor;
  Offset at = partition_.begin_offset();
  while (at < partition_.end_offset()) {
    MR_TRY(partition_.read(at, kReadBytes, read));
    for (const log::StoredBatch& stored : read.batches()) {
      MR_ASSIGN(auto batch, read.view_of(stored));
      MR_ASSIGN(auto cursor, batch.records(decompressor));
      log::RecordView record;
      while (cursor.next(record)) {
        MR_ASSIGN(Change change, decode(record.value.value_or(std::string_view())));
        apply(std::move(change));
      }
      MR_TRY(cursor.status());
    }
    at = read.next_offset();
  }
  written_bytes_ = partition_.size_bytes();
  producer_id_next_ = producer_ids_end_;
  return {};
}

void Journal::apply(Change change) {
  if (change.clears_all) {
    groups_.clear();
    bytes_ = 0;
    return;
  }
  if (change.producer_ids_end > 0) {
    producer_ids_end_ = std::max(producer_ids_end_, change.producer_ids_end);
    return;
  }
  apply_to_group(std::move(change));
}

void Journal::apply_to_group(Change change) {
  auto found = groups_.find(change.group);
  const bool adds = !change.offsets.empty();
  if (found == groups_.end() && !adds) return;
  if (found == groups_.end()) found = groups_.emplace(std::move(change.group), KeptGroup()).first;
  KeptGroup& group = found->second;
  auto take = [&](auto at) {
    bytes_ -= bytes_of(at->second);
    return group.offsets.erase(at);
  };
  if (change.marks) group.idle_since = change.idle_since;
  for (const OffsetPlace& place : change.removed) {
    auto at = group.offsets.find(place);
    if (at != group.offsets.end() && at->second.time <= *change.until) take(at);
  }
  for (auto at = group.offsets.begin(); change.forgets && at != group.offsets.end();) at = take(at);
  for (auto& [place, offset] : change.offsets) {
    auto [at, added] = group.offsets.try_emplace(place);
    if (!added) bytes_ -= bytes_of(at->second);
    bytes_ += bytes_of(offset);
    at->second = std::move(offset);
  }
  if (group.offsets.empty()) groups_.erase(found);
}

void Journal::commit(std::string_view group, const GroupOffsets& offsets, Done done) {
  if (offsets.empty()) return done({});
  add({.group = std::string(group), .offsets = offsets}, std::move(done));
}

void Journal::forget(std::string_view group, Done done) {
  add({.forgets = true, .group = std::string(group)}, std::move(done));
}

void Journal::remove(std::string_view group, std::vector<OffsetPlace> places, Timestamp until, Done done) {
  add({.group = std::string(group), .removed = std::move(places), .until = until}, std::move(done));
}

void Journal::mark_idle(std::string_view group, std::optional<Timestamp> since, Done done) {
  add({.group = std::string(group), .marks = true, .idle_since = since}, std::move(done));
}

std::optional<int64_t> Journal::next_producer_id() {
  std::lock_guard lock(mutex_);
  if (producer_id_next_ == producer_ids_end_) return std::nullopt;
  return producer_id_next_++;
}

void Journal::take_producer_id(std::function<void(Result<int64_t>)> done) {
  if (auto id = next_producer_id()) return done(*id);
  int64_t end = 0;
  {
    std::lock_guard lock(mutex_);
    end = producer_ids_end_ + kProducerIdsAtOnce;
  }
  add({.producer_ids_end = end}, [this, done = std::move(done)](Status status) {
    status.ok() ? take_producer_id(done) : done(std::move(status).error());
  });
}

Result<log::Ticket> Journal::append(std::string value) {
  if (partition_.failure()) MR_TRY(partition_.reopen());
  return partition_.append(std::move(value));
}

/// How many bytes more it makes us keep.
int64_t Journal::growth(const Change& change) const {
  auto group = groups_.find(change.group);
  int64_t bytes = 0;
  for (const auto& [place, offset] : change.offsets) {
    bytes += static_cast<int64_t>(bytes_of(offset));
    if (group == groups_.end()) continue;
    auto known = group->second.offsets.find(place);
    if (known != group->second.offsets.end()) bytes -= static_cast<int64_t>(bytes_of(known->second));
  }
  return bytes;
}

/// Queues the change and has the disk take it, on this thread unless another is at it.
void Journal::add(Change change, Done done) {
  log::RecordBatchBuilder builder;
  builder.add(std::nullopt, encode(change), env_.clock().now().millis());
  Result<std::string> batch = builder.finish();
  if (!batch.ok()) return done(std::move(batch).error());
  size_t bytes = batch->size();

  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !snapshotting_; });
  std::optional<Error> refused;
  const int64_t grows_by = growth(change);
  if (grows_by > 0 && bytes_ + static_cast<size_t>(grows_by) > limits_.bytes_max) {
    refused = user_error(sqlstate::kTooLarge, "consumer groups have committed too many offsets")
                  .with_hint("delete groups that nobody needs");
  } else if (!pending_.empty() && pending_bytes_ + bytes > limits_.in_flight_bytes_max) {
    // More would wait in the log for the disk with our lock held, which what is written needs.
    refused = external_error(sqlstate::kUnavailable, "too many offsets are being committed", Retry::kBackoff);
  }
  Result<log::Ticket> ticket = refused ? Result<log::Ticket>(*std::move(refused)) : append(*std::move(batch));
  if (!ticket.ok()) {
    lock.unlock();
    return done(std::move(ticket).error());
  }
  pending_.push_back(std::make_unique<Pending>(Pending{std::move(change), bytes, std::move(done), std::nullopt}));
  Pending* pending = pending_.back().get();
  pending_bytes_ += bytes;
  written_bytes_ += bytes;
  lock.unlock();
  partition_.when_settled(*ticket, [this, pending](const Result<log::AppendResult>& result) {
    settled(*pending, result.ok() ? Status() : Status(result.error()));
  });
  partition_.sync_queued();
}

/// Those who sync can overtake each other here; the order of the log is the order of pending_.
void Journal::settled(Pending& pending, Status outcome) {
  std::unique_lock lock(mutex_);
  pending.outcome = std::move(outcome);
  if (draining_) return;
  draining_ = true;
  while (!pending_.empty() && pending_.front()->outcome) {
    std::unique_ptr<Pending> first = std::move(pending_.front());
    pending_.pop_front();
    pending_bytes_ -= first->bytes;
    if (first->outcome->ok()) apply(std::move(first->change));
    lock.unlock();
    first->done(*std::move(first->outcome));
    lock.lock();
  }
  draining_ = false;
  changed_.notify_all();
}

GroupOffsets Journal::offsets(std::string_view group) const {
  std::lock_guard lock(mutex_);
  auto found = groups_.find(group);
  return found == groups_.end() ? GroupOffsets() : found->second.offsets;
}

KeptGroup Journal::kept(std::string_view group) const {
  std::lock_guard lock(mutex_);
  auto found = groups_.find(group);
  return found == groups_.end() ? KeptGroup() : found->second;
}

std::vector<std::string> Journal::groups() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, kept] : groups_) names.push_back(name);
  return names;
}

bool Journal::wants_snapshot() const {
  std::lock_guard lock(mutex_);
  return !snapshotting_ && written_bytes_ > std::max(limits_.snapshot_bytes_min, 2 * bytes_);
}

/// With the lock, and nothing under way: memory is what the log says.
Result<std::string> Journal::snapshot_batch(const std::function<bool(StreamId)>& exists) {
  log::RecordBatchBuilder builder;
  const int64_t now_ms = env_.clock().now().millis();
  builder.add(std::nullopt, encode({.clears_all = true}), now_ms);
  if (producer_ids_end_ > 0) builder.add(std::nullopt, encode({.producer_ids_end = producer_ids_end_}), now_ms);
  for (auto group = groups_.begin(); group != groups_.end();) {
    GroupOffsets& offsets = group->second.offsets;
    std::erase_if(offsets, [&](const auto& entry) {
      if (exists(entry.first.stream)) return false;
      bytes_ -= bytes_of(entry.second);
      return true;
    });
    if (offsets.empty()) {
      group = groups_.erase(group);
      continue;
    }
    builder.add(std::nullopt, encode({.group = group->first, .offsets = offsets}), now_ms);
    const std::optional<Timestamp> idle = group->second.idle_since;
    if (idle) builder.add(std::nullopt, encode({.group = group->first, .marks = true, .idle_since = idle}), now_ms);
    ++group;
  }
  return builder.finish(log::Compression::kLz4);
}

Status Journal::snapshot(const std::function<bool(StreamId)>& exists) {
  std::unique_lock lock(mutex_);
  if (snapshotting_) return {};
  snapshotting_ = true;
  changed_.wait(lock, [&] { return pending_.empty() && !draining_; });
  Result<std::string> batch = snapshot_batch(exists);
  Result<log::Ticket> ticket = batch.ok() ? append(*std::move(batch)) : Result<log::Ticket>(batch.error());
  written_bytes_ = 0;
  snapshotting_ = false;
  changed_.notify_all();
  lock.unlock();
  if (!ticket.ok()) return std::move(ticket).error();
  MR_ASSIGN(log::AppendResult at, partition_.wait(*ticket));
  MR_ASSIGN(uint64_t freed, partition_.enforce_retention(env_.clock().now(), at.first));
  (void)freed;
  return {};
}

}  // namespace millrace::server::kafka
