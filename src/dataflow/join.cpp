#include "dataflow/join.h"

#include <algorithm>
#include <numeric>

#include "base/hash.h"

namespace millrace::dataflow {

namespace {

constexpr state::BagTable::Group kNone = state::BagTable::kNone;
constexpr size_t kStride = 8;  // rows that cache lines are fetched ahead

int sign_of(plan::JoinType type, size_t port) {
  using plan::JoinType;
  if (type == JoinType::kFull) return 1;
  if (port == 1) return type == JoinType::kRight ? 1 : 0;
  if (type == JoinType::kLeft || type == JoinType::kAnti || type == JoinType::kMark) return 1;
  return type == JoinType::kSemi ? -1 : 0;
}

std::vector<uint32_t> without_repeats(std::vector<uint32_t> columns) {
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

}  // namespace

JoinOperator::JoinOperator(const plan::Node& node, const plan::Join& join, const Inputs& inputs,
                           const OperatorContext& context, bool keeps_left)
    : Operator(node),
      context_(context),
      join_(join),
      gives_pairs_(join.type != plan::JoinType::kSemi && join.type != plan::JoinType::kAnti &&
                   join.type != plan::JoinType::kMark),
      gives_mark_(join.type == plan::JoinType::kMark),
      keeps_left_(keeps_left) {
  for (size_t port = 0; port < 2; ++port) sides_[port] = make_side(port, *inputs[port]);
  if (!join.residual.empty()) residual_.emplace(*context.session, join.residual);
  counted_ = residual_ && (sides_[0]->lonely_sign != 0 || sides_[1]->lonely_sign != 0);
}

std::unique_ptr<JoinSide> JoinOperator::make_side(size_t port, const plan::Node& input) const {
  const std::vector<batch::Type> types = input.output.types();
  const std::vector<uint32_t>& output = port == 0 ? join_.left_output : join_.right_output;
  const std::vector<uint32_t>& keys = port == 0 ? join_.left_keys : join_.right_keys;
  std::vector<uint32_t> kept = without_repeats(output);
  if (!join_.residual.empty()) {
    kept.resize(types.size());
    std::iota(kept.begin(), kept.end(), 0);
  }
  std::vector<uint32_t> shown;
  for (uint32_t column : output) {
    shown.push_back(static_cast<uint32_t>(std::lower_bound(kept.begin(), kept.end(), column) - kept.begin()));
  }
  const bool keeps_rows = gives_pairs_ || port == 0 || !join_.residual.empty();
  return std::unique_ptr<JoinSide>(new JoinSide{keys,
                                                batch::RowCodec(types, keys),
                                                batch::RowCodec(types, kept, batch::RowForm::kExact),
                                                shown,
                                                output,
                                                types_of(input.output, output),
                                                {},
                                                {},
                                                sign_of(join_.type, port),
                                                keeps_rows});
}

std::vector<state::TableRef> JoinOperator::tables() {
  std::vector<state::TableRef> tables{{{node_.id, 0}, &sides_[0]->table}, {{node_.id, 1}, &sides_[1]->table}};
  if (counted_ && sides_[0]->lonely_sign != 0) tables.push_back({{node_.id, 2}, &sides_[0]->partners});
  if (counted_ && sides_[1]->lonely_sign != 0) tables.push_back({{node_.id, 3}, &sides_[1]->partners});
  return tables;
}

void JoinOperator::find_null_keys(const JoinSide& side, const batch::Batch& batch) {
  null_keys_.assign(batch.rows(), 0);
  for (size_t i = 0; i < side.key_columns.size(); ++i) {
    const batch::ColumnView column = batch.column(side.key_columns[i]);
    if (join_.null_equals_null[i] || !column.may_have_nulls()) continue;
    for (size_t row = 0; row < batch.rows(); ++row) null_keys_[row] |= static_cast<uint8_t>(column.is_null(row));
  }
}

Status JoinOperator::push(size_t port, const batch::Batch& batch, Output& out) {
  JoinSide& own = *sides_[port];
  own.keys.encode(batch, keys_);
  if (own.keeps_rows) own.rows.encode(batch, rows_);
  find_null_keys(own, batch);
  find_partners(port, batch);
  return counted_ ? push_counted(port, batch, out) : push_by_key(port, batch, out);
}

Status JoinOperator::finish(Output&) {
  for (auto& side : sides_) {
    side->table.release_empty();
    side->partners.release_empty();
  }
  return {};
}

/// Sets groups_ to the other side's groups.
void JoinOperator::find_partners(size_t port, const batch::Batch& batch) {
  state::BagTable& table = sides_[1 - port]->table;
  const size_t rows = batch.rows();
  groups_.resize(rows);
  for (size_t row = 0; row < rows; ++row) {
    if (row + 3 * kStride < rows) table.prefetch(keys_.hash(row + 3 * kStride));
    if (row + 2 * kStride < rows) table.prefetch_entry(keys_.hash(row + 2 * kStride));
    if (row + kStride < rows) table.prefetch_key(keys_.hash(row + kStride));
    groups_[row] = null_keys_[row] ? kNone : table.find(keys_.hash(row), keys_.row(row));
  }
}

/// Adds the batch to its own side.
void JoinOperator::keep_rows(size_t port, const batch::Batch& batch) {
  if (port == 0 && !keeps_left_) return;
  state::BagTable& table = sides_[port]->table;
  const size_t rows = batch.rows();
  for (size_t row = 0; row < rows; ++row) {
    if (row + 3 * kStride < rows) table.prefetch(keys_.hash(row + 3 * kStride));
    if (row + 2 * kStride < rows) table.prefetch_entry(keys_.hash(row + 2 * kStride));
    if (row + kStride < rows) table.prefetch_key(keys_.hash(row + kStride));
    groups_[row] = null_keys_[row] ? kNone : table.find_or_insert(keys_.hash(row), keys_.row(row));
  }
  for (uint32_t row = 0; row < rows; ++row) {
    if (row + kStride < rows && groups_[row + kStride] != kNone)
      table.prefetch_rows(groups_[row + kStride], rows_hash(port, row + kStride));
    if (groups_[row] != kNone) keep_row(port, row, groups_[row], batch.diff(row));
  }
}

void JoinOperator::keep_row(size_t port, uint32_t row, Group group, int64_t diff) {
  JoinSide& side = *sides_[port];
  if (!counted_ && sides_[1 - port]->lonely_sign != 0) watch_key(port, group);
  if (!side.keeps_rows) {
    side.table.add(group, rows_hash(port, row), {}, diff);
    return;
  }
  const int64_t count = side.table.add(group, rows_.hash(row), rows_.row(row), diff);
  const bool appeared = count == diff, vanished = count == 0;
  if (!counted_ || side.lonely_sign == 0 || appeared == vanished || partners_[row] == 0) return;
  const Group counters = side.partners.find_or_insert(keys_.hash(row), keys_.row(row));
  side.partners.add(counters, rows_.hash(row), rows_.row(row), appeared ? partners_[row] : -partners_[row]);
}

/// Finds all pairs of the batch's row with the group's rows.
Status JoinOperator::add_pairs(size_t port, const batch::Batch& batch, uint32_t row, Group group, Output& out) {
  state::BagTable::RowCursor cursor(sides_[1 - port]->table, group);
  std::string_view kept;
  int64_t count;
  while (cursor.next(kept, count)) {
    pairs_.push_back(Pair{row, kept, count, group});
    if (pairs_.size() == batch::kBatchRows) MR_TRY(flush_pairs(port, batch, out));
  }
  return {};
}

// ---- partners depend on the key alone

Status JoinOperator::push_by_key(size_t port, const batch::Batch& batch, Output& out) {
  JoinSide& own = *sides_[port];
  JoinSide& other = *sides_[1 - port];
  const size_t rows = batch.rows();
  for (uint32_t row = 0; row < rows; ++row) {
    if (row + kStride < rows && groups_[row + kStride] != kNone) other.table.prefetch_rows(groups_[row + kStride], 0);
    const bool alone = groups_[row] == kNone || other.table.rows(groups_[row]) == 0;
    if (own.lonely_sign == (alone ? 1 : -1) || (gives_mark_ && port == 0)) give_alone(row, batch.diff(row), !alone);
    if (gives_pairs_ && !alone) MR_TRY(add_pairs(port, batch, row, groups_[row], out));
  }
  MR_TRY(flush_pairs(port, batch, out));
  MR_TRY(flush_alone(port, batch, out));
  keep_rows(port, batch);
  return emit_transitions(port, out);
}

void JoinOperator::watch_key(size_t port, Group group) {
  if (group >= is_watched_.size()) is_watched_.resize(group + group / 2 + 64, false);
  if (is_watched_[group]) return;
  is_watched_[group] = true;
  transitions_.push_back({group, sides_[port]->table.rows(group) == 0});
}

/// Keys whose rows on this side appeared or vanished with the batch: the other side's rows of the key change their
/// form.
Status JoinOperator::emit_transitions(size_t port, Output& out) {
  const size_t watched = 1 - port;
  JoinSide& own = *sides_[port];
  JoinSide& other = *sides_[watched];
  for (const Transition& transition : transitions_) {
    is_watched_[transition.group] = false;
    const bool is_empty = own.table.rows(transition.group) == 0;
    if (is_empty == transition.was_empty) continue;
    const Group group = other.table.find(own.table.hash_of(transition.group), own.table.key_of(transition.group));
    if (group == kNone) continue;
    ++stats.groups_touched;
    state::BagTable::RowCursor cursor(other.table, group);
    std::string_view row;
    int64_t count;
    while (cursor.next(row, count)) MR_TRY(change_kept(watched, row, count, !is_empty, out));
  }
  transitions_.clear();
  return flush_kept_alone(watched, out);
}

// ---- partners are counted by row

Status JoinOperator::push_counted(size_t port, const batch::Batch& batch, Output& out) {
  JoinSide& own = *sides_[port];
  partners_.assign(batch.rows(), 0);
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (groups_[row] != kNone) MR_TRY(add_pairs(port, batch, row, groups_[row], out));
  }
  MR_TRY(flush_pairs(port, batch, out));
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    const bool alone = partners_[row] == 0;
    if (own.lonely_sign == (alone ? 1 : -1) || (gives_mark_ && port == 0)) give_alone(row, batch.diff(row), !alone);
  }
  MR_TRY(flush_alone(port, batch, out));
  keep_rows(port, batch);
  return {};
}

/// A pair passed the residual: the kept row has `diff` partners more.
Status JoinOperator::count_partner(size_t port, const Pair& pair, int64_t diff, Output& out) {
  partners_[pair.row] += pair.kept_count;
  JoinSide& other = *sides_[1 - port];
  if (other.lonely_sign == 0) return {};
  const Group counters =
      other.partners.find_or_insert(other.table.hash_of(pair.kept_group), other.table.key_of(pair.kept_group));
  const int64_t now = other.partners.add(counters, hash_bytes(pair.kept), pair.kept, diff);
  const int64_t before = now - diff;
  if ((now == 0) == (before == 0)) return {};
  return change_kept(1 - port, pair.kept, pair.kept_count, now != 0, out);
}

Made make_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  const auto& join = std::get<plan::Join>(node.operation);
  for (size_t i = 0; i < join.left_keys.size(); ++i) {
    const batch::Type& left = inputs[0]->output[join.left_keys[i]].type;
    const batch::Type& right = inputs[1]->output[join.right_keys[i]].type;
    if (!(left == right))
      return internal_error("a join's keys have two types: " + left.name() + " and " + right.name());
  }
  return {std::make_unique<JoinOperator>(node, join, inputs, context)};
}

}  // namespace millrace::dataflow
