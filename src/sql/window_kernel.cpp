#include "sql/window_kernel.h"

#include <algorithm>

#include "duckdb/planner/expression/bound_constant_expression.hpp"

namespace millrace::sql {
namespace {

using duckdb::ExpressionType;
using duckdb::WindowBoundary;
using plan::WindowKind;

bool is_constant(const duckdb::unique_ptr<duckdb::Expression>& expression) {
  if (!expression) return true;
  if (expression->GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) return false;
  return !expression->Cast<duckdb::BoundConstantExpression>().value.IsNull();
}

bool is_floating(const duckdb::LogicalType& type) {
  return type.id() == duckdb::LogicalTypeId::DOUBLE || type.id() == duckdb::LogicalTypeId::FLOAT;
}

/// Exact numbers of up to 64 bits: their sums never overflow.
bool is_short_number(const duckdb::LogicalType& type) {
  const bool number = type.IsIntegral() || type.id() == duckdb::LogicalTypeId::DECIMAL;
  return number && type.InternalType() != duckdb::PhysicalType::INT128 &&
         type.InternalType() != duckdb::PhysicalType::UINT128;
}

bool has_order(const duckdb::LogicalType& type) {
  if (type.IsNested()) return false;
  if (type.InternalType() != duckdb::PhysicalType::VARCHAR) return true;
  return type.id() == duckdb::LogicalTypeId::VARCHAR || type.id() == duckdb::LogicalTypeId::BLOB;
}

WindowKind running_kind(const duckdb::BoundWindowExpression& call) {
  if (!call.aggregate) return WindowKind::kGeneral;
  const std::string& name = call.aggregate->name;
  if (call.children.empty() && (name == "count" || name == "count_star")) return WindowKind::kCountStar;
  if (call.children.size() != 1) return WindowKind::kGeneral;
  const duckdb::LogicalType& argument = call.children[0]->return_type;
  const duckdb::LogicalType& result = call.return_type;
  if (name == "count") return WindowKind::kCount;
  if (name == "sum" && is_short_number(argument) && result.InternalType() == duckdb::PhysicalType::INT128)
    return WindowKind::kSum;
  if (name == "sum" && is_floating(argument) && result.id() == duckdb::LogicalTypeId::DOUBLE) return WindowKind::kSum;
  if (name == "avg" && result.id() == duckdb::LogicalTypeId::DOUBLE &&
      (is_short_number(argument) || is_floating(argument)))
    return WindowKind::kAvg;
  if (argument != result || !has_order(argument)) return WindowKind::kGeneral;
  if (name == "min") return WindowKind::kMin;
  return name == "max" ? WindowKind::kMax : WindowKind::kGeneral;
}

/// Sums of floating numbers and extremes cannot be taken back.
bool folds(const duckdb::BoundWindowExpression& call) {
  const WindowKind kind = window_kernel(call).kind;
  if (kind == WindowKind::kMin || kind == WindowKind::kMax) return true;
  return (kind == WindowKind::kSum || kind == WindowKind::kAvg) && is_floating(call.children[0]->return_type);
}

bool may_look_ahead(const duckdb::BoundWindowExpression& call) {
  const WindowKind kind = window_kernel(call).kind;
  return kind == WindowKind::kLead || (kind == WindowKind::kLag && call.offset_expr);
}

}  // namespace

WindowKernel window_kernel(const duckdb::BoundWindowExpression& call) {
  const bool plain = !call.ignore_nulls && call.arg_orders.empty() && !call.distinct && !call.filter_expr &&
                     call.exclude_clause == duckdb::WindowExcludeMode::NO_OTHER;
  if (!plain) return {};
  const bool from_start = call.start == WindowBoundary::UNBOUNDED_PRECEDING;
  const bool to_row = call.end == WindowBoundary::CURRENT_ROW_ROWS;
  const bool to_end = call.end == WindowBoundary::UNBOUNDED_FOLLOWING;
  const bool to_peers = call.end == WindowBoundary::CURRENT_ROW_RANGE || (to_end && call.orders.empty());
  const bool so_far = from_start && (to_row || to_peers);
  switch (call.GetExpressionType()) {
    case ExpressionType::WINDOW_ROW_NUMBER: return {WindowKind::kRowNumber};
    case ExpressionType::WINDOW_RANK: return {WindowKind::kRank};
    case ExpressionType::WINDOW_RANK_DENSE: return {WindowKind::kDenseRank};
    case ExpressionType::WINDOW_LEAD: return {is_constant(call.offset_expr) ? WindowKind::kLead : WindowKind::kGeneral};
    case ExpressionType::WINDOW_LAG: return {is_constant(call.offset_expr) ? WindowKind::kLag : WindowKind::kGeneral};
    case ExpressionType::WINDOW_FIRST_VALUE:
      return {so_far || (from_start && to_end) ? WindowKind::kFirstValue : WindowKind::kGeneral};
    case ExpressionType::WINDOW_LAST_VALUE:
      return {so_far ? WindowKind::kLastValue : WindowKind::kGeneral, so_far && to_peers};
    case ExpressionType::WINDOW_AGGREGATE: {
      const WindowKind kind = so_far ? running_kind(call) : WindowKind::kGeneral;
      return {kind, kind != WindowKind::kGeneral && to_peers};
    }
    default: return {};
  }
}

bool share_a_node(const std::vector<const duckdb::BoundWindowExpression*>& calls,
                  const duckdb::BoundWindowExpression& call) {
  const bool is_general = window_kernel(call).kind == WindowKind::kGeneral;
  return std::all_of(calls.begin(), calls.end(), [&](const duckdb::BoundWindowExpression* other) {
    if ((window_kernel(*other).kind == WindowKind::kGeneral) != is_general) return false;
    return !(folds(call) && may_look_ahead(*other)) && !(folds(*other) && may_look_ahead(call));
  });
}

}  // namespace millrace::sql
