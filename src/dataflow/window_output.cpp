#include "dataflow/window_output.h"

#include <algorithm>

#include "dataflow/operators.h"

namespace millrace::dataflow {

using plan::WindowKind;

namespace {

/// NULLs in all columns of a piece, as its codec writes them.
std::string encoded_null(const plan::Node& input, const std::vector<uint32_t>& columns) {
  batch::Batch batch(input.output);
  batch.set_rows(1);
  for (size_t column = 0; column < batch.columns(); ++column) batch.mutable_column(column).set_null(0);
  batch::RowBuffer buffer;
  batch::RowCodec(input.output.types(), columns, batch::RowForm::kExact).encode(batch, buffer);
  return std::string(buffer.row(0));
}

}  // namespace

CallValue result_of_running(const RunningCall& call, const RunningValue& value) {
  if (call.is_piece()) return {0, value.best, value.best.empty()};
  const Cell cell = call.result(value);
  CallValue made{0, {}, cell.null};
  if (!cell.null) std::memcpy(&made.number, cell.bytes, sizeof made.number);
  return made;
}

WindowLayout::WindowLayout(const plan::Window& window, const plan::Node& input) {
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
    calls.back().is_piece = argument >= 0 && call.kind != WindowKind::kCount && call.kind != WindowKind::kSum &&
                            call.kind != WindowKind::kAvg;
  }
}

WindowOutput::WindowOutput(const plan::Node& node, const plan::Window& window, const plan::Node& input,
                           const WindowLayout& layout, const SortedRows& rows)
    : window_(window), layout_(layout), rows_(rows), batch_(node.output), values_pending_(window.calls.size()) {
  for (const auto& piece : layout.pieces) null_pieces_.push_back(encoded_null(input, piece));
}

void WindowOutput::add(std::string_view row, const std::vector<CallValue>& values, int64_t diff) {
  rows_pending_.push_back(row);
  for (size_t call = 0; call < values.size(); ++call) values_pending_[call].push_back(values[call]);
  diffs_pending_.push_back(diff);
}

Status WindowOutput::flush(Output& out, OperatorStats& stats) {
  if (rows_pending_.empty()) return {};
  batch_.reset();
  batch_.set_rows(rows_pending_.size());
  const auto decode_piece = [&](size_t piece, size_t column) {
    pieces_.clear();
    for (std::string_view row : rows_pending_) pieces_.push_back(rows_.piece(row, piece));
    return rows_.codec(piece).decode_rows(pieces_, batch_, 0, column);
  };
  MR_TRY(decode_piece(0, 0));
  size_t column = layout_.visible.size();
  for (size_t call = 0; call < window_.calls.size(); ++call) MR_TRY(write_call(call, column++));
  if (!layout_.hidden.empty()) MR_TRY(decode_piece(1, column));
  const bool all_inserts =
      std::all_of(diffs_pending_.begin(), diffs_pending_.end(), [](int64_t diff) { return diff == 1; });
  if (!all_inserts) batch_.set_diffs(diffs_pending_);
  rows_pending_.clear();
  diffs_pending_.clear();
  return push_one(batch_, out, stats);
}

Status WindowOutput::write_call(size_t call, size_t column) {
  std::vector<CallValue>& values = values_pending_[call];
  if (!layout_.calls[call].is_piece) {
    batch::MutableColumn to = batch_.mutable_column(column);
    const size_t width = window_.calls[call].result.width();
    for (size_t row = 0; row < values.size(); ++row) {
      std::memcpy(to.values<char>() + row * width, &values[row].number, width);
      if (values[row].is_null) to.set_null(row);
    }
  } else {
    const auto piece = static_cast<size_t>(layout_.calls[call].argument);
    pieces_.clear();
    for (const CallValue& value : values)
      pieces_.push_back(value.is_null ? std::string_view(null_pieces_[piece]) : value.bytes);
    MR_TRY(rows_.codec(piece).decode_rows(pieces_, batch_, 0, column));
  }
  values.clear();
  return {};
}

}  // namespace millrace::dataflow
