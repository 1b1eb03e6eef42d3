#include "dataflow/time_join.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"

namespace millrace::dataflow {
namespace {

int32_t sign_of(plan::JoinType type, size_t port) {
  using plan::JoinType;
  if (type == JoinType::kFull) return 1;
  if (port == 1) return type == JoinType::kRight ? 1 : 0;
  if (type == JoinType::kLeft || type == JoinType::kAnti) return 1;
  return type == JoinType::kSemi ? -1 : 0;
}

}  // namespace

TimeJoinOperator::TimeJoinOperator(const plan::Node& node, const plan::TimeJoin& join, const Inputs& inputs,
                                   const OperatorContext& context)
    : Operator(node),
      context_(context),
      join_(join),
      gives_pairs_(join.join.type != plan::JoinType::kSemi && join.join.type != plan::JoinType::kAnti) {
  for (size_t port = 0; port < 2; ++port) {
    sides_[port] = make_side(port, *inputs[port]);
    sides_[port]->table.keep_sorted(0);
  }
  if (!join.join.residual.empty()) residual_.emplace(*context.session, join.join.residual);
}

std::unique_ptr<TimeJoinSide> TimeJoinOperator::make_side(size_t port, const plan::Node& input) const {
  const std::vector<batch::Type> types = input.output.types();
  const std::vector<uint32_t>& output = port == 0 ? join_.join.left_output : join_.join.right_output;
  const std::vector<uint32_t>& keys = port == 0 ? join_.join.left_keys : join_.join.right_keys;
  std::vector<uint32_t> kept;
  std::vector<batch::Type> missing;
  auto is_missing = [&](uint32_t column) {
    const bool hidden =
        static_cast<int32_t>(column) == input.order_column || static_cast<int32_t>(column) == input.watermark_column;
    return hidden && std::find(output.begin(), output.end(), column) == output.end();
  };
  for (uint32_t i = 0; i < types.size(); ++i) {
    if (!is_missing(i)) kept.push_back(i);
  }
  std::vector<uint32_t> places;
  for (uint32_t i = 0, shown = 0; i < types.size(); ++i) {
    places.push_back(is_missing(i) ? static_cast<uint32_t>(kept.size() + missing.size()) : shown++);
    if (is_missing(i)) missing.push_back(types[i]);
  }
  const int64_t other_side = port == 0 ? join_.upper.micros : -join_.lower.micros;
  return std::unique_ptr<TimeJoinSide>(
      new TimeJoinSide{keys,
                       batch::RowCodec(types, keys),
                       batch::RowCodec(types, kept, batch::RowForm::kExact),
                       std::move(missing),
                       std::move(places),
                       output,
                       types_of(input.output, output),
                       port == 0 ? join_.left_time : join_.right_time,
                       port == 0 ? join_.left_offset.micros : join_.right_offset.micros,
                       input.order_column,
                       input.watermark_column,
                       join_.grace(port).micros,
                       add_time(other_side, join_.grace(1 - port).micros),
                       sign_of(join_.join.type, port),
                       {},
                       {}});
}

std::vector<state::TableRef> TimeJoinOperator::tables() {
  return {{{node_.id, 0}, &sides_[0]->table}, {{node_.id, 1}, &sides_[1]->table}};
}

/// After a restore: when to look at which group.
void TimeJoinOperator::prepare() {
  if (ready_) return;
  ready_ = true;
  for (auto& side : sides_) {
    std::map<std::pair<uint64_t, std::string>, int64_t> firsts;
    side->table.for_each([&](const state::Entry& entry) {
      ByteReader reader(entry.key);
      const std::string_view key = reader.string().value();
      const int64_t time = time_of(entry.key.substr(entry.key.size() - reader.remaining()));
      auto [at, is_new] = firsts.try_emplace({entry.hash, std::string(key)}, time);
      if (!is_new) at->second = std::min(at->second, time);
    });
    for (const auto& [key, time] : firsts) side->earliest.add(time, key.first, key.second);
  }
}

Status TimeJoinOperator::push(size_t port, const batch::Batch& batch, Output& out) {
  prepare();
  TimeJoinSide& own = *sides_[port];
  own.keys.encode(batch, keys_);
  own.rows.encode(batch, rows_);
  place_rows(port, batch);
  MR_TRY(find_pairs(port, batch, out));
  std::vector<uint32_t> given;  // without partner, or (SEMI) with one
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (own.lonely_sign == 0 || placed_[row] == Place::kLate) continue;
    const bool final = !join_.emit_on_close || placed_[row] == Place::kAlone || own.lonely_sign < 0;
    if (final && own.lonely_sign == (met_[row] ? -1 : 1)) given.push_back(row);
  }
  MR_TRY(give_alone(port, batch, given, out));
  keep_rows(port, batch);
  return {};
}

/// Sets times_ and placed_: late rows go aside, rows that can meet nothing have no partners.
void TimeJoinOperator::place_rows(size_t port, const batch::Batch& batch) {
  const TimeJoinSide& own = *sides_[port];
  const size_t rows = batch.rows();
  times_.assign(rows, 0);
  placed_.assign(rows, Place::kMeets);
  met_.assign(rows, 0);
  const batch::ColumnView times = batch.column(own.time_column);
  std::optional<batch::ColumnView> watermarks;
  if (own.watermark_column >= 0) watermarks = batch.column(static_cast<size_t>(own.watermark_column));
  for (size_t row = 0; row < rows; ++row) {
    if (times.is_null(row)) {
      placed_[row] = Place::kAlone;
      continue;
    }
    times_[row] = add_time(times.at<int64_t>(row), own.time_offset);
    const int64_t in_time_until = add_time(times_[row], own.grace);
    const bool late = watermark_ > in_time_until ||
                      (watermarks && !watermarks->is_null(row) && watermarks->at<int64_t>(row) > in_time_until);
    if (!late) continue;
    placed_[row] = Place::kLate;
    ++stats.rows_late;
    context_.side->row_late(node_.id, port, batch, row, order_of(batch, own.order_column, row));
  }
  for (size_t i = 0; i < own.key_columns.size(); ++i) {
    const batch::ColumnView column = batch.column(own.key_columns[i]);
    if (join_.join.null_equals_null[i] || !column.may_have_nulls()) continue;
    for (size_t row = 0; row < rows; ++row) {
      if (column.is_null(row) && placed_[row] == Place::kMeets) placed_[row] = Place::kAlone;
    }
  }
}

Status TimeJoinOperator::find_pairs(size_t port, const batch::Batch& batch, Output& out) {
  state::BagTable& table = sides_[1 - port]->table;
  const int64_t below = port == 0 ? join_.lower.micros : -join_.upper.micros;
  const int64_t above = port == 0 ? join_.upper.micros : -join_.lower.micros;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (placed_[row] != Place::kMeets) continue;
    const Group group = table.find(keys_.hash(row), keys_.row(row));
    if (group == state::BagTable::kNone) continue;
    MR_TRY(for_each_between(table, group, add_time(times_[row], below), add_time(times_[row], above),
                            [&](std::string_view kept, int64_t count) -> Status {
                              pairs_.push_back(Pair{row, group, kept, count >> 1});
                              return {};
                            }));
    if (pairs_.size() >= batch::kBatchRows) MR_TRY(flush_pairs(port, batch, out));
  }
  return flush_pairs(port, batch, out);
}

std::optional<int64_t> TimeJoinOperator::first_time(TimeJoinSide& side, Group group) {
  const std::string_view first = first_rows(side.table, group, 1).first;
  if (first.empty()) return std::nullopt;
  return time_of(first);
}

void TimeJoinOperator::keep_rows(size_t port, const batch::Batch& batch) {
  TimeJoinSide& own = *sides_[port];
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (placed_[row] != Place::kMeets) continue;
    const Group group = own.table.find_or_insert(keys_.hash(row), keys_.row(row));
    const std::optional<int64_t> first = first_time(own, group);
    if (!first || times_[row] < *first) own.earliest.add(times_[row], keys_.hash(row), keys_.row(row));
    kept_.clear();
    append_time(kept_, times_[row]);
    kept_.append(rows_.row(row));
    const uint64_t hash = hash_bytes(kept_);
    const int64_t count = own.table.add(group, hash, kept_, 2 * batch.diff(row));
    if (met_[row] && own.lonely_sign != 0 && count % 2 == 0) own.table.add(group, hash, kept_, 1);
  }
}

// ---- what no row to come can meet

bool TimeJoinOperator::due(const TimeJoinSide& side, int64_t time, int64_t watermark) const {
  return add_time(time, side.keep_for) < watermark;
}

bool TimeJoinOperator::due_at(Timestamp watermark) const {
  return std::any_of(sides_.begin(), sides_.end(), [&](const auto& side) {
    return !side->earliest.empty() && due(*side, side->earliest.earliest(), watermark.micros);
  });
}

Status TimeJoinOperator::finish(Output& out) {
  prepare();
  for (size_t port = 0; port < 2; ++port) {
    MR_TRY(drop_due(port, out));
    sides_[port]->table.release_empty();
  }
  return {};
}

Status TimeJoinOperator::drop_due(size_t port, Output& out) {
  TimeJoinSide& side = *sides_[port];
  while (!side.earliest.empty() && due(side, side.earliest.earliest(), watermark_)) {
    const int64_t time = side.earliest.earliest();
    const KeysByTime::Keys keys = side.earliest.take_earliest();
    MR_TRY(keys.for_each([&](uint64_t hash, std::string_view key) -> Status {
      const Group group = side.table.find(hash, key);
      if (group == state::BagTable::kNone || first_time(side, group) != time) return {};
      MR_TRY(drop_rows(port, group, out));
      if (const std::optional<int64_t> next = first_time(side, group)) side.earliest.add(*next, hash, key);
      return {};
    }));
  }
  return flush_kept_alone(port, out);
}

/// Rows that never met a partner are final now.
Status TimeJoinOperator::drop_rows(size_t port, Group group, Output& out) {
  TimeJoinSide& side = *sides_[port];
  std::vector<std::pair<std::string_view, int64_t>> rows;
  const int64_t last = add_time(add_time(watermark_, -1), -side.keep_for);
  MR_TRY(for_each_between(side.table, group, INT64_MIN, last, [&](std::string_view row, int64_t count) -> Status {
    rows.emplace_back(row, count);
    return {};
  }));
  ++stats.groups_touched;
  for (const auto& [row, count] : rows) {
    if (join_.emit_on_close && side.lonely_sign > 0 && count % 2 == 0) {
      MR_TRY(give_kept_alone(port, row, count >> 1, out));
    }
    side.table.add(group, hash_bytes(row), row, -count);
  }
  return {};
}

Made make_time_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  const auto& join = std::get<plan::TimeJoin>(node.operation);
  if (!inputs[0]->append_only || !inputs[1]->append_only)
    return internal_error("a join bounded by time was planned over rows that are taken back");
  return {std::make_unique<TimeJoinOperator>(node, join, inputs, context)};
}

}  // namespace millrace::dataflow
