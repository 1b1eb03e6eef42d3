// The books of a sink: what its destination holds, what it refused, and what was given up; which of its changes the log
// must still keep. All of that is durable with the commits.
#include <algorithm>
#include <map>

#include "engine/changelog.h"
#include "engine/gone_rows.h"
#include "engine/sink_runner.h"

namespace millrace::engine {
namespace {

/// In NodeState::written, under the sink's own id: up to where its books are, and up to where it gave up.
constexpr PartitionId kBooked{0};
constexpr PartitionId kGivenUp{1};

Offset written_of(const std::map<std::pair<StreamId, PartitionId>, Offset>& written, StreamId book, PartitionId what) {
  auto entry = written.find({book, what});
  return entry == written.end() ? Offset(0) : entry->second;
}

}  // namespace

void SinkRunner::add_offsets(ledger::HopId hop, Timestamp append_time, const std::vector<int64_t>& offsets) {
  if (!offsets.empty()) undelivered_.add_rows(hop, changelog_->id(), PartitionId(0), append_time, offsets);
}

/// Counts rows of the changelog, as far as it is there, at `hop`; those of `dead` at the hop of dead letters.
Status SinkRunner::count_rows(Offset from, Offset to, ledger::HopId hop, const std::set<int64_t>& dead) {
  log::Partition& partition = changelog_->partition(PartitionId(0));
  ChangelogReader reader(partition, view_schema_, std::max(from, partition.begin_offset()));
  batch::Batch rows(changes_schema(view_schema_));
  while (reader.position() < to) {
    Offset first = reader.position();
    rows.reset();
    MR_TRY(reader.next(to, rows));
    if (rows.empty()) break;
    std::vector<int64_t> offsets[2];
    for (int64_t at = first.value; at < reader.position().value; ++at) offsets[dead.count(at)].push_back(at);
    add_offsets(hop, reader.append_time(), offsets[0]);
    add_offsets(dead_hop_, reader.append_time(), offsets[1]);
  }
  return {};
}

Status SinkRunner::book_what_is_gone() {
  if (!changelog_) return {};
  std::lock_guard steps(node_.step_mutex);
  MR_TRY(refuse_in_doubt(node_));
  log::Partition& partition = changelog_->partition(PartitionId(0));
  if (partition.begin_offset() == Offset(0)) return {};
  MR_ASSIGN(auto gone, gone_rows(node_.ledger, "changelog", *changelog_, {partition.end_offset()}));
  ledger::Recorder recorder;
  const ledger::HopId hop = node_.ledger.hop("before:" + name_);
  for (const auto& [minute, rows] : gone) recorder.add_ids(hop, changelog_->id(), minute, rows);
  node_.ledger.merge(recorder);
  return {};
}

Status SinkRunner::book_delivered(Offset from, Offset to) {
  if (!changelog_) return {};
  std::set<int64_t> dead;
  if (dead_ && from < to) {
    MR_ASSIGN(dead, dead_->dead_from(from));
  }
  MR_TRY(count_rows(from, to, delivered_hop_, dead));
  std::lock_guard guard(book_mutex_);
  unbooked_.push_back(std::exchange(undelivered_, ledger::Recorder()));
  unbooked_end_ = std::max(unbooked_end_, to);
  return {};
}

Offset SinkRunner::booked() const {
  std::shared_lock readers(node_.readers_mutex);
  Offset booked = written_of(node_.committed_ends, book_, kBooked);
  std::lock_guard guard(book_mutex_);
  return std::max(booked, unbooked_end_);
}

Result<Offset> SinkRunner::begin_at(Offset position) {
  if (!changelog_) return position;
  {
    std::shared_lock readers(node_.readers_mutex);
    Offset given_up = written_of(node_.committed_ends, book_, kGivenUp);
    std::lock_guard guard(book_mutex_);
    given_up_ = std::max(given_up_, given_up);
    position = std::max(position, given_up_);
  }
  Offset kept = changelog_->partition(PartitionId(0)).begin_offset();
  if (position >= kept) return position;
  // Made when the older changes of the view were gone already.
  if (position == Offset(0) && booked() == Offset(0)) return kept;
  return user_error(sqlstate::kUnavailable, "sink " + name_ + ": the destination lacks the changes from offset " +
                                                std::to_string(position.value) + " on, and the log keeps those from " +
                                                std::to_string(kept.value) + " on")
      .with_hint("it was set back to an older state: empty it, then drop the sink and create it again");
}

Offset SinkRunner::waited_too_long() {
  constexpr int64_t kMarks = 64;  // rows wait up to a 64th of give_up_after longer than it says
  const Duration now = node_.env.clock().monotonic();
  const bool due = waiting_.empty() || (now.micros - waiting_.back().since.micros) * kMarks >= give_up_after_->micros;
  if (due) waiting_.push_back({now, committed_end()});
  while (!waiting_.empty() && now.micros - waiting_.front().since.micros >= give_up_after_->micros) {
    given_up_to_ = waiting_.front().end;
    waiting_.pop_front();
  }
  return given_up_to_;
}

void SinkRunner::let_go_what_is_too_old() {
  if (!changelog_ || !give_up_after_) return;
  std::lock_guard guard(deliver_mutex_);
  if (open_) return;
  log::Partition& partition = changelog_->partition(PartitionId(0));
  Offset from = std::max(booked(), partition.begin_offset());
  Offset to = waited_too_long();
  if (from < to) {
    undelivered_.clear();
    undelivered_rows_ = 0;
    std::set<int64_t> dead;
    if (dead_) {
      auto found = dead_->dead_from(from);
      if (!found.ok()) return;
      dead = std::move(found).value();
    }
    if (!count_rows(from, to, lost_hop_, dead).ok()) return;
    lost_ += static_cast<uint64_t>(to.value - from.value) -
             static_cast<uint64_t>(std::distance(dead.lower_bound(from.value), dead.lower_bound(to.value)));
    std::lock_guard book(book_mutex_);
    unbooked_.push_back(std::exchange(undelivered_, ledger::Recorder()));
    unbooked_end_ = given_up_ = to;
  }
  std::lock_guard book(book_mutex_);
  delivered_ = std::max<int64_t>(delivered_, given_up_.value);
}

void SinkRunner::move_to(ledger::Ledger& ledger, std::map<std::pair<StreamId, PartitionId>, Offset>& written) {
  std::lock_guard guard(book_mutex_);
  if (!changelog_ || unbooked_.empty()) return;
  for (ledger::Recorder& recorder : unbooked_) ledger.merge(recorder);
  unbooked_.clear();
  written[{book_, kBooked}] = unbooked_end_;
  if (given_up_ > Offset(0)) written[{book_, kGivenUp}] = given_up_;
}

std::optional<std::pair<StreamId, Offset>> SinkRunner::delivered() const {
  if (!changelog_) return std::nullopt;
  return std::pair(changelog_->id(), Offset(delivered_));
}

std::optional<std::pair<StreamId, Offset>> SinkRunner::needed(
    const std::map<std::pair<StreamId, PartitionId>, Offset>& written) const {
  if (!changelog_) return std::nullopt;
  return std::pair(changelog_->id(), std::min(Offset(delivered_), written_of(written, book_, kBooked)));
}

}  // namespace millrace::engine
