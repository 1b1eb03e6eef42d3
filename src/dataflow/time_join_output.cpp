#include <algorithm>
#include <numeric>
#include <utility>

#include "base/hash.h"
#include "dataflow/join_rows.h"
#include "dataflow/time_join.h"

namespace millrace::dataflow {

/// Kept rows with all columns of the input; the hidden ones that are not kept are NULL.
Result<batch::Batch> TimeJoinOperator::decode(const TimeJoinSide& side, std::span<const std::string_view> kept) const {
  std::vector<std::string_view> rows;
  rows.reserve(kept.size());
  for (std::string_view row : kept) rows.push_back(row.substr(kTimeBytes));
  MR_ASSIGN(batch::Batch shown, decode_rows(side.rows, rows));
  if (side.missing.empty()) return shown;
  return batch::Batch::beside(shown, nulls(side.missing, rows.size())).project(side.places);
}

/// Emits the pairs found so far, those that pass the residual.
Status TimeJoinOperator::flush_pairs(size_t port, const batch::Batch& batch, Output& out) {
  for (size_t first = 0; first < pairs_.size(); first += batch::kBatchRows) {
    const std::span<const Pair> pairs =
        std::span(pairs_).subspan(first, std::min(batch::kBatchRows, pairs_.size() - first));
    std::vector<uint32_t> rows;
    std::vector<std::string_view> kept;
    std::vector<int64_t> diffs;
    for (const Pair& pair : pairs) {
      rows.push_back(pair.row);
      kept.push_back(pair.kept);
      diffs.push_back(batch.diff(pair.row) * pair.count);
    }
    MR_ASSIGN(const batch::Batch theirs, decode(*sides_[1 - port], kept));
    const batch::Batch ours = batch.select(rows);
    const batch::Batch& left = port == 0 ? ours : theirs;
    const batch::Batch& right = port == 0 ? theirs : ours;
    std::vector<uint32_t> passed(pairs.size());
    std::iota(passed.begin(), passed.end(), 0);
    if (residual_) {
      batch::Batch candidates = batch::Batch::beside(left, right);
      candidates.set_diffs(diffs);
      MR_ASSIGN(passed, passing(candidates));
    }
    if (gives_pairs_ && !passed.empty()) {
      batch::Batch joined = batch::Batch::beside(left.project(sides_[0]->output), right.project(sides_[1]->output));
      set_diffs(joined, std::move(diffs));
      MR_TRY(push_one(joined.select(passed), out, stats));
    }
    for (uint32_t pair : passed) MR_TRY(count_partner(port, pairs[pair], out));
  }
  pairs_.clear();
  return flush_kept_alone(1 - port, out);
}

/// The rows of `candidates` (all columns of both sides) for which the residual is true.
Result<std::vector<uint32_t>> TimeJoinOperator::passing(const batch::Batch& candidates) {
  const std::vector<batch::Type> number{batch::Type(batch::TypeId::kInteger)};
  batch::Batch numbers(number);
  numbers.set_rows(candidates.rows());
  std::iota(numbers.mutable_column(0).values<int32_t>(),
            numbers.mutable_column(0).values<int32_t>() + candidates.rows(), 0);
  errors_.clear();
  const batch::Batch passed = residual_->filter(batch::Batch::beside(candidates, numbers), errors_);
  for (const batch::RowError& error : errors_) {
    context_.side->row_failed(node_.id, "join", candidates, error.row, 0, error.message);
  }
  stats.rows_failed += errors_.size();
  const batch::ColumnView places = passed.column(candidates.columns());
  std::vector<uint32_t> rows;
  for (size_t row = 0; row < passed.rows(); ++row) rows.push_back(static_cast<uint32_t>(places.at<int32_t>(row)));
  return rows;
}

/// The kept row of a pair has met a partner; the first one changes its form.
Status TimeJoinOperator::count_partner(size_t port, const Pair& pair, Output& out) {
  met_[pair.row] = 1;
  TimeJoinSide& other = *sides_[1 - port];
  if (other.lonely_sign == 0) return {};
  const uint64_t hash = hash_bytes(pair.kept);
  const int64_t count = other.table.add(pair.group, hash, pair.kept, 0);
  if (count % 2 != 0) return {};
  other.table.add(pair.group, hash, pair.kept, 1);
  if (other.lonely_sign > 0 && join_.emit_on_close) return {};  // was not given yet
  return give_kept_alone(1 - port, pair.kept, -other.lonely_sign * (count >> 1), out);
}

// ---- rows without partners (or, for SEMI, left rows that have some)

Status TimeJoinOperator::give_alone(size_t port, const batch::Batch& batch, const std::vector<uint32_t>& rows,
                                    Output& out) {
  if (rows.empty()) return {};
  std::vector<int64_t> diffs;
  for (uint32_t row : rows) diffs.push_back(batch.diff(row));
  return push_padded(port, batch.project(sides_[port]->output).select(rows), std::move(diffs), out);
}

Status TimeJoinOperator::give_kept_alone(size_t side, std::string_view kept, int64_t diff, Output& out) {
  kept_alone_.emplace_back(kept);
  kept_alone_diffs_.push_back(diff);
  return kept_alone_.size() == batch::kBatchRows ? flush_kept_alone(side, out) : Status();
}

Status TimeJoinOperator::flush_kept_alone(size_t side, Output& out) {
  if (kept_alone_.empty()) return {};
  const std::vector<std::string_view> kept(kept_alone_.begin(), kept_alone_.end());
  MR_ASSIGN(const batch::Batch rows, decode(*sides_[side], kept));
  kept_alone_.clear();
  return push_padded(side, rows.project(sides_[side]->output), std::exchange(kept_alone_diffs_, {}), out);
}

/// Emits rows of one side's output columns with NULLs in the other's.
Status TimeJoinOperator::push_padded(size_t side, const batch::Batch& shown, std::vector<int64_t> diffs, Output& out) {
  batch::Batch padded = shown.share();
  if (!sides_[1 - side]->output.empty()) {
    const batch::Batch none = nulls(sides_[1 - side]->output_types, shown.rows());
    padded = side == 0 ? batch::Batch::beside(shown, none) : batch::Batch::beside(none, shown);
  }
  set_diffs(padded, std::move(diffs));
  return push_one(padded, out, stats);
}

}  // namespace millrace::dataflow
