// GROUP BY where every call keeps a running result. At the end of a step each touched group gives its old row (−1) and
// its new one (+1), when they differ. Table slots: 0 the groups; 1 + 2i and 2 + 2i the CallTables of call i.
#include <deque>

#include "base/hash.h"
#include "dataflow/accumulator.h"
#include "dataflow/distinct_values.h"
#include "dataflow/extremes.h"
#include "dataflow/first_value.h"
#include "dataflow/operators.h"
#include "dataflow/window_bound.h"

namespace millrace::dataflow {
namespace {

constexpr size_t kCallsWithTablesMax = 120;
constexpr size_t kPrefetchAhead = 16;

class AggregateFast final : public Operator {
 public:
  AggregateFast(const plan::Node& node, const plan::Aggregate& aggregate, const plan::Node& input,
                std::vector<Accumulator> accumulators, std::vector<std::unique_ptr<CallTables>> beside,
                uint32_t value_length, const OperatorContext& context)
      : Operator(node),
        context_(context),
        order_column_(input.order_column),
        group_columns_(aggregate.group_columns.size()),
        accumulators_(std::move(accumulators)),
        beside_(std::move(beside)),
        value_length_(value_length),
        keys_(input.output.types(), aggregate.group_columns),
        key_types_(types_of(input.output, aggregate.group_columns)),
        builder_(node.output.types()),
        old_(accumulators_.size()),
        new_(accumulators_.size()) {
    whole_step_ = aggregate.window && aggregate.window->close == plan::WindowClose::kWholeStep;
    if (aggregate.window && !whole_step_) window_.emplace(*aggregate.window, aggregate, input);
    for (size_t i = 0; i < beside_.size(); ++i) {
      if (gives_bytes(i)) bytes_calls_.push_back(i);
    }
  }

  Status push(size_t, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  bool owes_rows() override {
    return !ready_ && global() && context_.owns_global_group && !groups_.find(hash_bytes({}), {});
  }
  void advance(Timestamp watermark) override {
    if (window_) window_->advance(watermark);
  }
  bool due_at(Timestamp watermark) const override { return window_ && window_->due_at(watermark); }
  std::vector<state::TableRef> tables() override;

 private:
  using Slot = state::ValueTable::Slot;
  struct Touched {
    Slot slot;
    size_t old_value;   // where its value of before the step starts in old_values_
    size_t first_bytes;  // into old_bytes_
  };

  static GroupHeader& header(char* value) { return *reinterpret_cast<GroupHeader*>(value); }
  static const GroupHeader& header(const char* value) { return *reinterpret_cast<const GroupHeader*>(value); }
  bool global() const { return group_columns_ == 0; }
  bool gives_bytes(size_t call) const { return beside_[call] && beside_[call]->gives_bytes(); }

  Status prepare();
  void find_groups(const batch::Batch& batch);
  bool drop_late(const batch::Batch& batch, size_t row, std::optional<int64_t>& closes_at);
  void touch(const Slot& slot, uint64_t hash, std::string_view key);
  Status change(const Touched& touched);
  bool results(const char* value, std::vector<Cell>& cells);
  void find_new_views(uint64_t hash, std::string_view key);
  bool same_results(const Touched& touched, uint64_t hash, std::string_view key);
  Status emit(std::string_view key, const std::vector<Cell>& cells, const std::vector<std::string_view>& views,
              int64_t diff);
  Status report(std::string_view key, int64_t diff);
  std::optional<int64_t> closes_at(const char* value);
  Status close_windows();
  void erase(uint64_t hash, std::string_view key);

  OperatorContext context_;
  int32_t order_column_;
  size_t group_columns_;
  std::vector<Accumulator> accumulators_;
  std::vector<std::unique_ptr<CallTables>> beside_;  // one a call; null: nothing, or with an earlier call
  std::vector<size_t> bytes_calls_;                  // whose results are bytes
  uint32_t value_length_;
  batch::RowCodec keys_;
  std::vector<batch::Type> key_types_;
  std::optional<WindowTracker> window_;
  bool whole_step_ = false;  // groups come whole, and are forgotten once they are given
  state::ValueTable groups_;
  bool ready_ = false;

  // Of one batch.
  batch::RowBuffer key_buffer_;
  std::vector<char*> states_;
  // Of one step.
  std::vector<Touched> touched_;
  std::vector<char> old_values_;
  std::vector<std::string> old_bytes_;
  batch::BatchBuilder builder_;
  std::vector<Cell> old_, new_;
  std::vector<std::string_view> old_views_, new_views_;  // of bytes_calls_
};

/// After a restore: the open windows. Without GROUP BY: the one group.
Status AggregateFast::prepare() {
  if (ready_) return {};
  ready_ = true;
  if (global() && context_.owns_global_group) {
    const Slot slot = groups_.find_or_insert(hash_bytes({}), {}, value_length_);
    if (slot.inserted) touch(slot, hash_bytes({}), {});
  }
  if (!window_) return {};
  Status status;
  groups_.for_each([&](const state::Entry& entry) {
    if (window_->end_call() >= 0) {
      const std::string value(entry.payload);  // aligned
      if (const auto at = closes_at(value.data())) window_->add(*at, entry.hash, entry.key);
    } else if (status.ok()) {
      status = window_->add_restored(entry.hash, entry.key);
    }
  });
  return status;
}

/// When the group of this value closes, by its end_call().
std::optional<int64_t> AggregateFast::closes_at(const char* value) {
  Cell end;
  result_of(accumulators_[static_cast<size_t>(window_->end_call())], value, end);
  int64_t micros;
  std::memcpy(&micros, end.bytes, sizeof micros);
  if (end.null || micros == INT64_MAX || micros == -INT64_MAX) return std::nullopt;
  return window_->closes_after(micros);
}

Status AggregateFast::push(size_t, const batch::Batch& batch, Output&) {
  MR_TRY(prepare());
  find_groups(batch);
  for (size_t i = 0; i < accumulators_.size(); ++i) {
    if (beside_[i]) {
      beside_[i]->update(batch, states_, key_buffer_);
    } else if (!accumulators_[i].distinct) {
      accumulate(accumulators_[i], batch, states_);
    }
  }
  return {};
}

bool AggregateFast::drop_late(const batch::Batch& batch, size_t row, std::optional<int64_t>& closes_at) {
  closes_at = window_->closes_at(batch, row);
  if (!closes_at || !window_->is_late(batch, row, *closes_at)) return false;
  if (!window_->reports_late()) return true;
  ++stats.rows_late;
  context_.side->row_late(node_.id, 0, batch, row, order_of(batch, order_column_, row));
  return true;
}

/// Sets states_ to each row's group, nullptr for late rows, and counts the rows.
void AggregateFast::find_groups(const batch::Batch& batch) {
  const size_t rows = batch.rows();
  states_.assign(rows, nullptr);
  keys_.encode(batch, key_buffer_);
  const bool far_apart = groups_.memory_bytes() > (1U << 20);
  for (size_t row = 0; row < rows; ++row) {
    if (far_apart && row + kPrefetchAhead < rows) groups_.prefetch(key_buffer_.hash(row + kPrefetchAhead));
    if (far_apart && row + kPrefetchAhead / 2 < rows)
      groups_.prefetch_entry(key_buffer_.hash(row + kPrefetchAhead / 2));
    std::optional<int64_t> closes_at;
    if (window_ && drop_late(batch, row, closes_at)) continue;
    const Slot slot = groups_.find_or_insert(key_buffer_.hash(row), key_buffer_.row(row), value_length_);
    if (slot.inserted && closes_at) window_->add(*closes_at, key_buffer_.hash(row), key_buffer_.row(row));
    if (header(slot.value).touched == 0) touch(slot, key_buffer_.hash(row), key_buffer_.row(row));
    header(slot.value).rows += batch.diff(row);
    states_[row] = slot.value;
  }
}

void AggregateFast::touch(const Slot& slot, uint64_t hash, std::string_view key) {
  touched_.push_back(Touched{slot, old_values_.size(), old_bytes_.size()});
  old_values_.insert(old_values_.end(), slot.value, slot.value + value_length_);
  for (const size_t call : bytes_calls_)
    old_bytes_.emplace_back(slot.inserted ? std::string_view() : beside_[call]->result_bytes(hash, key));
  header(slot.value).touched = static_cast<uint32_t>(touched_.size());
  groups_.mark_dirty(slot);
}

Status AggregateFast::finish(Output& out) {
  MR_TRY(prepare());
  stats.groups_touched += touched_.size();
  for (const Touched& touched : touched_) MR_TRY(change(touched));
  touched_.clear();
  old_values_.clear();
  old_bytes_.clear();
  if (window_ && window_->due()) MR_TRY(close_windows());
  for (auto& tables : beside_) {
    if (tables) MR_TRY(tables->finish_step());
  }
  return push_all(builder_, out, stats);
}

/// All results of a group; false when one overflows.
bool AggregateFast::results(const char* value, std::vector<Cell>& cells) {
  bool fits = true;
  for (size_t i = 0; i < accumulators_.size(); ++i) {
    cells[i] = Cell{};
    fits &= result_of(accumulators_[i], value, cells[i]);
  }
  return fits;
}

bool AggregateFast::same_results(const Touched& touched, uint64_t hash, std::string_view key) {
  bool same = true;
  for (size_t i = 0; i < accumulators_.size(); ++i) {
    same &= old_[i].null == new_[i].null;
    same &= gives_bytes(i) || std::memcmp(old_[i].bytes, new_[i].bytes, sizeof new_[i].bytes) == 0;
  }
  old_views_.clear();
  for (size_t i = 0; i < bytes_calls_.size(); ++i) old_views_.push_back(old_bytes_[touched.first_bytes + i]);
  find_new_views(hash, key);
  for (size_t i = 0; i < bytes_calls_.size(); ++i)
    same &= old_[bytes_calls_[i]].null || old_views_[i] == new_views_[i];
  return same;
}

/// Sets new_views_; new_ is set.
void AggregateFast::find_new_views(uint64_t hash, std::string_view key) {
  new_views_.clear();
  for (const size_t call : bytes_calls_)
    new_views_.push_back(new_[call].null ? std::string_view() : beside_[call]->result_bytes(hash, key));
}

/// Compares a touched group with what it was before the step and emits the difference.
Status AggregateFast::change(const Touched& touched) {
  char* value = touched.slot.value;
  const char* old_value = old_values_.data() + touched.old_value;
  const std::string_view key = groups_.key_of(touched.slot);
  const uint64_t hash = groups_.hash_of(touched.slot);
  GroupHeader& now = header(value);
  const GroupHeader& before = header(old_value);
  now.touched = 0;
  if (now.rows < 0) return internal_error("an aggregate was asked to take away rows that it never got");
  for (auto& tables : beside_) {
    if (tables) MR_TRY(tables->settle(hash, key, value));
  }
  if (window_ && window_->emit_on_close()) {
    if (now.rows == 0) erase(hash, key);
    return {};
  }
  const bool stood = before.flags & kGroupEmitted;
  const bool had_failed = before.flags & kGroupFailed;
  const bool exists = now.rows > 0 || global();
  const bool fails = !results(value, new_) && exists;
  const bool stands = exists && !fails;
  now.flags = (stands ? kGroupEmitted : 0) | (fails ? kGroupFailed : 0);
  results(old_value, old_);
  const bool same = same_results(touched, hash, key);
  if (had_failed != fails) MR_TRY(report(key, fails ? 1 : -1));
  if (stood && !(stands && same)) MR_TRY(emit(key, old_, old_views_, -1));
  if (stands && !(stood && same)) MR_TRY(emit(key, new_, new_views_, 1));
  if (!exists || whole_step_) erase(hash, key);
  return {};
}

void AggregateFast::erase(uint64_t hash, std::string_view key) {
  for (auto& tables : beside_) {
    if (tables) tables->forget(hash, key);
  }
  groups_.erase(hash, key);
}

Status AggregateFast::emit(std::string_view key, const std::vector<Cell>& cells,
                           const std::vector<std::string_view>& views, int64_t diff) {
  batch::Batch& batch = builder_.current();
  const size_t row = builder_.row();
  MR_TRY(keys_.decode(key, batch, row));
  for (size_t i = 0; i < cells.size(); ++i) {
    batch::MutableColumn column = batch.mutable_column(group_columns_ + i);
    if (cells[i].null) {
      column.set_null(row);
    } else if (!gives_bytes(i)) {
      const size_t width = accumulators_[i].result.width();
      std::memcpy(column.values<char>() + row * width, cells[i].bytes, width);
    }
  }
  for (size_t i = 0; i < bytes_calls_.size(); ++i) {
    const size_t call = bytes_calls_[i];
    if (!cells[call].null) MR_TRY(beside_[call]->write_result(views[i], batch, row, group_columns_ + call));
  }
  builder_.finish_row(diff);
  return {};
}

/// The group's result overflows, or does no longer.
Status AggregateFast::report(std::string_view key, int64_t diff) {
  batch::Batch group(key_types_);
  group.set_rows(1);
  MR_TRY(keys_.decode(key, group, 0));
  group.set_diffs({diff});
  stats.rows_failed += diff > 0 ? 1 : 0;
  context_.side->row_failed(node_.id, "aggregate", group, 0, 0,
                            "a result over this group is out of the range of its type");
  return {};
}

Status AggregateFast::close_windows() {
  return window_->close_due([&](uint64_t hash, std::string_view key) -> Status {
    const Slot slot = groups_.find(hash, key);
    if (!slot) return {};
    if (window_->end_call() >= 0) {
      const std::optional<int64_t> at = closes_at(slot.value);
      if (at && !window_->is_due(*at)) window_->add(*at, hash, key);
      if (!at || !window_->is_due(*at)) return {};
    }
    if (window_->emit_on_close()) {
      if (results(slot.value, new_)) {
        find_new_views(hash, key);
        MR_TRY(emit(key, new_, new_views_, 1));
      } else {
        MR_TRY(report(key, 1));
      }
    }
    erase(hash, key);
    return {};
  });
}

std::vector<state::TableRef> AggregateFast::tables() {
  std::vector<state::TableRef> tables{{{node_.id, 0}, &groups_}};
  for (size_t i = 0; i < beside_.size(); ++i) {
    if (!beside_[i]) continue;
    const std::array<state::Table*, 2> two = beside_[i]->tables();
    for (size_t j = 0; j < two.size(); ++j)
      tables.push_back({{node_.id, static_cast<uint8_t>(1 + 2 * i + j)}, two[j]});
  }
  return tables;
}

}  // namespace

Made make_aggregate_fast(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  const auto& aggregate = std::get<plan::Aggregate>(node.operation);
  const plan::Node& input = *inputs[0];
  uint32_t value_length = 0;
  MR_ASSIGN(std::vector<Accumulator> accumulators, make_accumulators(aggregate.calls, input.output, value_length));
  std::vector<std::unique_ptr<CallTables>> beside(accumulators.size());
  add_distinct_values(accumulators, input, aggregate.window.has_value(), beside);
  for (size_t i = 0; i < accumulators.size(); ++i) {
    const Accumulator& accumulator = accumulators[i];
    if (is_append_only(accumulator.state) && !input.append_only) {
      return internal_error("a call that takes no retractions was planned as fast over a changing input: " +
                            aggregate.calls[i].text);
    }
    if (accumulator.state == StateKind::kExtreme) {
      MR_ASSIGN(beside[i], Extremes::make(accumulator, input.append_only));
    }
    if (accumulator.state == StateKind::kFirst) beside[i] = std::make_unique<FirstValue>(accumulator, input);
    if (beside[i] && i >= kCallsWithTablesMax)
      return user_error(sqlstate::kTooLarge, "too many aggregates in one SELECT: more than 120");
  }
  return {std::make_unique<AggregateFast>(node, aggregate, input, std::move(accumulators), std::move(beside),
                                          value_length, context)};
}

}  // namespace millrace::dataflow
