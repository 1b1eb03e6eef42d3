#include "sql/window_frame.h"

#include <algorithm>

#include "duckdb/planner/expression/bound_cast_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "sql/bind_failure.h"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

using duckdb::ExpressionType;
using duckdb::WindowBoundary;
using duckdb::WindowExcludeMode;

enum class FrameUnit : uint8_t { kRows, kRange, kGroups };

FrameUnit unit_of(WindowBoundary bound) {
  switch (bound) {
    case WindowBoundary::CURRENT_ROW_ROWS:
    case WindowBoundary::EXPR_PRECEDING_ROWS:
    case WindowBoundary::EXPR_FOLLOWING_ROWS: return FrameUnit::kRows;
    case WindowBoundary::CURRENT_ROW_GROUPS:
    case WindowBoundary::EXPR_PRECEDING_GROUPS:
    case WindowBoundary::EXPR_FOLLOWING_GROUPS: return FrameUnit::kGroups;
    default: return FrameUnit::kRange;
  }
}

bool is_unbounded(WindowBoundary bound) {
  return bound == WindowBoundary::UNBOUNDED_PRECEDING || bound == WindowBoundary::UNBOUNDED_FOLLOWING;
}

bool is_preceding(WindowBoundary bound) {
  return bound == WindowBoundary::EXPR_PRECEDING_ROWS || bound == WindowBoundary::EXPR_PRECEDING_RANGE ||
         bound == WindowBoundary::EXPR_PRECEDING_GROUPS;
}

bool is_current(WindowBoundary bound) {
  return bound == WindowBoundary::CURRENT_ROW_ROWS || bound == WindowBoundary::CURRENT_ROW_RANGE ||
         bound == WindowBoundary::CURRENT_ROW_GROUPS;
}

FrameUnit unit_of(const duckdb::BoundWindowExpression& call) {
  return is_unbounded(call.start) ? unit_of(call.end) : unit_of(call.start);
}

std::optional<int64_t> constant_of(const duckdb::Expression* expression) {
  if (!expression || expression->GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) return std::nullopt;
  const duckdb::Value& value = expression->Cast<duckdb::BoundConstantExpression>().value;
  if (value.IsNull() || !value.type().IsIntegral()) return std::nullopt;
  return value.GetValue<int64_t>();
}

/// Where a bound of ROWS or GROUPS stands, from the row's own place.
std::optional<int64_t> place_of(WindowBoundary bound, const duckdb::Expression* offset) {
  if (is_current(bound)) return 0;
  const std::optional<int64_t> number = constant_of(offset);
  if (!number || *number < 0) return std::nullopt;
  return is_preceding(bound) ? -*number : *number;
}

/// The ORDER BY expression, plus or minus a constant: it grows with it.
bool is_shifted(const duckdb::Expression& value, const duckdb::Expression& order) {
  if (value.return_type != order.return_type) return false;
  if (value.Equals(order)) return true;
  if (value.GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return false;
  const auto& function = value.Cast<duckdb::BoundFunctionExpression>();
  if (function.children.size() != 2) return false;
  const auto& left = *function.children[0];
  const auto& right = *function.children[1];
  const bool adds = function.function.name == "+";
  if ((adds || function.function.name == "-") && left.Equals(order)) return right.IsFoldable();
  return adds && right.Equals(order) && left.IsFoldable();
}

bool is_zero(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) return false;
  const duckdb::Value& value = expression.Cast<duckdb::BoundConstantExpression>().value;
  if (value.IsNull()) return false;
  if (value.type().id() != duckdb::LogicalTypeId::INTERVAL)
    return value.type().IsNumeric() && value.GetValue<double>() == 0;
  const auto interval = value.GetValue<duckdb::interval_t>();
  return interval.months == 0 && interval.days == 0 && interval.micros == 0;
}

/// The row's own value: a bound of 0.
bool is_own(const duckdb::Expression& value, const duckdb::Expression& order) {
  if (value.Equals(order)) return true;
  if (!is_shifted(value, order)) return false;
  const auto& children = value.Cast<duckdb::BoundFunctionExpression>().children;
  return is_zero(*children[0]) || is_zero(*children[1]);
}

bool range_end(WindowBoundary bound, const duckdb::unique_ptr<duckdb::Expression>& value,
               const duckdb::BoundWindowExpression& call, const duckdb::Expression*& end) {
  if (is_current(bound)) return true;
  if (!value || call.orders.size() != 1 || !is_shifted(*value, *call.orders[0].expression)) return false;
  end = value.get();
  return true;
}

std::optional<WindowFrame> frame_of(const duckdb::BoundWindowExpression& call) {
  WindowFrame frame;
  if (is_unbounded(call.start) || is_unbounded(call.end)) return std::nullopt;
  const FrameUnit unit = unit_of(call);
  if (unit == FrameUnit::kRange) {
    WindowFrame::Range range;
    if (!range_end(call.start, call.start_expr, call, range.first) ||
        !range_end(call.end, call.end_expr, call, range.last))
      return std::nullopt;
    frame.reach.peers_before = frame.reach.peers_after = 0;
    if (range.first || range.last) frame.range = range;
    return frame;
  }
  const auto first = place_of(call.start, call.start_expr.get()), last = place_of(call.end, call.end_expr.get());
  if (!first || !last) return std::nullopt;
  const int64_t before = std::max<int64_t>(0, -*first), after = std::max<int64_t>(0, *last);
  if (unit == FrameUnit::kRows) {
    frame.reach.rows_before = before;
    frame.reach.rows_after = after;
  } else {
    frame.reach.peers_before = before;
    frame.reach.peers_after = after;
  }
  return frame;
}

/// lead and lag by a constant, however far from the frame. With IGNORE NULLS, values are counted and not rows.
std::optional<WindowFrame> neighbour(const duckdb::BoundWindowExpression& call) {
  int64_t offset = 1;
  if (call.offset_expr) {
    const std::optional<int64_t> given = constant_of(call.offset_expr.get());
    if (!given || *given == INT64_MIN) return std::nullopt;
    offset = *given;
  }
  const int64_t ahead = call.GetExpressionType() == ExpressionType::WINDOW_LEAD ? offset : -offset;
  WindowFrame frame;
  frame.reach.rows_after = std::max<int64_t>(0, ahead);
  frame.reach.rows_before = std::max<int64_t>(0, -ahead);
  if (!call.ignore_nulls) return frame;
  if (call.children[0]->IsFoldable()) return std::nullopt;
  frame.value = call.children[0].get();
  return frame;
}

duckdb::BoundOrderByNode ascending(const duckdb::Expression& expression) {
  return {duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST, expression.Copy()};
}

bool depends_on_order(const duckdb::BoundWindowExpression& call) {
  return call.aggregate->order_dependent == duckdb::AggregateOrderDependent::ORDER_DEPENDENT;
}

bool excludes_peers(const duckdb::BoundWindowExpression& call) {
  return call.exclude_clause == WindowExcludeMode::GROUP || call.exclude_clause == WindowExcludeMode::TIES;
}

}  // namespace

std::optional<WindowFrame> bounded_frame(const duckdb::BoundWindowExpression& call) {
  switch (call.GetExpressionType()) {
    case ExpressionType::WINDOW_AGGREGATE:
    case ExpressionType::WINDOW_FIRST_VALUE:
    case ExpressionType::WINDOW_LAST_VALUE:
    case ExpressionType::WINDOW_NTH_VALUE: return frame_of(call);
    case ExpressionType::WINDOW_LEAD:
    case ExpressionType::WINDOW_LAG:
      if (!call.arg_orders.empty()) return std::nullopt;
      return neighbour(call);
    default: return std::nullopt;
  }
}

void check_frame(const duckdb::BoundWindowExpression& call) {
  for (const auto* offset : {call.start_expr.get(), call.end_expr.get()}) {
    if (!offset || unit_of(call) == FrameUnit::kRange) continue;
    if (offset->GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) continue;
    const duckdb::Value& value = offset->Cast<duckdb::BoundConstantExpression>().value;
    if (!value.IsNull() && value.GetValue<int64_t>() >= 0) continue;
    Error error =
        user_error(sqlstate::kInvalidParameter, "a frame cannot begin or end at " + value.ToString() + " rows")
            .with_hint("write a number that is not negative, and PRECEDING or FOLLOWING for the direction");
    if (const auto at = call.GetQueryLocation(); at.IsValid()) error.position = SourceSpan{at.GetIndex(), 1};
    throw BindFailure(std::move(error));
  }
}

void begin_and_end_at_peers(duckdb::BoundWindowExpression& call) {
  if (call.orders.size() != 1) return;
  const duckdb::Expression& order = *call.orders[0].expression;
  if (call.start == WindowBoundary::EXPR_FOLLOWING_RANGE && is_own(*call.start_expr, order)) {
    call.start = WindowBoundary::CURRENT_ROW_RANGE;
    call.start_expr.reset();
  }
  if (call.end == WindowBoundary::EXPR_PRECEDING_RANGE && is_own(*call.end_expr, order)) {
    call.end = WindowBoundary::CURRENT_ROW_RANGE;
    call.end_expr.reset();
  }
}

bool needs_peers_and_places(const duckdb::BoundWindowExpression& call) {
  return unit_of(call) == FrameUnit::kRows && excludes_peers(call);
}

void order_by_position(duckdb::BoundWindowExpression& call, const duckdb::Expression& position) {
  const ExpressionType type = call.GetExpressionType();
  if (type == ExpressionType::WINDOW_RANK || type == ExpressionType::WINDOW_RANK_DENSE ||
      type == ExpressionType::WINDOW_PERCENT_RANK || type == ExpressionType::WINDOW_CUME_DIST)
    return;
  const bool is_aggregate = type == ExpressionType::WINDOW_AGGREGATE;
  const bool frames_matter = is_aggregate || type == ExpressionType::WINDOW_FIRST_VALUE ||
                             type == ExpressionType::WINDOW_LAST_VALUE || type == ExpressionType::WINDOW_NTH_VALUE ||
                             !call.arg_orders.empty();
  const bool keeps_peers = frames_matter && (unit_of(call) != FrameUnit::kRows || excludes_peers(call));
  if (!keeps_peers) {
    call.orders.push_back(ascending(position));
    if (!call.arg_orders.empty()) call.arg_orders.push_back(ascending(position));
    return;
  }
  if (is_aggregate && !depends_on_order(call)) return;
  // With an order of their own, nth_value of DuckDB 1.4 passes over the last row of a frame, and first_value with
  // IGNORE NULLS looks outside of one that holds NULLs alone. Rows come in our order anyway, and sorting leaves them so.
  if (!is_aggregate && call.arg_orders.empty()) return;
  if (call.arg_orders.empty()) {
    for (const auto& order : call.orders) call.arg_orders.push_back(order.Copy());
  }
  call.arg_orders.push_back(ascending(position));
}

}  // namespace millrace::sql
