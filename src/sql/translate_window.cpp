// The Translator's OVER.
#include <algorithm>

#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression/bound_window_expression.hpp"
#include "duckdb/planner/expression_iterator.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/session_groups.h"
#include "sql/session_window.h"
#include "sql/translate.h"
#include "sql/window_frame.h"
#include "sql/window_kernel.h"

namespace millrace::sql {
namespace {

/// Makes the calls' fragment. Its input: the group number, the columns with these numbers, and where the row stands in
/// its partition.
batch::Fragment window_fragment(std::vector<duckdb::unique_ptr<duckdb::Expression>> calls, const plan::Node& from,
                                const std::vector<uint32_t>& columns) {
  const batch::Type bigint(batch::TypeId::kBigint);
  std::vector<batch::Type> types{bigint};
  for (uint32_t column : columns) types.push_back(from.output[column].type);
  types.push_back(bigint);
  const auto position = reference(static_cast<uint32_t>(columns.size()) + 1, bigint.duckdb_type());
  std::vector<std::shared_ptr<const duckdb::Expression>> expressions;
  for (auto& call : calls) {
    for_each_reference(*call, [&](duckdb::BoundReferenceExpression& column) {
      const auto at = std::find(columns.begin(), columns.end(), static_cast<uint32_t>(column.index));
      column.index = static_cast<duckdb::idx_t>(at - columns.begin()) + 1;
    });
    order_by_position(call->Cast<duckdb::BoundWindowExpression>(), *position);
    expressions.push_back(std::shared_ptr<const duckdb::Expression>(call.release()));
  }
  return batch::Fragment(batch::FragmentKind::kWindow, std::move(types), std::move(expressions));
}

}  // namespace

plan::WindowCall Translator::window_call(const duckdb::BoundWindowExpression& call, PreProjection& columns) {
  plan::WindowCall result;
  const WindowKernel kernel = window_kernel(call);
  result.kind = kernel.kind;
  result.to_peers = kernel.to_peers;
  result.ends_before = kernel.ends_before;
  result.result = batch::Type(call.return_type);
  result.text = call.GetName();
  if (result.kind == plan::WindowKind::kGeneral) return result;
  if (const auto argument = window_argument(call)) result.argument = static_cast<int32_t>(columns.column(*argument));
  if (call.offset_expr) {
    result.offset = call.offset_expr->Cast<duckdb::BoundConstantExpression>().value.GetValue<int64_t>();
  }
  if (call.default_expr) result.default_column = static_cast<int32_t>(columns.column(*call.default_expr));
  return result;
}

/// The call without its PARTITION BY, its arguments as columns.
duckdb::unique_ptr<duckdb::Expression> Translator::call_over_columns(const duckdb::BoundWindowExpression& call,
                                                                     PreProjection& columns) {
  check_frame(call);
  if (needs_peers_and_places(call)) {
    refuse("EXCLUDE GROUP and EXCLUDE TIES in a frame of ROWS", "write the frame in GROUPS or RANGE", {"EXCLUDE"});
  }
  auto copy = call.Copy();
  copy->Cast<duckdb::BoundWindowExpression>().partitions.clear();
  begin_and_end_at_peers(copy->Cast<duckdb::BoundWindowExpression>());
  duckdb::ExpressionIterator::EnumerateChildren(*copy, [&](duckdb::unique_ptr<duckdb::Expression>& child) {
    if (child->IsFoldable()) return;
    duckdb::LogicalType type = child->return_type;
    child = reference(columns.column(*child), type);
  });
  return copy;
}

/// How far the frames of the calls reach. The sort keys of the ends of ranges become the last columns.
plan::FrameReach Translator::frame_reach(const std::vector<const duckdb::BoundWindowExpression*>& calls,
                                         PreProjection& columns, int32_t sort_key) {
  plan::FrameReach reach;
  const auto first_end = static_cast<int32_t>(columns.size());
  const auto key_of = [&](const duckdb::BoundWindowExpression& call, const duckdb::Expression* end) {
    if (!end) return int32_t{-1};
    duckdb::vector<duckdb::BoundOrderByNode> orders;
    orders.push_back(call.orders[0].Copy());
    orders[0].expression = end->Copy();
    const auto column = static_cast<int32_t>(columns.column(*this->sort_key(orders)));
    if (column >= first_end) return column;
    // A column that is shown cannot be left out: the whole partition is within reach then.
    if (column != sort_key) reach.rows_before = reach.rows_after = INT64_MAX;
    return int32_t{-1};
  };
  for (const auto* call : calls) {
    const WindowFrame frame = *bounded_frame(*call);
    if (frame.value) {
      reach.values.push_back({columns.column(*frame.value), frame.reach.rows_before, frame.reach.rows_after});
      continue;
    }
    reach.rows_before = std::max(reach.rows_before, frame.reach.rows_before);
    reach.rows_after = std::max(reach.rows_after, frame.reach.rows_after);
    reach.peers_before = std::max(reach.peers_before, frame.reach.peers_before);
    reach.peers_after = std::max(reach.peers_after, frame.reach.peers_after);
    if (frame.range) reach.ranges.push_back({key_of(*call, frame.range->first), key_of(*call, frame.range->last)});
  }
  return reach;
}

uint32_t Translator::window_of_one_spec(const std::vector<const duckdb::BoundWindowExpression*>& calls, WindowForm form,
                                        uint32_t input, size_t visible_columns) {
  PreProjection columns(*this, input);
  plan::FramedWindow framed;
  plan::Window& result = framed.window;
  const duckdb::BoundWindowExpression& first = *calls[0];
  for (auto& partition : first.partitions) result.partition_columns.push_back(columns.column(*partition));
  if (!first.orders.empty()) result.sort_key = static_cast<int32_t>(columns.column(*sort_key(first.orders)));
  const bool is_general = form == WindowForm::kFrame || form == WindowForm::kGeneral;
  std::vector<duckdb::unique_ptr<duckdb::Expression>> copies;
  for (const auto* call : calls) {
    result.calls.push_back(window_call(*call, columns));
    if (is_general) copies.push_back(call_over_columns(*call, columns));
  }
  const size_t before_ends = columns.size();
  if (form == WindowForm::kFrame) framed.reach = frame_reach(calls, columns, result.sort_key);
  const size_t ends = columns.size() - before_ends;
  const uint32_t ready = columns.finish();
  const plan::Node& from = nodes_[ready];
  if (is_general) {
    std::vector<uint32_t> kept;
    for (uint32_t column = 0; column < from.output.size(); ++column) {
      if (column < before_ends || column >= before_ends + ends) kept.push_back(column);
    }
    result.general = window_fragment(std::move(copies), from, kept);
  }

  plan::Node made;
  made.inputs = {ready};
  made.append_only = false;
  made.key = from.key;
  for (size_t i = 0; i < before_ends; ++i) made.output.fields.push_back(from.output[i]);
  for (const auto& call : result.calls) made.output.fields.push_back({call.text, call.result});
  auto carry = [&](int32_t column) {
    if (column < 0) return -1;
    made.output.fields.push_back(from.output[static_cast<size_t>(column)]);
    return static_cast<int32_t>(made.output.size() - 1);
  };
  made.order_column = carry(from.order_column);
  made.watermark_column = carry(from.watermark_column);
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < visible_columns; ++i) kept.push_back(i);
  for (uint32_t i = 0; i < calls.size(); ++i) kept.push_back(static_cast<uint32_t>(before_ends) + i);
  if (form == WindowForm::kFrame || form == WindowForm::kRunning) {
    made.operation = std::move(framed);
  } else {
    made.operation = std::move(result);
  }
  return keep(add(std::move(made)), kept);
}

uint32_t Translator::window(duckdb::LogicalWindow& op) {
  const bool sessions = std::any_of(op.expressions.begin(), op.expressions.end(), [](const auto& call) {
    return session_call(call->template Cast<duckdb::BoundWindowExpression>()) != SessionCall::kNone;
  });
  uint32_t at = translate(*op.children[0], Needs{true, sessions});
  size_t below = visible(at);
  const std::vector<WindowForm> forms = sessions ? std::vector<WindowForm>() : window_forms(op.expressions);
  // One node a specification and form; `places` remembers where each call's column ends up.
  std::vector<uint32_t> places(op.expressions.size(), 0);
  std::vector<bool> done(op.expressions.size(), false);
  size_t columns = below;
  for (size_t i = 0; i < op.expressions.size(); ++i) {
    if (done[i]) continue;
    auto& first = op.expressions[i]->Cast<duckdb::BoundWindowExpression>();
    std::vector<const duckdb::BoundWindowExpression*> calls;
    for (size_t j = i; j < op.expressions.size(); ++j) {
      auto& call = op.expressions[j]->Cast<duckdb::BoundWindowExpression>();
      if (done[j] || !same_specification(first, call) || (!sessions && forms[j] != forms[i])) continue;
      done[j] = true;
      places[j] = static_cast<uint32_t>(columns + calls.size());
      calls.push_back(&call);
    }
    at = sessions ? session_of_one_spec(calls, at, columns, ends_by_row_ == &op)
                  : window_of_one_spec(calls, forms[i], at, columns);
    columns += calls.size();
  }
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < below; ++i) kept.push_back(i);
  kept.insert(kept.end(), places.begin(), places.end());
  return keep(at, kept);
}

}  // namespace millrace::sql
