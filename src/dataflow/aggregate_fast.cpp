// GROUP BY where every call keeps a running result. At the end of a step each touched group gives its old row (−1) and
// its new one (+1), when they differ. Table slots: 0 the groups; 1 + 2i and 2 + 2i the CallTables of call i.
#include "base/hash.h"
#include "dataflow/fast_calls.h"
#include "dataflow/operators.h"
#include "dataflow/window_bound.h"

namespace millrace::dataflow {
namespace {

constexpr size_t kPrefetchAhead = 16;

class AggregateFast final : public Operator {
 public:
  AggregateFast(const plan::Node& node, const plan::Aggregate& aggregate, const plan::Node& input, FastCalls calls,
                const OperatorContext& context)
      : Operator(node),
        context_(context),
        order_column_(input.order_column),
        group_columns_(aggregate.group_columns.size()),
        calls_(std::move(calls)),
        keys_(input.output.types(), aggregate.group_columns),
        key_types_(types_of(input.output, aggregate.group_columns)),
        builder_(node.output.types()),
        old_(calls_.accumulators.size()),
        new_(calls_.accumulators.size()) {
    whole_step_ = aggregate.window && aggregate.window->close == plan::WindowClose::kWholeStep;
    if (aggregate.window && !whole_step_) window_.emplace(*aggregate.window, aggregate, input);
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

  Status prepare();
  void find_groups(const batch::Batch& batch);
  bool drop_late(const batch::Batch& batch, size_t row, std::optional<int64_t>& closes_at);
  void touch(const Slot& slot, uint64_t hash, std::string_view key);
  Status change(const Touched& touched);
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
  FastCalls calls_;
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
  std::vector<std::string_view> old_views_, new_views_;  // of calls_.bytes_calls
};

/// After a restore: the open windows. Without GROUP BY: the one group.
Status AggregateFast::prepare() {
  if (ready_) return {};
  ready_ = true;
  if (global() && context_.owns_global_group) {
    const Slot slot = groups_.find_or_insert(hash_bytes({}), {}, calls_.value_length);
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
  result_of(calls_.accumulators[static_cast<size_t>(window_->end_call())], value, end);
  int64_t micros;
  std::memcpy(&micros, end.bytes, sizeof micros);
  if (end.null || micros == INT64_MAX || micros == -INT64_MAX) return std::nullopt;
  return window_->closes_after(micros);
}

Status AggregateFast::push(size_t, const batch::Batch& batch, Output&) {
  MR_TRY(prepare());
  find_groups(batch);
  calls_.update(batch, states_, key_buffer_);
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
    const Slot slot = groups_.find_or_insert(key_buffer_.hash(row), key_buffer_.row(row), calls_.value_length);
    if (slot.inserted && closes_at) window_->add(*closes_at, key_buffer_.hash(row), key_buffer_.row(row));
    if (header(slot.value).touched == 0) touch(slot, key_buffer_.hash(row), key_buffer_.row(row));
    header(slot.value).rows += batch.diff(row);
    states_[row] = slot.value;
  }
}

void AggregateFast::touch(const Slot& slot, uint64_t hash, std::string_view key) {
  touched_.push_back(Touched{slot, old_values_.size(), old_bytes_.size()});
  old_values_.insert(old_values_.end(), slot.value, slot.value + calls_.value_length);
  const bool is_given_once = window_ && window_->emit_on_close();
  for (const size_t call : calls_.bytes_calls)
    old_bytes_.emplace_back(slot.inserted || is_given_once ? std::string_view() : calls_.beside[call]->result_bytes(hash, key));
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
  MR_TRY(calls_.finish_step());
  return push_all(builder_, out, stats);
}

bool AggregateFast::same_results(const Touched& touched, uint64_t hash, std::string_view key) {
  bool same = true;
  for (size_t i = 0; i < old_.size(); ++i) {
    same &= old_[i].null == new_[i].null;
    same &= calls_.gives_bytes(i) || std::memcmp(old_[i].bytes, new_[i].bytes, sizeof new_[i].bytes) == 0;
  }
  old_views_.clear();
  for (size_t i = 0; i < calls_.bytes_calls.size(); ++i) old_views_.push_back(old_bytes_[touched.first_bytes + i]);
  find_new_views(hash, key);
  for (size_t i = 0; i < calls_.bytes_calls.size(); ++i)
    same &= old_[calls_.bytes_calls[i]].null || old_views_[i] == new_views_[i];
  return same;
}

/// Sets new_views_; new_ is set.
void AggregateFast::find_new_views(uint64_t hash, std::string_view key) {
  new_views_.clear();
  for (const size_t call : calls_.bytes_calls)
    new_views_.push_back(new_[call].null ? std::string_view() : calls_.beside[call]->result_bytes(hash, key));
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
  MR_TRY(calls_.settle(hash, key, value));
  if (window_ && window_->emit_on_close()) {
    if (now.rows == 0) erase(hash, key);
    return {};
  }
  const bool stood = before.flags & kGroupEmitted;
  const bool had_failed = before.flags & kGroupFailed;
  const bool exists = now.rows > 0 || global();
  const bool fails = !calls_.results(value, new_) && exists;
  const bool stands = exists && !fails;
  now.flags = (stands ? kGroupEmitted : 0) | (fails ? kGroupFailed : 0);
  calls_.results(old_value, old_);
  const bool same = same_results(touched, hash, key);
  if (had_failed != fails) MR_TRY(report(key, fails ? 1 : -1));
  if (stood && !(stands && same)) MR_TRY(emit(key, old_, old_views_, -1));
  if (stands && !(stood && same)) MR_TRY(emit(key, new_, new_views_, 1));
  if (!exists || whole_step_) erase(hash, key);
  return {};
}

void AggregateFast::erase(uint64_t hash, std::string_view key) {
  calls_.forget(hash, key);
  groups_.erase(hash, key);
}

Status AggregateFast::emit(std::string_view key, const std::vector<Cell>& cells,
                           const std::vector<std::string_view>& views, int64_t diff) {
  batch::Batch& batch = builder_.current();
  const size_t row = builder_.row();
  MR_TRY(keys_.decode(key, batch, row));
  calls_.write_cells(cells, batch, row, group_columns_);
  for (size_t i = 0; i < calls_.bytes_calls.size(); ++i) {
    const size_t call = calls_.bytes_calls[i];
    if (!cells[call].null) MR_TRY(calls_.beside[call]->write_result(views[i], batch, row, group_columns_ + call));
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
  context_.side->row_failed(node_.id, "aggregate", group, 0, 0, kOutOfRange);
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
      if (calls_.results(slot.value, new_)) {
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
  calls_.add_tables(node_.id, 1, tables);
  return tables;
}

}  // namespace

Made make_aggregate_fast(const plan::Node& node, const Inputs& inputs, const OperatorContext& context) {
  const auto& aggregate = std::get<plan::Aggregate>(node.operation);
  const plan::Node& input = *inputs[0];
  MR_ASSIGN(FastCalls calls, FastCalls::make(aggregate.calls, input, aggregate.window.has_value()));
  return {std::make_unique<AggregateFast>(node, aggregate, input, std::move(calls), context)};
}

}  // namespace millrace::dataflow
