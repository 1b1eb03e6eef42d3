#include "dataflow/standing_rows.h"

#include "base/hash.h"
#include "dataflow/operators.h"

namespace millrace::dataflow {

StandingRows::StandingRows(const plan::Node& input, const plan::Window& window,
                           const std::vector<std::vector<uint32_t>>& pieces)
    : keys_(input.output.types(), window.partition_columns),
      rows_(input.output, window.sort_key, input.order_column, pieces),
      changes_(rows_, true) {
  table_.keep_sorted(rows_.header_bytes());
}

void StandingRows::note(const batch::Batch& batch) {
  keys_.encode(batch, key_buffer_);
  rows_.encode(batch);
  find_groups(table_, key_buffer_, batch.rows(), groups_);
  for (size_t row = 0; row < batch.rows(); ++row) changes_.note(table_, groups_[row], rows_.row(row), batch.diff(row));
}

int64_t StandingRows::count(Group group, std::string_view row, std::string_view results) {
  scratch_.assign(row).append(results);
  return table_.add(group, hash_bytes(scratch_), scratch_, 0);
}

void StandingRows::change(Group group, std::string_view row, std::string_view results, int64_t diff) {
  pending_.push_back({group, bytes_.size(), row.size() + results.size(), diff});
  bytes_.append(row).append(results);
}

void StandingRows::apply() {
  for (const Change& change : pending_) {
    const std::string_view entry = std::string_view(bytes_).substr(change.start, change.length);
    table_.add(change.group, hash_bytes(entry), entry, change.diff);
  }
  pending_.clear();
  bytes_.clear();
}

void StandingRows::clear() {
  changes_.clear();
  table_.release_empty();
}

void StandingReader::seek(Group group, std::span<const PartitionChanges::Change> changes, bool from_first_row) {
  changes_ = changes;
  change_ = 0;
  has_behind_ = false;
  if (from_first_row) {
    forward_.seek_first(group);
  } else {
    const std::string_view from = standing_.rows().comparable(changes[0].row);
    forward_.seek(group, from);
    backward_.seek(group, from);
    has_behind_ = backward_.previous(behind_.bytes, behind_.count);
  }
  has_ahead_ = forward_.next(ahead_.bytes, ahead_.count);
}

std::string_view StandingReader::neighbour(std::string_view sort_key) const {
  if (has_behind_ && standing_.rows().sort_key(behind_.bytes) == sort_key) return behind_.bytes;
  if (has_ahead_ && standing_.rows().sort_key(ahead_.bytes) == sort_key) return ahead_.bytes;
  return {};
}

bool StandingReader::next_is_change() const {
  if (change_ == changes_.size()) return false;
  if (!has_ahead_) return true;
  const SortedRows& rows = standing_.rows();
  return rows.comparable(changes_[change_].row) <= rows.comparable(standing_.row_of(ahead_.bytes));
}

Result<bool> StandingReader::next(StandingItem& item, bool& changed) {
  if (!has_ahead_ && change_ == changes_.size()) return false;
  changed = next_is_change();
  item = {changed ? changes_[change_].row : standing_.row_of(ahead_.bytes), 0, entries_.size(), entries_.size()};
  // Rows are told apart by all their bytes: lengths come first and are equal when what follows them is.
  while (has_ahead_ && ahead_.bytes.starts_with(item.row)) {
    entries_.push_back(ahead_);
    item.now += ahead_.count;
    has_ahead_ = forward_.next(ahead_.bytes, ahead_.count);
  }
  item.last_entry = entries_.size();
  if (changed) item.now += changes_[change_++].diff;
  if (item.now < 0) return internal_error("OVER was asked to take away rows that it never got");
  return true;
}

bool StandingReader::previous(StandingItem& item) {
  if (!has_behind_) return false;
  item = {standing_.row_of(behind_.bytes), 0, entries_.size(), entries_.size()};
  while (has_behind_ && behind_.bytes.starts_with(item.row)) {
    entries_.push_back(behind_);
    item.now += behind_.count;
    has_behind_ = backward_.previous(behind_.bytes, behind_.count);
  }
  item.last_entry = entries_.size();
  return true;
}

}  // namespace millrace::dataflow
