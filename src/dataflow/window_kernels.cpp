// OVER (…) for calls with kernels: row_number, rank, dense_rank, lead, lag, first_value. Slot 0 holds the rows of each
// partition. At the end of a step each touched partition is sorted once, O(n log n); from the rows and the step's
// changes both the old and the new sequence are known, and only rows whose results differ are emitted.
#include <algorithm>

#include "dataflow/operators.h"
#include "dataflow/sorted_rows.h"

namespace millrace::dataflow {
namespace {

constexpr uint32_t kNoDelta = UINT32_MAX;
constexpr size_t kPrefetchAhead = 8;

/// A distinct row of a partition, with how often it is there now and how much the step changed that.
struct Item {
  uint64_t head;
  std::string_view row;
  int64_t now;
  int64_t delta;
};

/// One order of rows, before or after the step. Copies of a row stand one after another.
struct Sequence {
  std::vector<uint32_t> items;  // at each position
  std::vector<uint32_t> start;  // of each item: its first position
  std::vector<int64_t> rank;    // of each item
  std::vector<int64_t> dense_rank;
};

/// A call's result: a number, an encoded value, or NULL.
struct CallValue {
  int64_t number = 0;
  std::string_view bytes;
  bool is_null = false;
  friend bool operator==(const CallValue&, const CallValue&) = default;
};

/// Which pieces of a row hold a call's argument and default.
struct CallPieces {
  int32_t argument = -1;
  int32_t default_value = -1;
};

struct Layout {
  std::vector<uint32_t> visible, hidden;
  std::vector<std::vector<uint32_t>> pieces;  // visible, hidden, then arguments and defaults
  std::vector<CallPieces> calls;

  Layout(const plan::Window& window, const plan::Node& input) {
    for (uint32_t i = 0; i < input.output.size(); ++i) {
      const auto column = static_cast<int32_t>(i);
      if (column != input.order_column && column != input.watermark_column) visible.push_back(i);
    }
    for (int32_t column : {input.order_column, input.watermark_column}) {
      if (column >= 0) hidden.push_back(static_cast<uint32_t>(column));
    }
    pieces = {visible, hidden};
    auto piece_of = [&](int32_t column) {
      if (column < 0) return -1;
      pieces.push_back({static_cast<uint32_t>(column)});
      return static_cast<int32_t>(pieces.size() - 1);
    };
    for (const plan::WindowCall& call : window.calls) {
      const int32_t argument = piece_of(call.argument);
      calls.push_back({argument, piece_of(call.default_column)});
    }
  }
};

/// NULLs in all columns of a piece, as its codec writes them.
std::string encoded_null(const plan::Node& input, const std::vector<uint32_t>& columns) {
  batch::Batch batch(input.output);
  batch.set_rows(1);
  for (size_t column = 0; column < batch.columns(); ++column) batch.mutable_column(column).set_null(0);
  batch::RowBuffer buffer;
  batch::RowCodec(input.output.types(), columns, batch::RowForm::kExact).encode(batch, buffer);
  return std::string(buffer.row(0));
}

class WindowKernels final : public Operator {
 public:
  WindowKernels(const plan::Node& node, const plan::Window& window, const plan::Node& input, Layout layout)
      : Operator(node),
        window_(window),
        layout_(std::move(layout)),
        keys_(input.output.types(), window.partition_columns),
        rows_(input.output, window.sort_key, input.order_column, layout_.pieces),
        output_(node.output) {
    for (const auto& piece : layout_.pieces) null_pieces_.push_back(encoded_null(input, piece));
    pending_values_.resize(window.calls.size());
  }

  Status push(size_t port, const batch::Batch& batch, Output& out) override;
  Status finish(Output& out) override;
  std::vector<state::TableRef> tables() override { return {{{node_.id, 0}, &partitions_}}; }

 private:
  using Group = state::BagTable::Group;
  struct Touched {
    Group group;
    bool fresh;  // had no rows before the step: its changes are all its rows
    uint32_t last_delta;
  };
  struct Delta {
    uint32_t previous;
    size_t start;  // into delta_bytes_
    size_t length;
    int64_t diff;
  };

  Touched& touch(Group group);
  Status collect(const Touched& touched);
  void merge_equal();
  void arrange(Sequence& sequence, bool old);
  CallValue value(size_t call, const Sequence& sequence, uint32_t item, int64_t position) const;
  bool values(const Sequence& sequence, uint32_t item, int64_t copy, std::vector<CallValue>& found) const;
  Status emit_changes(Output& out);
  void emit(std::string_view row, const std::vector<CallValue>& values, int64_t diff);
  Status flush(Output& out);
  Status write_call(size_t call, batch::Batch& batch, size_t column);

  const plan::Window& window_;
  Layout layout_;
  batch::RowCodec keys_;
  SortedRows rows_;
  state::BagTable partitions_;
  batch::RowBuffer key_buffer_;
  std::vector<Group> groups_;  // of each row of a batch
  // Of one step.
  std::vector<Touched> touched_;
  std::vector<uint32_t> touched_of_;  // by group: 0, or 1 + place in touched_
  std::vector<Delta> deltas_;
  std::string delta_bytes_;
  // Rows to emit, decoded column by column when there are enough. They point into the table and into delta_bytes_.
  batch::Batch output_;
  std::vector<std::string> null_pieces_;  // NULLs as encoded, by piece
  std::vector<std::string_view> pending_rows_;
  std::vector<std::vector<CallValue>> pending_values_;  // by call
  std::vector<int64_t> pending_diffs_;
  std::vector<std::string_view> pieces_;
  // Of one partition.
  std::vector<Item> items_;
  Sequence old_, now_;
  std::vector<CallValue> old_values_, now_values_;
};

WindowKernels::Touched& WindowKernels::touch(Group group) {
  if (group >= touched_of_.size()) touched_of_.resize(group + group / 2 + 16, 0);
  if (touched_of_[group] == 0) {
    touched_.push_back(Touched{group, partitions_.rows(group) == 0, kNoDelta});
    touched_of_[group] = static_cast<uint32_t>(touched_.size());
  }
  return touched_[touched_of_[group] - 1];
}

Status WindowKernels::push(size_t, const batch::Batch& batch, Output&) {
  keys_.encode(batch, key_buffer_);
  rows_.encode(batch);
  find_groups(partitions_, key_buffer_, batch.rows(), groups_);
  for (size_t row = 0; row < batch.rows(); ++row) {
    if (row + kPrefetchAhead < batch.rows())
      partitions_.prefetch_rows(groups_[row + kPrefetchAhead], rows_.hash(row + kPrefetchAhead));
    Touched& touched = touch(groups_[row]);
    const std::string_view bytes = rows_.row(row);
    const int64_t diff = batch.diff(row);
    partitions_.add(groups_[row], rows_.hash(row), bytes, diff);
    if (touched.fresh) continue;
    deltas_.push_back(Delta{touched.last_delta, delta_bytes_.size(), bytes.size(), diff});
    touched.last_delta = static_cast<uint32_t>(deltas_.size() - 1);
    delta_bytes_.append(bytes);
  }
  return {};
}

Status WindowKernels::finish(Output& out) {
  stats.groups_touched += touched_.size();
  for (const Touched& touched : touched_) {
    touched_of_[touched.group] = 0;
    MR_TRY(collect(touched));
    arrange(now_, false);
    if (touched.fresh) {
      old_.items.clear();
      old_.start.assign(items_.size(), 0);
    } else {
      arrange(old_, true);
    }
    MR_TRY(emit_changes(out));
  }
  MR_TRY(flush(out));
  touched_.clear();
  deltas_.clear();
  delta_bytes_.clear();
  partitions_.release_empty();
  return {};
}

/// Fills items_ with the partition's rows of before and after the step, sorted.
Status WindowKernels::collect(const Touched& touched) {
  items_.clear();
  bool negative = false;
  partitions_.for_each_row(touched.group, [&](std::string_view row, int64_t count) {
    negative |= count < 0;
    items_.push_back(Item{head_of(rows_.comparable(row)), row, count, touched.fresh ? count : 0});
  });
  if (negative) return internal_error("OVER was asked to take away rows that it never got");
  for (uint32_t at = touched.last_delta; at != kNoDelta; at = deltas_[at].previous) {
    const std::string_view row = std::string_view(delta_bytes_).substr(deltas_[at].start, deltas_[at].length);
    items_.push_back(Item{head_of(rows_.comparable(row)), row, 0, deltas_[at].diff});
  }
  std::sort(items_.begin(), items_.end(), [&](const Item& a, const Item& b) {
    if (a.head != b.head) return a.head < b.head;
    return rows_.comparable(a.row) < rows_.comparable(b.row);
  });
  if (!touched.fresh) merge_equal();
  return {};
}

void WindowKernels::merge_equal() {
  size_t kept = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    if (kept > 0 && items_[kept - 1].row == items_[i].row) {
      items_[kept - 1].now += items_[i].now;
      items_[kept - 1].delta += items_[i].delta;
    } else {
      items_[kept++] = items_[i];
    }
  }
  items_.resize(kept);
}

void WindowKernels::arrange(Sequence& sequence, bool old) {
  sequence.items.clear();
  sequence.start.resize(items_.size());
  sequence.rank.resize(items_.size());
  sequence.dense_rank.resize(items_.size());
  int64_t rank = 0, dense_rank = 0;
  const Item* previous = nullptr;
  for (uint32_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    sequence.start[i] = static_cast<uint32_t>(sequence.items.size());
    const int64_t count = old ? item.now - item.delta : item.now;
    if (count <= 0) continue;
    if (!previous || rows_.sort_key(previous->row) != rows_.sort_key(item.row)) {
      rank = static_cast<int64_t>(sequence.items.size()) + 1;
      ++dense_rank;
    }
    sequence.rank[i] = rank;
    sequence.dense_rank[i] = dense_rank;
    sequence.items.insert(sequence.items.end(), static_cast<size_t>(count), i);
    previous = &item;
  }
}

CallValue WindowKernels::value(size_t index, const Sequence& sequence, uint32_t item, int64_t position) const {
  const plan::WindowCall& call = window_.calls[index];
  const CallPieces& pieces = layout_.calls[index];
  int64_t other = 0;
  switch (call.kind) {
    case plan::WindowKind::kRowNumber: return {position + 1, {}, false};
    case plan::WindowKind::kRank: return {sequence.rank[item], {}, false};
    case plan::WindowKind::kDenseRank: return {sequence.dense_rank[item], {}, false};
    case plan::WindowKind::kLead:
      if (__builtin_add_overflow(position, call.offset, &other)) other = -1;
      break;
    case plan::WindowKind::kLag:
      if (__builtin_sub_overflow(position, call.offset, &other)) other = -1;
      break;
    case plan::WindowKind::kFirstValue:
    case plan::WindowKind::kGeneral: break;
  }
  if (other >= 0 && other < std::ssize(sequence.items)) {
    const Item& found = items_[sequence.items[static_cast<size_t>(other)]];
    return {0, rows_.piece(found.row, static_cast<size_t>(pieces.argument)), false};
  }
  if (pieces.default_value < 0) return {0, {}, true};
  return {0, rows_.piece(items_[item].row, static_cast<size_t>(pieces.default_value)), false};
}

/// The results of copy `copy` of an item; false when the sequence has fewer copies.
bool WindowKernels::values(const Sequence& sequence, uint32_t item, int64_t copy, std::vector<CallValue>& found) const {
  const int64_t position = sequence.start[item] + copy;
  if (position >= std::ssize(sequence.items) || sequence.items[static_cast<size_t>(position)] != item) return false;
  found.clear();
  for (size_t call = 0; call < window_.calls.size(); ++call) found.push_back(value(call, sequence, item, position));
  return true;
}

Status WindowKernels::emit_changes(Output& out) {
  for (uint32_t item = 0; item < items_.size(); ++item) {
    const int64_t copies = std::max(items_[item].now, items_[item].now - items_[item].delta);
    for (int64_t copy = 0; copy < copies; ++copy) {
      const bool was = values(old_, item, copy, old_values_);
      const bool is = values(now_, item, copy, now_values_);
      if (was && is && old_values_ == now_values_) continue;
      if (was) emit(items_[item].row, old_values_, -1);
      if (is) emit(items_[item].row, now_values_, 1);
      if (pending_rows_.size() + 2 > batch::kBatchRows) MR_TRY(flush(out));
    }
  }
  return {};
}

void WindowKernels::emit(std::string_view row, const std::vector<CallValue>& values, int64_t diff) {
  pending_rows_.push_back(row);
  for (size_t call = 0; call < values.size(); ++call) pending_values_[call].push_back(values[call]);
  pending_diffs_.push_back(diff);
}

/// Emits what is pending.
Status WindowKernels::flush(Output& out) {
  if (pending_rows_.empty()) return {};
  batch::Batch& batch = output_;
  batch.reset();
  batch.set_rows(pending_rows_.size());
  const auto decode_piece = [&](size_t piece, size_t column) {
    pieces_.clear();
    for (std::string_view row : pending_rows_) pieces_.push_back(rows_.piece(row, piece));
    return rows_.codec(piece).decode_rows(pieces_, batch, 0, column);
  };
  MR_TRY(decode_piece(0, 0));
  size_t column = layout_.visible.size();
  for (size_t call = 0; call < window_.calls.size(); ++call) MR_TRY(write_call(call, batch, column++));
  if (!layout_.hidden.empty()) MR_TRY(decode_piece(1, column));
  const bool all_inserts =
      std::all_of(pending_diffs_.begin(), pending_diffs_.end(), [](int64_t diff) { return diff == 1; });
  if (!all_inserts) batch.set_diffs(pending_diffs_);
  pending_rows_.clear();
  pending_diffs_.clear();
  return push_one(batch, out, stats);
}

Status WindowKernels::write_call(size_t call, batch::Batch& batch, size_t column) {
  std::vector<CallValue>& values = pending_values_[call];
  const int32_t argument = layout_.calls[call].argument;
  if (argument < 0) {
    auto* numbers = batch.mutable_column(column).values<int64_t>();
    for (size_t row = 0; row < values.size(); ++row) numbers[row] = values[row].number;
  } else {
    const auto piece = static_cast<size_t>(argument);
    pieces_.clear();
    for (const CallValue& value : values)
      pieces_.push_back(value.is_null ? std::string_view(null_pieces_[piece]) : value.bytes);
    MR_TRY(rows_.codec(piece).decode_rows(pieces_, batch, 0, column));
  }
  values.clear();
  return {};
}

}  // namespace

Made make_window_kernels(const plan::Node& node, const Inputs& inputs, const OperatorContext&) {
  const auto& window = std::get<plan::Window>(node.operation);
  for (const plan::WindowCall& call : window.calls) {
    const bool counts = call.kind == plan::WindowKind::kRowNumber || call.kind == plan::WindowKind::kRank ||
                        call.kind == plan::WindowKind::kDenseRank;
    const bool fits = call.kind != plan::WindowKind::kGeneral && (counts || call.argument >= 0);
    if (!fits) return internal_error("a window call was planned as a kernel but has none: " + call.text);
  }
  return {std::make_unique<WindowKernels>(node, window, *inputs[0], Layout(window, *inputs[0]))};
}

}  // namespace millrace::dataflow
