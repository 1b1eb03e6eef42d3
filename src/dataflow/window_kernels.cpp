// OVER (…) for calls with kernels: row_number, rank, dense_rank, lead, lag, first_value, and running sums, counts,
// extremes and last_value. Slot 0 holds the rows of each partition in order.
//
// At the end of a step each touched partition is read from its first change on, as far as results can differ
// (window_slice.h); from the rows and the step's changes both the old and the new sequence are known, and only rows
// whose results differ are emitted.
//
// Slot 1 holds, of large partitions, what the running calls give over all rows. What they give at a row is that, less
// the rows from there on; sums of floating numbers and extremes, which cannot be taken back, go on from there when all
// changes stand behind the former last row, and start from the partition's first row otherwise.
#include <algorithm>
#include <deque>

#include "base/bytes.h"
#include "dataflow/operators.h"
#include "dataflow/running.h"
#include "dataflow/window_output.h"
#include "dataflow/window_slice.h"

namespace millrace::dataflow {
namespace {

using plan::WindowKind;
using Item = WindowSlice::Item;

constexpr size_t kPrefetchAhead = 8;

/// One order of the slice's rows, before or after the step. Copies of a row stand one after another.
struct Sequence {
  bool old = false;
  std::vector<uint32_t> items;  // at each position, from the slice's base on
  std::vector<uint32_t> start;  // of each item: its first position
  std::vector<int64_t> rank;    // of each item
  std::vector<int64_t> dense_rank;
  int64_t dense_ranks = 0;  // up to the slice's end
  // While the rows are gone through:
  std::vector<RunningValue> running;     // by running call
  std::vector<std::string_view> at_end;  // by call: of the current peers, the last one's argument
  int64_t count(const Item& item) const { return old ? item.before() : item.now; }
};

bool is_running(WindowKind kind) { return kind > WindowKind::kLastValue; }

/// How far a change reaches for these calls.
WindowReach reach_of(const plan::Window& window, const std::vector<CallPieces>& pieces,
                     const std::vector<RunningCall>& running) {
  WindowReach reach;
  for (size_t i = 0; i < window.calls.size(); ++i) {
    const plan::WindowCall& call = window.calls[i];
    int64_t ahead = 0;
    if (call.kind == WindowKind::kLead) ahead = call.offset;
    if (call.kind == WindowKind::kLag) ahead = -std::max(call.offset, -INT64_MAX);
    reach.ahead = std::max(reach.ahead, ahead);
    reach.behind = std::max(reach.behind, -std::max(ahead, -INT64_MAX));
    reach.ranks |= call.kind == WindowKind::kRank || call.kind == WindowKind::kDenseRank;
    reach.positions |= call.kind == WindowKind::kRowNumber || call.kind == WindowKind::kRank;
    reach.first_row |= call.kind == WindowKind::kFirstValue;
    reach.peers |= call.to_peers;
    reach.tail |= is_running(call.kind) || call.kind == WindowKind::kDenseRank;
    if (pieces[i].running < 0 || running[static_cast<size_t>(pieces[i].running)].is_exact()) continue;
    reach.folds = true;
    reach.folds_rows |= !call.to_peers;
  }
  return reach;
}

class WindowKernels final : public Operator {
 public:
  WindowKernels(const plan::Node& node, const plan::Window& window, const plan::Node& input, WindowLayout layout,
                std::vector<RunningCall> running)
      : Operator(node),
        window_(window),
        layout_(std::move(layout)),
        running_(std::move(running)),
        reach_(reach_of(window, layout_.calls, running_)),
        keys_(input.output.types(), window.partition_columns),
        rows_(input.output, window.sort_key, input.order_column, layout_.pieces),
        changes_(rows_),
        slice_(partitions_, rows_, reach_),
        output_(node, window, input, layout_, rows_) {
    partitions_.keep_sorted(rows_.header_bytes());
    old_.old = true;
  }

  Status push(size_t port, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  std::vector<state::TableRef> tables() override {
    std::vector<state::TableRef> tables{{{node_.id, 0}, &partitions_}};
    if (reach_.tail) tables.push_back({{node_.id, 1}, &totals_});
    return tables;
  }

 private:
  using Group = state::BagTable::Group;
  /// Of a whole partition.
  struct Totals {
    int64_t sort_keys = 0;
    std::vector<RunningValue> running;
  };

  bool load_totals(Group group, Totals& totals);
  void store_totals(Group group);
  bool must_read_whole(bool has_totals, std::span<const PartitionChanges::Change> changes, Group group);
  void begin_running(const Totals& totals);
  int64_t dense_rank_before(const Totals& totals) const;
  void arrange(Sequence& sequence, int64_t dense_rank);
  std::string_view argument(size_t call, size_t item) const;
  CallValue value(size_t call, const Sequence& sequence, uint32_t item, int64_t position) const;
  CallValue running_value(size_t call, const Sequence& sequence) const;
  bool values(Sequence& sequence, uint32_t item, int64_t copy, std::vector<CallValue>& found);
  void add_running(Sequence& sequence, uint32_t item, int64_t copies, bool to_peers);
  size_t begin_peers(size_t item);
  Status emit_changes(Output& out);

  const plan::Window& window_;
  WindowLayout layout_;
  std::vector<RunningCall> running_;
  const WindowReach reach_;
  batch::RowCodec keys_;
  SortedRows rows_;
  state::BagTable partitions_;
  state::ValueTable totals_;
  PartitionChanges changes_;
  WindowSlice slice_;
  batch::RowBuffer key_buffer_;
  std::vector<Group> groups_;  // of each row of a batch
  WindowOutput output_;  // what it holds points into the table, into changes_ and into kept_totals_
  std::deque<std::string> kept_totals_;  // of one step
  // Of one partition.
  Totals before_;
  Sequence old_, now_;
  size_t folds_from_ = 0;  // the first item that calls which are not exact have not seen yet
  std::vector<CallValue> old_values_, now_values_;
};

Status WindowKernels::push(size_t, const batch::Batch& batch, Output&) {
  keys_.encode(batch, key_buffer_);
  rows_.encode(batch);
  find_groups(partitions_, key_buffer_, batch.rows(), groups_);
  for (size_t row = 0; row < batch.rows(); ++row) {
    if (row + kPrefetchAhead < batch.rows())
      partitions_.prefetch_rows(groups_[row + kPrefetchAhead], rows_.hash(row + kPrefetchAhead));
    changes_.note(partitions_, groups_[row], rows_.row(row), batch.diff(row));
    partitions_.add(groups_[row], rows_.hash(row), rows_.row(row), batch.diff(row));
  }
  return {};
}

Status WindowKernels::finish(Output& out) {
  stats.groups_touched += changes_.touched().size();
  for (const PartitionChanges::Touched& touched : changes_.touched()) {
    const auto changes = changes_.of(touched);
    if (!touched.fresh && changes.empty()) continue;
    const bool has_totals = reach_.tail && !touched.fresh && load_totals(touched.group, before_);
    MR_TRY(slice_.read(touched, changes, must_read_whole(has_totals, changes, touched.group)));
    const int64_t dense_rank = dense_rank_before(before_);
    arrange(old_, dense_rank);
    arrange(now_, dense_rank);
    begin_running(before_);
    MR_TRY(emit_changes(out));
    if (reach_.tail) store_totals(touched.group);
  }
  MR_TRY(output_.flush(out, stats));
  changes_.clear();
  kept_totals_.clear();
  partitions_.release_empty();
  return {};
}

bool WindowKernels::load_totals(Group group, Totals& totals) {
  const auto slot = totals_.find(partitions_.hash_of(group), partitions_.key_of(group));
  if (!slot) return false;
  std::string_view bytes = kept_totals_.emplace_back(slot.view());
  totals.sort_keys = load_little<int64_t>(bytes.data());
  bytes.remove_prefix(sizeof totals.sort_keys);
  totals.running.clear();
  for (size_t call = 0; call < running_.size(); ++call) totals.running.push_back(RunningCall::take(bytes));
  return true;
}

void WindowKernels::store_totals(Group group) {
  const uint64_t hash = partitions_.hash_of(group);
  const std::string_view key = partitions_.key_of(group);
  if (partitions_.rows(group) <= WindowSlice::kWhole) {
    totals_.erase(hash, key);
    return;
  }
  std::string bytes;
  append_little(bytes, now_.dense_ranks);
  for (const RunningValue& value : now_.running) RunningCall::append(value, bytes);
  totals_.put(hash, key, bytes);
}

/// Running calls cannot start in the middle of the partition.
bool WindowKernels::must_read_whole(bool has_totals, std::span<const PartitionChanges::Change> changes, Group group) {
  if (!reach_.tail) return false;
  if (!has_totals) return true;
  return reach_.folds && !slice_.only_appends(group, changes);
}

/// The dense rank of the last peers before those of the slice's first row.
int64_t WindowKernels::dense_rank_before(const Totals& totals) const {
  if (slice_.base == 0 || !reach_.tail || !reach_.ranks) return 0;
  int64_t keys = 0;
  std::string_view key;
  bool first_key = false;  // some row has the key of the slice's first one
  for (const Item& item : slice_.items) {
    if (item.before() == 0) continue;
    const std::string_view own = rows_.sort_key(item.row);
    if (keys == 0) first_key = own == rows_.sort_key(slice_.items[0].row);
    if (keys > 0 && own == key) continue;
    key = own;
    ++keys;
  }
  const bool only_before = slice_.rank_base < slice_.base && !first_key;
  return totals.sort_keys - keys - (only_before ? 1 : 0);
}

void WindowKernels::arrange(Sequence& sequence, int64_t dense_rank) {
  const std::vector<Item>& items = slice_.items;
  sequence.items.clear();
  sequence.start.resize(items.size());
  sequence.rank.resize(items.size());
  sequence.dense_rank.resize(items.size());
  std::string_view key;
  int64_t rank = 0;
  bool any = reach_.ranks && slice_.rank_base < slice_.base;
  if (any) {
    key = rows_.sort_key(items[0].row);
    rank = slice_.rank_base + 1;
    ++dense_rank;
  }
  for (uint32_t i = 0; i < items.size(); ++i) {
    sequence.start[i] = static_cast<uint32_t>(sequence.items.size());
    const int64_t count = sequence.count(items[i]);
    if (count <= 0) continue;
    if (reach_.ranks && (!any || rows_.sort_key(items[i].row) != key)) {
      key = rows_.sort_key(items[i].row);
      rank = slice_.base + std::ssize(sequence.items) + 1;
      ++dense_rank;
      any = true;
    }
    sequence.rank[i] = rank;
    sequence.dense_rank[i] = dense_rank;
    sequence.items.insert(sequence.items.end(), static_cast<size_t>(count), i);
  }
  sequence.dense_ranks = dense_rank;
}

/// Sets what the running calls give before the first row whose results may differ.
void WindowKernels::begin_running(const Totals& totals) {
  folds_from_ = 0;
  old_.running.assign(running_.size(), {});
  old_.at_end.assign(window_.calls.size(), {});
  if (slice_.base > 0 && !running_.empty()) {
    old_.running = totals.running;
    folds_from_ = slice_.changed;
    for (size_t i = 0; i < window_.calls.size(); ++i) {
      const CallPieces& pieces = layout_.calls[i];
      if (pieces.running < 0 || !running_[static_cast<size_t>(pieces.running)].is_exact()) continue;
      RunningValue& value = old_.running[static_cast<size_t>(pieces.running)];
      for (size_t item = slice_.first; item < slice_.items.size(); ++item)
        running_[static_cast<size_t>(pieces.running)].add(value, argument(i, item), -slice_.items[item].before());
    }
  }
  now_.running = old_.running;
  now_.at_end = old_.at_end;
}

/// The argument's piece; empty for count(*).
std::string_view WindowKernels::argument(size_t call, size_t item) const {
  const int32_t piece = layout_.calls[call].argument;
  return piece < 0 ? std::string_view() : rows_.piece(slice_.items[item].row, static_cast<size_t>(piece));
}

/// Lets the running calls that go up to the row itself, or up to its last peer, see copies of an item.
void WindowKernels::add_running(Sequence& sequence, uint32_t item, int64_t copies, bool to_peers) {
  for (size_t i = 0; i < window_.calls.size(); ++i) {
    if (window_.calls[i].to_peers != to_peers) continue;
    if (window_.calls[i].kind == WindowKind::kLastValue && copies > 0) sequence.at_end[i] = argument(i, item);
    if (layout_.calls[i].running < 0) continue;
    const auto at = static_cast<size_t>(layout_.calls[i].running);
    if (item < folds_from_ && !running_[at].is_exact()) continue;
    running_[at].add(sequence.running[at], argument(i, item), copies);
  }
}

/// An item that begins new peers: calls that go up to the last of them see them all. Returns where the next ones begin.
size_t WindowKernels::begin_peers(size_t item) {
  const std::string_view key = rows_.sort_key(slice_.items[item].row);
  for (; item < slice_.items.size() && rows_.sort_key(slice_.items[item].row) == key; ++item) {
    add_running(old_, static_cast<uint32_t>(item), slice_.items[item].before(), true);
    add_running(now_, static_cast<uint32_t>(item), slice_.items[item].now, true);
  }
  return item;
}

CallValue WindowKernels::value(size_t index, const Sequence& sequence, uint32_t item, int64_t position) const {
  const plan::WindowCall& call = window_.calls[index];
  const CallPieces& pieces = layout_.calls[index];
  int64_t other = 0;
  switch (call.kind) {
    case WindowKind::kRowNumber: return {slice_.base + position + 1, {}, false};
    case WindowKind::kRank: return {sequence.rank[item], {}, false};
    case WindowKind::kDenseRank: return {sequence.dense_rank[item], {}, false};
    case WindowKind::kLead:
      if (__builtin_add_overflow(position, call.offset, &other)) other = -1;
      break;
    case WindowKind::kLag:
      if (__builtin_sub_overflow(position, call.offset, &other)) other = -1;
      break;
    case WindowKind::kLastValue: return {0, call.to_peers ? sequence.at_end[index] : argument(index, item), false};
    case WindowKind::kFirstValue:
      if (slice_.base > 0) return {0, rows_.piece(slice_.first_row, static_cast<size_t>(pieces.argument)), false};
      break;
    default: return running_value(index, sequence);
  }
  if (other >= 0 && other < std::ssize(sequence.items)) {
    const Item& found = slice_.items[sequence.items[static_cast<size_t>(other)]];
    return {0, rows_.piece(found.row, static_cast<size_t>(pieces.argument)), false};
  }
  if (pieces.default_value < 0) return {0, {}, true};
  return {0, rows_.piece(slice_.items[item].row, static_cast<size_t>(pieces.default_value)), false};
}

CallValue WindowKernels::running_value(size_t index, const Sequence& sequence) const {
  const auto at = static_cast<size_t>(layout_.calls[index].running);
  return result_of_running(running_[at], sequence.running[at]);
}

/// The results of copy `copy` of an item; false when the sequence has fewer copies.
bool WindowKernels::values(Sequence& sequence, uint32_t item, int64_t copy, std::vector<CallValue>& found) {
  if (copy >= sequence.count(slice_.items[item])) return false;
  if (!running_.empty()) add_running(sequence, item, 1, false);
  const int64_t position = sequence.start[item] + copy;
  found.clear();
  for (size_t call = 0; call < window_.calls.size(); ++call) found.push_back(value(call, sequence, item, position));
  return true;
}

Status WindowKernels::emit_changes(Output& out) {
  const std::vector<Item>& items = slice_.items;
  size_t next_peers = slice_.first;
  for (size_t item = slice_.first; item < slice_.last; ++item) {
    if (reach_.peers && item == next_peers) next_peers = begin_peers(item);
    const int64_t copies = std::max(items[item].now, items[item].before());
    for (int64_t copy = 0; copy < copies; ++copy) {
      const bool was = values(old_, static_cast<uint32_t>(item), copy, old_values_);
      const bool is = values(now_, static_cast<uint32_t>(item), copy, now_values_);
      if (was && is && old_values_ == now_values_) continue;
      if (was) output_.add(items[item].row, old_values_, -1);
      if (is) output_.add(items[item].row, now_values_, 1);
      if (output_.is_full()) MR_TRY(output_.flush(out, stats));
    }
  }
  return {};
}

}  // namespace

Made make_window_kernels(const plan::Node& node, const Inputs& inputs, const OperatorContext&) {
  const auto& window = std::get<plan::Window>(node.operation);
  WindowLayout layout(window, *inputs[0]);
  std::vector<RunningCall> running;
  for (size_t i = 0; i < window.calls.size(); ++i) {
    const plan::WindowCall& call = window.calls[i];
    const bool counts = call.kind == WindowKind::kRowNumber || call.kind == WindowKind::kRank ||
                        call.kind == WindowKind::kDenseRank || call.kind == WindowKind::kCountStar;
    const bool fits = call.kind != WindowKind::kGeneral && (counts || call.argument >= 0);
    if (!fits) return internal_error("a window call was planned as a kernel but has none: " + call.text);
    if (!is_running(call.kind)) continue;
    MR_ASSIGN(RunningCall made, RunningCall::make(call, inputs[0]->output));
    layout.calls[i].running = static_cast<int32_t>(running.size());
    running.push_back(std::move(made));
  }
  return {std::make_unique<WindowKernels>(node, window, *inputs[0], std::move(layout), std::move(running))};
}

}  // namespace millrace::dataflow
