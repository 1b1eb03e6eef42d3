// Dead letters of a sink on their way to its destination once more. Which of them were sent again is remembered in the
// destination, in the transaction of the rows.
#include <algorithm>
#include <map>

#include "engine/changelog.h"
#include "engine/sink_runner.h"

namespace millrace::engine {
namespace {

constexpr size_t kLettersAtATime = 1000;

}  // namespace

/// Of letters of a view with a key, those whose key has changed since: what they say is out of date.
Result<std::set<int64_t>> SinkRunner::superseded(const std::vector<DeadLetter>& letters) const {
  std::set<int64_t> outdated;
  if (mode_ != connectors::SinkMode::kUpsert || letters.empty()) return outdated;
  batch::RowCodec keys(view_schema_.types(), key_);
  batch::RowBuffer encoded;
  std::map<std::string, std::vector<const DeadLetter*>> waiting;
  Offset from = letters[0].source_offset;
  batch::Batch changes(changes_schema(view_schema_));
  for (const DeadLetter& letter : letters) {
    changes.reset();
    MR_TRY(dead_->put(letter, changes, 0));
    changes.set_rows(1);
    keys.encode(changes, encoded);
    waiting[std::string(encoded.row(0))].push_back(&letter);
    from = std::min(from, letter.source_offset);
  }
  log::Partition& partition = changelog_->partition(PartitionId(0));
  if (from.next() < partition.begin_offset()) {
    return user_error(sqlstate::kUnavailable,
                      "sink " + name_ + ": the changes since the dead letters are not kept any more")
        .with_hint("correct the rows at their source, so that the view changes them again");
  }
  ChangelogReader reader(partition, view_schema_, from.next());
  while (reader.position() < position_) {
    Offset first = reader.position();
    changes.reset();
    MR_TRY(reader.next(position_, changes));
    if (changes.empty()) break;
    keys.encode(changes, encoded);
    for (size_t row = 0; row < changes.rows(); ++row) {
      auto found = waiting.find(std::string(encoded.row(row)));
      if (found == waiting.end()) continue;
      for (const DeadLetter* letter : found->second) {
        if (letter->source_offset.value < first.value + static_cast<int64_t>(row))
          outdated.insert(letter->offset.value);
      }
    }
  }
  return outdated;
}

Result<bool> SinkRunner::send_again(const DeadLetter& letter) {
  batch::Batch changes(changes_schema(view_schema_));
  MR_TRY(dead_->put(letter, changes, 0));
  changes.set_rows(1);
  Status status =
      sink_->write_again(changes.project(sink_columns(mode_, view_schema_.size())), letter.offset.next().value);
  if (status.ok()) status = sink_->commit();
  if (status.ok()) return true;
  open_ = false;
  if (!sink_->refused_rows()) return std::move(status).error();
  DeadLetter again = letter;
  again.again = letter.offset.value;
  MR_TRY(dead_->keep(again, status.error().message, 1, node_.env.clock().now()));
  ++dead_waiting_;
  MR_TRY(open_sink());
  return false;
}

Result<ReplayReceipt> SinkRunner::replay_dead() {
  ReplayReceipt receipt;
  if (!dead_ || !changelog_) return receipt;
  MR_TRY(deliver(true));  // nothing of a transaction that is under way may be in that of the letters
  std::lock_guard guard(deliver_mutex_);
  MR_TRY(open_sink());  // anew: the table may have been changed for just these rows
  Offset end = dead_->end();
  Offset at(sink_->replayed());
  MR_ASSIGN(std::set<int64_t> refused_before, dead_->refused_again(at));
  batch::Batch nothing(changes_schema(view_schema_));
  batch::Batch no_rows = nothing.project(sink_columns(mode_, view_schema_.size()));
  while (at < end) {
    MR_ASSIGN(std::vector<DeadLetter> letters, dead_->read(at, kLettersAtATime));
    std::erase_if(letters, [&](const DeadLetter& letter) { return letter.offset >= end; });
    if (letters.empty()) break;
    MR_ASSIGN(std::set<int64_t> outdated, superseded(letters));
    for (const DeadLetter& letter : letters) {
      at = letter.offset.next();
      bool taken = false;
      if (outdated.count(letter.offset.value)) {
        ++receipt.superseded;
      } else if (!refused_before.count(letter.offset.value)) {
        MR_ASSIGN(taken, send_again(letter));
        ++(taken ? receipt.sent : receipt.refused);
      }
      if (!taken) {
        MR_TRY(sink_->write_again(no_rows, at.value));
        MR_TRY(sink_->commit());
      }
      if (dead_waiting_ > 0) --dead_waiting_;
    }
  }
  return receipt;
}

}  // namespace millrace::engine
