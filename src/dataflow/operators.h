// Private to dataflow/: how operator_factory.cpp makes each operator, and what several operators share.
#pragma once

#include <memory>
#include <vector>

#include "batch/row_codec.h"
#include "dataflow/operator.h"

namespace millrace::dataflow {

/// The nodes that an operator reads, in the order of its ports.
using Inputs = std::vector<const plan::Node*>;
using Made = Result<std::unique_ptr<Operator>>;

Made make_filter(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_project(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_unnest(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_union_all(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
/// All calls have a fast form.
Made make_aggregate_fast(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
/// Some call is computed by DuckDB over the rows of its group.
Made make_aggregate_general(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_distinct(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
/// All calls have kernels.
Made make_window_kernels(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_window_general(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
/// Frames of a bounded reach, computed by DuckDB.
Made make_window_frames(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
/// Running calls whose states are kept beside the rows.
Made make_window_running(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_set_operation(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_asof_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_constant(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_time_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_temporal_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_lookup_join(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_top_n(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);
Made make_session(const plan::Node& node, const Inputs& inputs, const OperatorContext& context);

/// Pushes what the builder holds and counts it.
inline Status push_all(batch::BatchBuilder& builder, Output& out, OperatorStats& stats) {
  for (const batch::Batch& batch : builder.take()) {
    stats.rows_out += batch.rows();
    MR_TRY(out.push(batch));
  }
  return {};
}

/// Pushes one batch, if it has rows, and counts it.
inline Status push_one(const batch::Batch& batch, Output& out, OperatorStats& stats) {
  if (batch.empty()) return {};
  stats.rows_out += batch.rows();
  return out.push(batch);
}

/// The row's order column as a number, or 0 when there is none.
inline batch::int128 order_of(const batch::Batch& batch, int32_t order_column, size_t row) {
  if (order_column < 0) return 0;
  const batch::ColumnView column = batch.column(static_cast<size_t>(order_column));
  if (column.is_null(row)) return 0;
  batch::int128 order;
  std::memcpy(&order, &column.at<batch::int128>(row), sizeof order);
  return order;
}

/// Finds or makes the group of each row of a batch, fetching cache lines ahead.
inline void find_groups(state::BagTable& table, const batch::RowBuffer& keys, size_t rows,
                        std::vector<state::BagTable::Group>& groups) {
  constexpr size_t kStride = 8;
  groups.resize(rows);
  for (size_t row = 0; row < rows; ++row) {
    if (row + 3 * kStride < rows) table.prefetch(keys.hash(row + 3 * kStride));
    if (row + 2 * kStride < rows) table.prefetch_entry(keys.hash(row + 2 * kStride));
    if (row + kStride < rows) table.prefetch_key(keys.hash(row + kStride));
    groups[row] = table.find_or_insert(keys.hash(row), keys.row(row));
  }
}

/// The types of the columns with these indices.
inline std::vector<batch::Type> types_of(const batch::Schema& schema, const std::vector<uint32_t>& columns) {
  std::vector<batch::Type> types;
  for (uint32_t column : columns) types.push_back(schema[column].type);
  return types;
}

}  // namespace millrace::dataflow
