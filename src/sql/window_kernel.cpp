#include "sql/window_kernel.h"

#include <algorithm>

#include "duckdb/planner/expression/bound_case_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "sql/window_frame.h"

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

bool is_running(WindowKind kind) { return kind >= WindowKind::kCountStar; }

bool has_order(const duckdb::LogicalType& type) {
  if (type.IsNested()) return false;
  if (type.InternalType() != duckdb::PhysicalType::VARCHAR) return true;
  return type.id() == duckdb::LogicalTypeId::VARCHAR || type.id() == duckdb::LogicalTypeId::BLOB;
}

WindowKind running_kind(const duckdb::BoundWindowExpression& call) {
  if (!call.aggregate) return WindowKind::kGeneral;
  const std::string& name = call.aggregate->name;
  if (call.children.empty() && (name == "count" || name == "count_star")) {
    return call.filter_expr ? WindowKind::kCount : WindowKind::kCountStar;
  }
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
  if (name == "min" || name == "bool_and") return WindowKind::kMin;
  if (name == "bool_or") return WindowKind::kMax;
  if (name == "any_value") return WindowKind::kFirstNotNull;
  return name == "max" ? WindowKind::kMax : WindowKind::kGeneral;
}

/// The call over the rows up to what comes before the row itself, or before its first peer.
std::optional<WindowKernel> so_far_without_own(const duckdb::BoundWindowExpression& call) {
  if (call.start != WindowBoundary::UNBOUNDED_PRECEDING) return std::nullopt;
  WindowKernel kernel{WindowKind::kGeneral, false, true};
  if (call.exclude_clause == duckdb::WindowExcludeMode::NO_OTHER) {
    const bool is_one = call.end_expr && is_constant(call.end_expr) &&
                        call.end_expr->Cast<duckdb::BoundConstantExpression>().value == duckdb::Value::BIGINT(1);
    kernel.to_peers = call.end == WindowBoundary::EXPR_PRECEDING_GROUPS;
    if (!is_one || !(kernel.to_peers || call.end == WindowBoundary::EXPR_PRECEDING_ROWS)) return std::nullopt;
  } else {
    kernel.to_peers = call.exclude_clause == duckdb::WindowExcludeMode::GROUP;
    const bool without_row = call.exclude_clause == duckdb::WindowExcludeMode::CURRENT_ROW &&
                             call.end == WindowBoundary::CURRENT_ROW_ROWS;
    const bool without_peers = kernel.to_peers && (call.end == WindowBoundary::CURRENT_ROW_RANGE ||
                                                   call.end == WindowBoundary::CURRENT_ROW_GROUPS);
    if (!without_row && !without_peers) return std::nullopt;
  }
  switch (call.GetExpressionType()) {
    case ExpressionType::WINDOW_AGGREGATE: kernel.kind = running_kind(call); break;
    case ExpressionType::WINDOW_FIRST_VALUE:
      if (call.ignore_nulls) kernel.kind = WindowKind::kFirstNotNull;
      break;
    case ExpressionType::WINDOW_LAST_VALUE:
      if (call.ignore_nulls) kernel.kind = WindowKind::kLastNotNull;
      break;
    default: break;
  }
  if (kernel.kind == WindowKind::kGeneral) return std::nullopt;
  return kernel;
}

/// Sums of floating numbers and extremes cannot be taken back.
bool folds(const duckdb::BoundWindowExpression& call) {
  const auto [kind, to_peers, ends_before] = window_kernel(call);
  if (kind >= WindowKind::kMin || ends_before) return true;
  return (kind == WindowKind::kSum || kind == WindowKind::kAvg) && is_floating(call.children[0]->return_type);
}

}  // namespace

WindowKernel window_kernel(const duckdb::BoundWindowExpression& call) {
  if (!call.arg_orders.empty() || call.distinct) return {};
  if (const auto kernel = so_far_without_own(call)) return *kernel;
  if (call.exclude_clause != duckdb::WindowExcludeMode::NO_OTHER) return {};
  const bool from_start = call.start == WindowBoundary::UNBOUNDED_PRECEDING;
  const bool to_row = call.end == WindowBoundary::CURRENT_ROW_ROWS;
  const bool to_end = call.end == WindowBoundary::UNBOUNDED_FOLLOWING;
  const bool to_peers = call.end == WindowBoundary::CURRENT_ROW_RANGE ||
                        call.end == WindowBoundary::CURRENT_ROW_GROUPS || (to_end && call.orders.empty());
  const bool so_far = from_start && (to_row || to_peers);
  switch (call.GetExpressionType()) {
    case ExpressionType::WINDOW_ROW_NUMBER: return {WindowKind::kRowNumber};
    case ExpressionType::WINDOW_RANK: return {WindowKind::kRank};
    case ExpressionType::WINDOW_RANK_DENSE: return {WindowKind::kDenseRank};
    case ExpressionType::WINDOW_LEAD:
    case ExpressionType::WINDOW_LAG: {
      if (call.ignore_nulls || !is_constant(call.offset_expr)) return {};
      return {call.GetExpressionType() == ExpressionType::WINDOW_LEAD ? WindowKind::kLead : WindowKind::kLag};
    }
    case ExpressionType::WINDOW_FIRST_VALUE:
      if (call.ignore_nulls) return {so_far ? WindowKind::kFirstNotNull : WindowKind::kGeneral, so_far && to_peers};
      return {so_far || (from_start && to_end) ? WindowKind::kFirstValue : WindowKind::kGeneral};
    case ExpressionType::WINDOW_LAST_VALUE:
      if (call.ignore_nulls) return {so_far ? WindowKind::kLastNotNull : WindowKind::kGeneral, so_far && to_peers};
      return {so_far ? WindowKind::kLastValue : WindowKind::kGeneral, so_far && to_peers};
    case ExpressionType::WINDOW_AGGREGATE: {
      const WindowKind kind = so_far ? running_kind(call) : WindowKind::kGeneral;
      return {kind, kind != WindowKind::kGeneral && to_peers};
    }
    default: return {};
  }
}

bool same_specification(const duckdb::BoundWindowExpression& a, const duckdb::BoundWindowExpression& b) {
  if (a.partitions.size() != b.partitions.size() || a.orders.size() != b.orders.size()) return false;
  for (size_t i = 0; i < a.partitions.size(); ++i) {
    if (!a.partitions[i]->Equals(*b.partitions[i])) return false;
  }
  for (size_t i = 0; i < a.orders.size(); ++i) {
    if (!a.orders[i].Equals(b.orders[i])) return false;
  }
  return true;
}

duckdb::unique_ptr<duckdb::Expression> window_argument(const duckdb::BoundWindowExpression& call) {
  if (!call.filter_expr) return call.children.empty() ? nullptr : call.children[0]->Copy();
  duckdb::unique_ptr<duckdb::Expression> value =
      duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value::BOOLEAN(true));
  if (!call.children.empty()) value = call.children[0]->Copy();
  auto otherwise = duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value(value->return_type));
  return duckdb::make_uniq<duckdb::BoundCaseExpression>(call.filter_expr->Copy(), std::move(value),
                                                        std::move(otherwise));
}

std::vector<WindowForm> window_forms(const std::vector<duckdb::unique_ptr<duckdb::Expression>>& calls) {
  std::vector<WindowForm> forms;
  for (const auto& each : calls) {
    const auto& call = each->Cast<duckdb::BoundWindowExpression>();
    if (window_kernel(call).kind == WindowKind::kGeneral) {
      forms.push_back(bounded_frame(call) ? WindowForm::kFrame : WindowForm::kGeneral);
    } else {
      forms.push_back(folds(call) ? WindowForm::kRunning : WindowForm::kKernel);
    }
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto& call = calls[i]->Cast<duckdb::BoundWindowExpression>();
    if (forms[i] != WindowForm::kKernel || !is_running(window_kernel(call).kind)) continue;
    for (size_t j = 0; j < calls.size() && forms[i] == WindowForm::kKernel; ++j) {
      const auto& other = calls[j]->Cast<duckdb::BoundWindowExpression>();
      if (forms[j] == WindowForm::kRunning && same_specification(call, other)) forms[i] = WindowForm::kRunning;
    }
  }
  return forms;
}

}  // namespace millrace::sql
