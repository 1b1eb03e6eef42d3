// FOR SYSTEM_TIME AS OF the left row's time (docs/adr/0018): left rows wait until the watermark says that no version to
// come is valid at their time, then meet the one that is.
//
// Slot 0, by key: the left rows that wait, each its time, then its output columns. Slot 1, by key: the versions, each
// its time, 16 bytes of the order column that sort as it does, 1 when the key has no row from then on, then its output
// columns. A version goes when the next one of its key is valid for every row to come.
#include <map>
#include <optional>

#include "base/hash.h"
#include "dataflow/pair_buffer.h"
#include "dataflow/timed_rows.h"

namespace millrace::dataflow {
namespace {

using Group = state::BagTable::Group;

constexpr size_t kOrderBytes = 16;
constexpr size_t kVersionHeader = kTimeBytes + kOrderBytes + 1;

bool is_deletion(std::string_view version) { return version[kTimeBytes + kOrderBytes] != 0; }

void append_order(std::string& out, batch::int128 order) {
  append_big(out, static_cast<uint64_t>(order >> 64) ^ (uint64_t{1} << 63));
  append_big(out, static_cast<uint64_t>(order));
}

struct TemporalSide {
  std::vector<uint32_t> key_columns;
  uint32_t time_column;
  int32_t order_column, watermark_column;
  batch::RowCodec keys, shown;
  state::BagTable table;
  KeysByTime look_at;  // one entry for each group, at next_look() of it; perhaps others
};

class TemporalJoinOperator final : public Operator {
 public:
  TemporalJoinOperator(const plan::Node& node, const plan::TemporalJoin& join, const Inputs& inputs,
                       const OperatorContext& context);

  Status push(size_t port, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  void advance(Timestamp watermark) override { watermark_ = std::max(watermark_, watermark.micros); }
  bool due_at(Timestamp watermark) const override {
    return !left().look_at.empty() && left().look_at.earliest() < first_to_come(watermark.micros);
  }
  std::vector<state::TableRef> tables() override {
    return {{{node_.id, 0}, &left().table}, {{node_.id, 1}, &right().table}};
  }

 private:
  enum class Place : uint8_t { kWaits, kAlone, kLate };

  TemporalSide& left() const { return *sides_[0]; }
  TemporalSide& right() const { return *sides_[1]; }
  /// No row to come is earlier, late ones apart.
  int64_t first_to_come(int64_t watermark) const { return add_time(watermark, -join_.allowed_lateness.micros); }
  std::optional<int64_t> next_look(size_t port, Group group) const;
  void place_rows(size_t port, const batch::Batch& batch);
  void keep(size_t port, uint32_t row, int64_t time, int64_t diff);
  void prepare();
  Status give_due(Output& out);
  Status give_left(Group group, int64_t before, uint64_t hash, std::string_view key, Output& out);
  void drop_superseded();
  void drop_versions(Group group, int64_t until);

  OperatorContext context_;
  const plan::TemporalJoin& join_;
  std::unique_ptr<TemporalSide> sides_[2];
  PairBuffer output_;
  state::BagTable::SortedCursor versions_;
  int64_t watermark_ = INT64_MIN;
  bool ready_ = false;

  // Of one batch or group.
  batch::RowBuffer keys_, shown_;
  std::vector<Place> placed_;
  std::string kept_, bound_;
  std::vector<std::pair<std::string_view, int64_t>> rows_;
};

std::unique_ptr<TemporalSide> make_side(const plan::Node& input, const std::vector<uint32_t>& keys, uint32_t time,
                                        const std::vector<uint32_t>& output) {
  const std::vector<batch::Type> types = input.output.types();
  auto side = std::unique_ptr<TemporalSide>(new TemporalSide{keys,
                                                             time,
                                                             input.order_column,
                                                             input.watermark_column,
                                                             batch::RowCodec(types, keys),
                                                             batch::RowCodec(types, output, batch::RowForm::kExact),
                                                             {},
                                                             {}});
  side->table.keep_sorted(0);
  return side;
}

TemporalJoinOperator::TemporalJoinOperator(const plan::Node& node, const plan::TemporalJoin& join, const Inputs& inputs,
                                           const OperatorContext& context)
    : Operator(node),
      context_(context),
      join_(join),
      sides_{make_side(*inputs[0], join.left_keys, join.left_time, join.left_output),
             make_side(*inputs[1], join.right_keys, join.right_time, join.right_output)},
      output_(node.output, left().shown, right().shown),
      versions_(right().table) {}

/// When a group whose first rows these are has something to do: its first left row waits until then, or its first
/// version goes then.
std::optional<int64_t> next_look_of(size_t port, std::string_view first, std::string_view second) {
  if (first.empty()) return std::nullopt;
  if (port == 0 || is_deletion(first)) return time_of(first);
  return second.empty() ? std::nullopt : std::optional(time_of(second));
}

std::optional<int64_t> TemporalJoinOperator::next_look(size_t port, Group group) const {
  const auto [first, second] = first_rows(sides_[port]->table, group, port == 0 ? 1 : 2);
  return next_look_of(port, first, second);
}

/// After a restore: what is on disk stays there.
void TemporalJoinOperator::prepare() {
  if (ready_) return;
  ready_ = true;
  for (size_t port = 0; port < 2; ++port) {
    std::map<std::pair<uint64_t, std::string>, std::pair<std::string, std::string>> groups;  // the heads of two rows
    sides_[port]->table.for_each([&](const state::Entry& entry) {
      ByteReader reader(entry.key);
      const std::string_view key = reader.string().value();
      const std::string_view row = entry.key.substr(entry.key.size() - reader.remaining());
      const std::string_view head = row.substr(0, port == 0 ? kTimeBytes : kVersionHeader);
      auto& [first, second] = groups[{entry.hash, std::string(key)}];
      if (first.empty() || head < first) {
        second = std::exchange(first, head);
      } else if (second.empty() || head < second) {
        second = head;
      }
    });
    for (const auto& [key, heads] : groups) {
      if (const auto time = next_look_of(port, heads.first, heads.second))
        sides_[port]->look_at.add(*time, key.first, key.second);
    }
  }
}

Status TemporalJoinOperator::push(size_t port, const batch::Batch& batch, Output& out) {
  prepare();
  TemporalSide& own = *sides_[port];
  own.keys.encode(batch, keys_);
  own.shown.encode(batch, shown_);
  place_rows(port, batch);
  const batch::ColumnView times = batch.column(own.time_column);
  std::optional<batch::ColumnView> deleted;
  if (port == 1 && join_.right_deleted >= 0) deleted = batch.column(static_cast<size_t>(join_.right_deleted));
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (placed_[row] == Place::kAlone && port == 0 && join_.type == plan::JoinType::kLeft)
      MR_TRY(output_.add_alone(shown_.row(row), batch.diff(row), out, stats));
    if (placed_[row] != Place::kWaits) continue;
    kept_.clear();
    append_time(kept_, times.at<int64_t>(row));
    if (port == 1) {
      append_order(kept_, order_of(batch, own.order_column, row));
      kept_.push_back(deleted && deleted->at<bool>(row) ? 1 : 0);
    }
    kept_.append(shown_.row(row));
    keep(port, row, times.at<int64_t>(row), batch.diff(row));
  }
  return {};
}

/// NULL as time or in the key meets nothing. Late rows go aside.
void TemporalJoinOperator::place_rows(size_t port, const batch::Batch& batch) {
  const TemporalSide& own = *sides_[port];
  placed_.assign(batch.rows(), Place::kWaits);
  const batch::ColumnView times = batch.column(own.time_column);
  std::optional<batch::ColumnView> watermarks;
  if (own.watermark_column >= 0) watermarks = batch.column(static_cast<size_t>(own.watermark_column));
  for (size_t row = 0; row < batch.rows(); ++row) {
    if (times.is_null(row)) {
      placed_[row] = Place::kAlone;
      continue;
    }
    const int64_t in_time_until = add_time(times.at<int64_t>(row), join_.allowed_lateness.micros);
    const bool late = watermark_ > in_time_until ||
                      (watermarks && !watermarks->is_null(row) && watermarks->at<int64_t>(row) > in_time_until);
    if (!late) continue;
    placed_[row] = Place::kLate;
    ++stats.rows_late;
    context_.side->row_late(node_.id, port, batch, row, order_of(batch, own.order_column, row));
  }
  for (size_t i = 0; i < own.key_columns.size(); ++i) {
    const batch::ColumnView column = batch.column(own.key_columns[i]);
    if (join_.null_equals_null[i] || !column.may_have_nulls()) continue;
    for (size_t row = 0; row < batch.rows(); ++row) {
      if (column.is_null(row) && placed_[row] == Place::kWaits) placed_[row] = Place::kAlone;
    }
  }
}

void TemporalJoinOperator::keep(size_t port, uint32_t row, int64_t time, int64_t diff) {
  TemporalSide& own = *sides_[port];
  const Group group = own.table.find_or_insert(keys_.hash(row), keys_.row(row));
  const std::optional<int64_t> before = next_look(port, group);
  own.table.add(group, hash_bytes(kept_), kept_, diff);
  const std::optional<int64_t> now = port == 0 ? time : next_look(port, group);
  if (now && (!before || *now < *before)) own.look_at.add(*now, keys_.hash(row), keys_.row(row));
}

Status TemporalJoinOperator::finish(Output& out) {
  prepare();
  MR_TRY(give_due(out));
  drop_superseded();
  left().table.release_empty();
  right().table.release_empty();
  return output_.flush(out, stats);
}

Status TemporalJoinOperator::give_due(Output& out) {
  const int64_t before = first_to_come(watermark_);
  KeysByTime& look_at = left().look_at;
  while (!look_at.empty() && look_at.earliest() < before) {
    const int64_t time = look_at.earliest();
    const KeysByTime::Keys keys = look_at.take_earliest();
    MR_TRY(keys.for_each([&](uint64_t hash, std::string_view key) -> Status {
      const Group group = left().table.find(hash, key);
      if (group == state::BagTable::kNone || next_look(0, group) != time) return {};
      return give_left(group, before, hash, key, out);
    }));
  }
  return {};
}

/// The group's left rows whose time is before that, each with the last version that is not later.
Status TemporalJoinOperator::give_left(Group group, int64_t before, uint64_t hash, std::string_view key, Output& out) {
  state::BagTable& table = left().table;
  ++stats.groups_touched;
  rows_.clear();
  MR_TRY(for_each_between(table, group, INT64_MIN, before - 1, [&](std::string_view row, int64_t count) -> Status {
    rows_.emplace_back(row, count);
    return {};
  }));
  const Group versions = right().table.find(hash, key);
  for (const auto& [row, count] : rows_) {
    std::string_view version;
    int64_t copies;
    bool found = false;
    if (versions != state::BagTable::kNone) {
      bound_.assign(row.substr(0, kTimeBytes)).append(kOrderBytes, '\xff');  // no order column has all bits set
      versions_.seek(versions, bound_);
      found = versions_.previous(version, copies) && !is_deletion(version);
    }
    const std::string_view shown = row.substr(kTimeBytes);
    if (found) {
      MR_TRY(output_.add(shown, version.substr(kVersionHeader), count, out, stats));
    } else if (join_.type == plan::JoinType::kLeft) {
      MR_TRY(output_.add_alone(shown, count, out, stats));
    }
  }
  for (const auto& [row, count] : rows_) table.add(group, hash_bytes(row), row, -count);
  if (const auto next = next_look(0, group)) left().look_at.add(*next, hash, key);
  return {};
}

void TemporalJoinOperator::drop_superseded() {
  const int64_t until = first_to_come(watermark_);
  KeysByTime& look_at = right().look_at;
  while (!look_at.empty() && look_at.earliest() <= until) {
    const int64_t time = look_at.earliest();
    (void)look_at.take_earliest().for_each([&](uint64_t hash, std::string_view key) -> Status {
      const Group group = right().table.find(hash, key);
      if (group == state::BagTable::kNone || next_look(1, group) != time) return {};
      drop_versions(group, until);
      if (const auto next = next_look(1, group)) look_at.add(*next, hash, key);
      return {};
    });
  }
}

/// All versions but the last of those that are valid by then, and that one too when it says that there is no row.
void TemporalJoinOperator::drop_versions(Group group, int64_t until) {
  state::BagTable& table = right().table;
  rows_.clear();
  versions_.seek_first(group);
  std::string_view row;
  int64_t count;
  while (versions_.next(row, count) && time_of(row) <= until) rows_.emplace_back(row, count);
  if (!rows_.empty() && !is_deletion(rows_.back().first)) rows_.pop_back();
  for (const auto& [version, copies] : rows_) table.add(group, hash_bytes(version), version, -copies);
}

}  // namespace

Made make_temporal_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  if (!inputs[0]->append_only || !inputs[1]->append_only)
    return internal_error("a join with versions was planned over rows that are taken back");
  return {std::make_unique<TemporalJoinOperator>(node, std::get<plan::TemporalJoin>(node.operation), inputs, context)};
}

}  // namespace millrace::dataflow
