#include <algorithm>
#include <numeric>

#include "dataflow/join.h"
#include "dataflow/join_rows.h"

namespace millrace::dataflow {

namespace {

batch::Batch booleans(const std::vector<uint8_t>& values) {
  const std::vector<batch::Type> types{batch::Type(batch::TypeId::kBoolean)};
  batch::Batch made(types);
  made.set_rows(values.size());
  std::copy(values.begin(), values.end(), made.mutable_column(0).values<uint8_t>());
  return made;
}

}  // namespace

/// Emits the pairs found so far, those that pass the residual.
Status JoinOperator::flush_pairs(size_t port, const batch::Batch& batch, Output& out) {
  if (pairs_.empty()) return {};
  std::vector<uint32_t> rows;
  std::vector<std::string_view> kept;
  std::vector<int64_t> diffs;
  rows.reserve(pairs_.size()), kept.reserve(pairs_.size()), diffs.reserve(pairs_.size());
  for (const Pair& pair : pairs_) {
    rows.push_back(pair.row);
    kept.push_back(pair.kept);
    diffs.push_back(batch.diff(pair.row) * pair.kept_count);
  }
  JoinSide& own = *sides_[port];
  JoinSide& other = *sides_[1 - port];
  MR_ASSIGN(const batch::Batch theirs, decode_rows(other.rows, kept));
  const batch::Batch ours = residual_ ? batch.select(rows) : batch.project(own.output).select(rows);
  const batch::Batch ours_shown = residual_ ? ours.project(own.output) : ours.share();
  const batch::Batch theirs_shown = theirs.project(other.shown);
  batch::Batch joined =
      port == 0 ? batch::Batch::beside(ours_shown, theirs_shown) : batch::Batch::beside(theirs_shown, ours_shown);
  set_diffs(joined, std::move(diffs));
  if (!residual_) {
    pairs_.clear();
    return push_one(joined, out, stats);
  }

  batch::Batch candidates = port == 0 ? batch::Batch::beside(ours, theirs) : batch::Batch::beside(theirs, ours);
  candidates.set_diffs(std::vector<int64_t>(joined.diffs().begin(), joined.diffs().end()));
  MR_ASSIGN(const std::vector<uint32_t> passed, passing(candidates));
  if (gives_pairs_ && !passed.empty()) MR_TRY(push_one(joined.select(passed), out, stats));
  if (!counted_) {
    pairs_.clear();
    return {};
  }
  for (uint32_t pair : passed) MR_TRY(count_partner(port, pairs_[pair], batch.diff(pairs_[pair].row), out));
  pairs_.clear();
  return flush_kept_alone(1 - port, out);
}

/// The rows of `joined` (all columns of both sides) for which the residual is true.
Result<std::vector<uint32_t>> JoinOperator::passing(const batch::Batch& joined) {
  const std::vector<batch::Type> number{batch::Type(batch::TypeId::kInteger)};
  batch::Batch numbers(number);
  numbers.set_rows(joined.rows());
  std::iota(numbers.mutable_column(0).values<int32_t>(), numbers.mutable_column(0).values<int32_t>() + joined.rows(),
            0);
  errors_.clear();
  const batch::Batch passed = residual_->filter(batch::Batch::beside(joined, numbers), errors_);
  for (const batch::RowError& error : errors_) {
    context_.side->row_failed(node_.id, "join", joined, error.row, 0, error.message);
  }
  stats.rows_failed += errors_.size();
  const batch::ColumnView places = passed.column(joined.columns());
  std::vector<uint32_t> rows;
  for (size_t row = 0; row < passed.rows(); ++row) rows.push_back(static_cast<uint32_t>(places.at<int32_t>(row)));
  return rows;
}

// ---- rows without partners (or, for SEMI, left rows that have some)

void JoinOperator::give_alone(uint32_t row, int64_t diff, bool has_partners) {
  alone_.push_back(row);
  if (gives_mark_) alone_marks_.push_back(has_partners);
  alone_diffs_.push_back(diff);
}

Status JoinOperator::flush_alone(size_t port, const batch::Batch& batch, Output& out) {
  if (alone_.empty()) return {};
  const batch::Batch shown = batch.project(sides_[port]->output).select(alone_);
  alone_.clear();
  return push_padded(port, shown, std::exchange(alone_diffs_, {}), std::exchange(alone_marks_, {}), out);
}

/// A kept row got its first partner or lost its last one.
Status JoinOperator::change_kept(size_t side, std::string_view row, int64_t count, bool has_partners, Output& out) {
  if (!gives_mark_) {
    const int64_t sign = (has_partners ? -1 : 1) * sides_[side]->lonely_sign;
    return give_kept_alone(side, row, sign * count, has_partners, out);
  }
  MR_TRY(give_kept_alone(side, row, -count, !has_partners, out));
  return give_kept_alone(side, row, count, has_partners, out);
}

Status JoinOperator::give_kept_alone(size_t side, std::string_view row, int64_t diff, bool has_partners, Output& out) {
  kept_alone_.push_back(row);
  if (gives_mark_) kept_alone_marks_.push_back(has_partners);
  kept_alone_diffs_.push_back(diff);
  return kept_alone_.size() == batch::kBatchRows ? flush_kept_alone(side, out) : Status();
}

Status JoinOperator::flush_kept_alone(size_t side, Output& out) {
  if (kept_alone_.empty()) return {};
  MR_ASSIGN(const batch::Batch kept, decode_rows(sides_[side]->rows, kept_alone_));
  kept_alone_.clear();
  return push_padded(side, kept.project(sides_[side]->shown), std::exchange(kept_alone_diffs_, {}),
                     std::exchange(kept_alone_marks_, {}), out);
}

/// Emits rows of one side's output columns with NULLs in the other's, or with their marks.
Status JoinOperator::push_padded(size_t side, const batch::Batch& shown, std::vector<int64_t> diffs,
                                 const std::vector<uint8_t>& marks, Output& out) {
  batch::Batch padded = shown.share();
  if (gives_mark_) {
    padded = batch::Batch::beside(shown, booleans(marks));
  } else if (!sides_[1 - side]->output.empty()) {
    const batch::Batch none = nulls(sides_[1 - side]->output_types, shown.rows());
    padded = side == 0 ? batch::Batch::beside(shown, none) : batch::Batch::beside(none, shown);
  }
  set_diffs(padded, std::move(diffs));
  return push_one(padded, out, stats);
}

}  // namespace millrace::dataflow
