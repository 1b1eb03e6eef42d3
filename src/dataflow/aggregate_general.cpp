// GROUP BY with some call that has no fast form: the rows of each group are kept, and DuckDB computes these calls of the
// touched groups anew, in one query a step; the others keep running results. (Plans of before have a fragment of all
// calls.) Slot 0: the columns that the calls of the fragment read, key → rows. Slot 1: key → the result that stands in
// the output ('r' and the encoded results), or 'f' for a group that failed. Slot 2: key → the states of the fast calls;
// from 3 on what these keep beside.
#include <numeric>

#include "base/hash.h"
#include "dataflow/fast_calls.h"
#include "dataflow/fragment_groups.h"
#include "dataflow/operators.h"
#include "dataflow/window_bound.h"

namespace millrace::dataflow {
namespace {

constexpr char kResult = 'r';
constexpr char kFailed = 'f';

std::vector<batch::Type> result_types(const plan::Aggregate& aggregate) {
  std::vector<batch::Type> types;
  for (const plan::AggregateCall& call : aggregate.calls) types.push_back(call.result);
  return types;
}

std::vector<uint32_t> call_places(const plan::Aggregate& aggregate) {
  std::vector<uint32_t> places(aggregate.calls.size());
  std::iota(places.begin(), places.end(), 0);
  return places;
}

constexpr uint8_t kFirstCallSlot = 3;

/// The calls that the fragment does not compute.
std::vector<plan::AggregateCall> fast_calls(const plan::Aggregate& aggregate) {
  std::vector<plan::AggregateCall> calls;
  if (aggregate.general.expressions().size() == aggregate.calls.size()) return calls;
  for (const plan::AggregateCall& call : aggregate.calls) {
    if (call.kind != plan::AggregateKind::kGeneral) calls.push_back(call);
  }
  return calls;
}

/// Of each call: where its result is in the group number, the fragment's results, the fast results.
std::vector<uint32_t> result_places(const plan::Aggregate& aggregate, size_t fast) {
  std::vector<uint32_t> places;
  uint32_t next_general = 1, next_fast = static_cast<uint32_t>(1 + aggregate.calls.size() - fast);
  for (const plan::AggregateCall& call : aggregate.calls) {
    const bool is_fast = fast > 0 && call.kind != plan::AggregateKind::kGeneral;
    places.push_back(is_fast ? next_fast++ : next_general++);
  }
  return places;
}

class AggregateGeneral final : public Operator {
 public:
  AggregateGeneral(const plan::Node& node, const plan::Aggregate& aggregate, const plan::Node& input, FastCalls fast,
                   const OperatorContext& context)
      : Operator(node),
        context_(context),
        order_column_(input.order_column),
        group_columns_(aggregate.group_columns.size()),
        keys_(input.output.types(), aggregate.group_columns),
        rows_(input.output.types(), aggregate.general_columns, batch::RowForm::kExact),
        results_codec_(result_types(aggregate), call_places(aggregate), batch::RowForm::kExact),
        fragment_(*context.session, aggregate.general, rows_),
        result_columns_(result_places(aggregate, fast.accumulators.size())),
        fast_(std::move(fast)),
        cells_(fast_.accumulators.size()),
        builder_(node.output.types()) {
    whole_step_ = aggregate.window && aggregate.window->close == plan::WindowClose::kWholeStep;
    if (aggregate.window && !whole_step_) window_.emplace(*aggregate.window, aggregate, input);
    for (const Accumulator& call : fast_.accumulators) fast_types_.push_back(call.result);
  }

  Status push(size_t, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  bool owes_rows() override {
    return !ready_ && group_columns_ == 0 && context_.owns_global_group && !results_.find(hash_bytes({}), {});
  }
  void advance(Timestamp watermark) override {
    if (window_) window_->advance(watermark);
  }
  bool due_at(Timestamp watermark) const override { return window_ && window_->due_at(watermark); }
  std::vector<state::TableRef> tables() override {
    std::vector<state::TableRef> tables{{{node_.id, 0}, &groups_}, {{node_.id, 1}, &results_}};
    if (has_fast()) tables.push_back({{node_.id, 2}, &states_});
    fast_.add_tables(node_.id, kFirstCallSlot, tables);
    return tables;
  }

 private:
  using Group = state::BagTable::Group;
  using Slot = state::ValueTable::Slot;

  Status prepare();
  bool drop_late(const batch::Batch& batch, size_t row, std::optional<int64_t>& closes_at);
  void touch(Group group);
  bool has_fast() const { return !fast_.accumulators.empty(); }
  Slot state_of(Group group) {
    return states_.find_or_insert(groups_.hash_of(group), groups_.key_of(group), fast_.value_length);
  }
  Status settle();
  Status encode(const std::vector<Group>& groups, const batch::Batch& results);
  void forget(Group group);
  bool waits_for_close() const { return window_ && window_->emit_on_close(); }
  Status recompute(const std::vector<Group>& groups);
  void feed(Group group, const std::function<void(std::string_view, int64_t)>& add);
  Status stand(Group group, std::string_view value, std::string_view message);
  Status retract(Group group);
  Status emit(std::string_view key, std::string_view results, int64_t diff);
  Status report(std::string_view key, int64_t diff, std::string_view message);
  Result<std::optional<int64_t>> closes_at(uint64_t hash, std::string_view key);
  Status close_windows();

  OperatorContext context_;
  int32_t order_column_;
  size_t group_columns_;
  batch::RowCodec keys_;
  batch::RowCodec rows_;
  batch::RowCodec results_codec_;
  FragmentGroups fragment_;
  std::vector<uint32_t> result_columns_;  // of a fragment's output, and the fast results behind it
  FastCalls fast_;
  std::vector<batch::Type> fast_types_;
  std::optional<WindowTracker> window_;
  bool whole_step_ = false;  // groups come whole, and are forgotten once they are given
  state::BagTable groups_;
  state::ValueTable results_;
  state::ValueTable states_;
  bool ready_ = false;

  batch::RowBuffer key_buffer_, row_buffer_, result_buffer_;
  std::vector<Group> touched_;
  std::vector<bool> is_touched_;  // by group
  std::vector<char*> states_of_rows_;
  std::vector<Cell> cells_;
  std::vector<bool> fits_;  // by row of a fragment's output
  bool negative_ = false;
  batch::BatchBuilder builder_;
};

/// After a restore: the open windows. Without GROUP BY: the one group.
Status AggregateGeneral::prepare() {
  if (ready_) return {};
  if (owes_rows()) touch(groups_.find_or_insert(hash_bytes({}), {}));
  ready_ = true;
  if (!window_) return {};
  Status status;
  groups_.for_each_group_key([&](uint64_t hash, std::string_view key) {
    if (window_->end_call() >= 0) {
      auto at = closes_at(hash, key);
      if (!at.ok()) status = std::move(at).error();
      if (at.ok() && *at) window_->add(**at, hash, key);
    } else {
      status = window_->add_restored(hash, key);
    }
    return status.ok();
  });
  return status;
}

/// When the group closes, by the result of its end_call(); a group that failed closes when it is first due.
Result<std::optional<int64_t>> AggregateGeneral::closes_at(uint64_t hash, std::string_view key) {
  const Slot result = results_.find(hash, key);
  if (!result || result.view()[0] != kResult) return std::optional<int64_t>(INT64_MIN);
  batch::Batch results(results_codec_.types());
  results.set_rows(1);
  MR_TRY(results_codec_.decode(result.view().substr(1), results, 0));
  const batch::ColumnView end = results.column(static_cast<size_t>(window_->end_call()));
  if (end.is_null(0)) return std::optional<int64_t>();
  const int64_t micros = end.at<int64_t>(0);
  if (micros == INT64_MAX || micros == -INT64_MAX) return std::optional<int64_t>();
  return std::optional<int64_t>(window_->closes_after(micros));
}

bool AggregateGeneral::drop_late(const batch::Batch& batch, size_t row, std::optional<int64_t>& closes_at) {
  closes_at = window_->closes_at(batch, row);
  if (!closes_at || !window_->is_late(batch, row, *closes_at)) return false;
  if (!window_->reports_late()) return true;
  ++stats.rows_late;
  context_.side->row_late(node_.id, 0, batch, row, order_of(batch, order_column_, row));
  return true;
}

void AggregateGeneral::touch(Group group) {
  if (group >= is_touched_.size()) is_touched_.resize(group + group / 2 + 64, false);
  if (is_touched_[group]) return;
  is_touched_[group] = true;
  touched_.push_back(group);
}

Status AggregateGeneral::push(size_t, const batch::Batch& batch, Output&) {
  MR_TRY(prepare());
  keys_.encode(batch, key_buffer_);
  rows_.encode(batch, row_buffer_);
  states_of_rows_.assign(batch.rows(), nullptr);
  for (size_t row = 0; row < batch.rows(); ++row) {
    std::optional<int64_t> closes_at;
    if (window_ && drop_late(batch, row, closes_at)) continue;
    const Group group = groups_.find_or_insert(key_buffer_.hash(row), key_buffer_.row(row));
    if (closes_at && groups_.rows(group) == 0) window_->add(*closes_at, key_buffer_.hash(row), key_buffer_.row(row));
    groups_.add(group, row_buffer_.hash(row), row_buffer_.row(row), batch.diff(row));
    if (has_fast()) {
      const Slot slot = state_of(group);
      states_of_rows_[row] = slot.value;
      reinterpret_cast<GroupHeader*>(slot.value)->rows += batch.diff(row);
      if (group >= is_touched_.size() || !is_touched_[group]) states_.mark_dirty(slot);
    }
    touch(group);
  }
  fast_.update(batch, states_of_rows_, key_buffer_);
  return {};
}

Status AggregateGeneral::finish(Output& out) {
  MR_TRY(prepare());
  stats.groups_touched += touched_.size();
  MR_TRY(settle());
  for (Group group : touched_) is_touched_[group] = false;
  std::vector<Group> filled;
  for (Group group : touched_) {
    if (groups_.rows(group) > 0) {
      filled.push_back(group);
    } else if (group_columns_ == 0) {
      MR_TRY(recompute({group}));  // over no rows: a query of its own
      forget(group);
    } else {
      MR_TRY(retract(group));
      forget(group);
    }
  }
  if (!waits_for_close()) MR_TRY(recompute(filled));
  for (Group group : whole_step_ ? touched_ : std::vector<Group>()) {
    results_.erase(groups_.hash_of(group), groups_.key_of(group));
    forget(group);
    groups_.clear_group(group);
  }
  touched_.clear();
  if (window_ && window_->due()) MR_TRY(close_windows());
  MR_TRY(fast_.finish_step());
  groups_.release_empty();
  return push_all(builder_, out, stats);
}

/// Makes the states of the touched groups exact.
Status AggregateGeneral::settle() {
  if (!has_fast()) return {};
  for (Group group : touched_) {
    const Slot slot = state_of(group);
    MR_TRY(fast_.settle(groups_.hash_of(group), groups_.key_of(group), slot.value));
    states_.mark_dirty(slot);
  }
  return {};
}

/// The group ended.
void AggregateGeneral::forget(Group group) {
  if (!has_fast()) return;
  fast_.forget(groups_.hash_of(group), groups_.key_of(group));
  states_.erase(groups_.hash_of(group), groups_.key_of(group));
}

void AggregateGeneral::feed(Group group, const std::function<void(std::string_view, int64_t)>& add) {
  groups_.for_each_row(group, [&](std::string_view row, int64_t count) {
    negative_ |= count < 0;
    add(row, count);
  });
}

/// Computes the results of these groups and emits what changed.
Status AggregateGeneral::recompute(const std::vector<Group>& groups) {
  std::string value;
  const auto take = [&](size_t group, const batch::Batch& results, size_t row) -> Status {
    if (row == 0) MR_TRY(encode(groups, results));
    if (!fits_[row]) return stand(groups[group], {&kFailed, 1}, kOutOfRange);
    value.assign(1, kResult).append(result_buffer_.row(row));
    return stand(groups[group], value, {});
  };
  const auto fail = [&](size_t group, std::string_view message) {
    return stand(groups[group], {&kFailed, 1}, message);
  };
  MR_TRY(fragment_.run(
      groups.size(), [&](size_t group, const auto& add) { feed(groups[group], add); }, take, fail));
  if (negative_) return internal_error("an aggregate was asked to take away rows that it never got");
  return {};
}

/// Sets result_buffer_ to the results of all calls, where they fit. `groups`: by group number.
Status AggregateGeneral::encode(const std::vector<Group>& groups, const batch::Batch& results) {
  fits_.assign(results.rows(), true);
  if (!has_fast()) {
    results_codec_.encode(results.project(result_columns_), result_buffer_);
    return {};
  }
  batch::Batch fast(fast_types_);
  fast.set_rows(results.rows());
  const batch::ColumnView numbers = results.column(0);
  for (size_t row = 0; row < results.rows(); ++row) {
    const Group group = groups[static_cast<size_t>(numbers.at<int64_t>(row))];
    fits_[row] = fast_.results(state_of(group).value, cells_);
    fast_.write_cells(cells_, fast, row, 0);
    for (const size_t call : fast_.bytes_calls) {
      if (cells_[call].null) continue;
      CallTables& tables = *fast_.beside[call];
      MR_TRY(tables.write_result(tables.result_bytes(groups_.hash_of(group), groups_.key_of(group)), fast, row, call));
    }
  }
  results_codec_.encode(batch::Batch::beside(results, fast).project(result_columns_), result_buffer_);
  return {};
}

/// The group's result is `value` now.
Status AggregateGeneral::stand(Group group, std::string_view value, std::string_view message) {
  const uint64_t hash = groups_.hash_of(group);
  const std::string_view key = groups_.key_of(group);
  const Slot old = results_.find(hash, key);
  if (old && old.view() == value) return {};
  if (old) MR_TRY(retract(group));
  if (waits_for_close()) {
    return value[0] == kResult ? emit(key, value.substr(1), 1) : report(key, 1, message);
  }
  results_.put(hash, key, value);
  return value[0] == kResult ? emit(key, value.substr(1), 1) : report(key, 1, message);
}

/// The group has no result any more.
Status AggregateGeneral::retract(Group group) {
  const uint64_t hash = groups_.hash_of(group);
  const std::string_view key = groups_.key_of(group);
  const Slot old = results_.find(hash, key);
  if (!old) return {};
  if (old.view()[0] == kResult) {
    MR_TRY(emit(key, old.view().substr(1), -1));
  } else {
    MR_TRY(report(key, -1, "the group is well again"));
  }
  results_.erase(hash, key);
  return {};
}

Status AggregateGeneral::emit(std::string_view key, std::string_view results, int64_t diff) {
  batch::Batch& batch = builder_.current();
  MR_TRY(keys_.decode(key, batch, builder_.row()));
  MR_TRY(results_codec_.decode(results, batch, builder_.row(), group_columns_));
  builder_.finish_row(diff);
  return {};
}

Status AggregateGeneral::report(std::string_view key, int64_t diff, std::string_view message) {
  batch::Batch group(keys_.types());
  group.set_rows(1);
  MR_TRY(keys_.decode(key, group, 0));
  group.set_diffs({diff});
  stats.rows_failed += diff > 0 ? 1 : 0;
  context_.side->row_failed(node_.id, "aggregate", group, 0, 0, message);
  return {};
}

/// Windows that are over: their results are given now, or stand for ever; their rows go.
Status AggregateGeneral::close_windows() {
  std::vector<Group> due;
  MR_TRY(window_->close_due([&](uint64_t hash, std::string_view key) -> Status {
    const Group group = groups_.find(hash, key);
    if (group == state::BagTable::kNone || groups_.rows(group) == 0) return {};
    if (window_->end_call() >= 0) {
      MR_ASSIGN(const std::optional<int64_t> at, closes_at(hash, key));
      if (at && !window_->is_due(*at)) window_->add(*at, hash, key);
      if (!at || !window_->is_due(*at)) return {};
    }
    if (group >= is_touched_.size()) is_touched_.resize(group + group / 2 + 64, false);
    if (!is_touched_[group]) due.push_back(group);
    is_touched_[group] = true;
    return {};
  }));
  if (waits_for_close()) MR_TRY(recompute(due));
  for (Group group : due) {
    is_touched_[group] = false;
    results_.erase(groups_.hash_of(group), groups_.key_of(group));
    forget(group);
    groups_.clear_group(group);
  }
  return {};
}

}  // namespace

Made make_aggregate_general(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  const auto& aggregate = std::get<plan::Aggregate>(node.operation);
  MR_ASSIGN(FastCalls fast, FastCalls::make(fast_calls(aggregate), *inputs[0], aggregate.window.has_value()));
  return {std::make_unique<AggregateGeneral>(node, aggregate, *inputs[0], std::move(fast), context)};
}

}  // namespace millrace::dataflow
