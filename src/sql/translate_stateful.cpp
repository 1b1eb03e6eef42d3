// The stateful half of the Translator: GROUP BY, DISTINCT, OVER, joins.
#include <algorithm>

#include "duckdb/function/function_binder.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "duckdb/planner/expression/bound_comparison_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression/bound_window_expression.hpp"
#include "duckdb/planner/expression_iterator.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/bind_failure.h"
#include "sql/relation_function.h"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw BindFailure(user_error(sqlstate::kNotSupported, "a materialized view cannot keep " + what + " up to date").with_hint(hint));
}

/// Calls `visit` on every column reference of the expression, itself included.
void for_each_reference(duckdb::Expression& expression,
                        const std::function<void(duckdb::BoundReferenceExpression&)>& visit) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF) {
    visit(expression.Cast<duckdb::BoundReferenceExpression>());
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(expression,
                                                [&](duckdb::Expression& child) { for_each_reference(child, visit); });
}

/// ExpressionIterator leaves out the ORDER BY of an aggregate; this does not.
void for_each_child(duckdb::BoundAggregateExpression& call,
                    const std::function<void(duckdb::unique_ptr<duckdb::Expression>&)>& visit) {
  for (auto& child : call.children) visit(child);
  if (call.filter) visit(call.filter);
  if (call.order_bys) {
    for (auto& order : call.order_bys->orders) visit(order.expression);
  }
}

bool is_floating(const duckdb::LogicalType& type) {
  return type.id() == duckdb::LogicalTypeId::DOUBLE || type.id() == duckdb::LogicalTypeId::FLOAT;
}

bool is_exact_number(const duckdb::LogicalType& type) {
  return type.IsIntegral() || type.id() == duckdb::LogicalTypeId::DECIMAL;
}

plan::AggregateKind fast_kind(const duckdb::BoundAggregateExpression& call, bool append_only) {
  using plan::AggregateKind;
  if (call.IsDistinct()) return AggregateKind::kGeneral;
  const std::string& name = call.function.name;
  if (name == "count_star" && call.children.empty()) return AggregateKind::kCountStar;
  if (call.children.size() != 1) return AggregateKind::kGeneral;
  const duckdb::LogicalType& argument = call.children[0]->return_type;
  bool number = (is_exact_number(argument) && argument.InternalType() != duckdb::PhysicalType::UINT128) ||
                (is_floating(argument) && append_only);
  if (name == "count") return AggregateKind::kCount;
  if (name == "sum" && number) return AggregateKind::kSum;
  if (name == "avg" && number) return AggregateKind::kAvg;
  if (argument.IsNested()) return AggregateKind::kGeneral;
  if (name == "min") return AggregateKind::kMin;
  if (name == "max") return AggregateKind::kMax;
  return AggregateKind::kGeneral;
}

/// The window bound function that computes output column `column` of `op`, looked for below projections and filters.
const duckdb::BoundFunctionExpression* trace_bound(duckdb::LogicalOperator& op, const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION) {
    auto& function = expression.Cast<duckdb::BoundFunctionExpression>();
    bool is_bound = function.function.name == kWindowStartFunction || function.function.name == kWindowEndFunction;
    return is_bound ? &function : nullptr;
  }
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_REF) return nullptr;
  duckdb::idx_t column = expression.Cast<duckdb::BoundReferenceExpression>().index;
  using Kind = duckdb::LogicalOperatorType;
  if (op.type == Kind::LOGICAL_PROJECTION) return trace_bound(*op.children[0], *op.expressions[column]);
  if (op.type == Kind::LOGICAL_FILTER) {
    auto& map = op.Cast<duckdb::LogicalFilter>().projection_map;
    duckdb::BoundReferenceExpression below(expression.return_type, map.empty() ? column : map[column]);
    return trace_bound(*op.children[0], below);
  }
  if (op.type == Kind::LOGICAL_UNNEST && column < op.children[0]->types.size()) return trace_bound(*op.children[0], expression);
  return nullptr;
}

int64_t constant_micros(const duckdb::Expression& expression) {
  auto interval = expression.Cast<duckdb::BoundConstantExpression>().value.GetValue<duckdb::interval_t>();
  return interval.micros + interval.days * 86400000000;
}

plan::WindowKind window_kind(const duckdb::BoundWindowExpression& call) {
  using duckdb::ExpressionType;
  using plan::WindowKind;
  bool plain = !call.ignore_nulls && call.arg_orders.empty() && !call.distinct && !call.filter_expr &&
               call.exclude_clause == duckdb::WindowExcludeMode::NO_OTHER;
  if (!plain) return WindowKind::kGeneral;
  auto constant = [](const duckdb::unique_ptr<duckdb::Expression>& expression) {
    return !expression || expression->GetExpressionClass() == duckdb::ExpressionClass::BOUND_CONSTANT;
  };
  switch (call.GetExpressionType()) {
    case ExpressionType::WINDOW_ROW_NUMBER:
      return WindowKind::kRowNumber;
    case ExpressionType::WINDOW_RANK:
      return WindowKind::kRank;
    case ExpressionType::WINDOW_RANK_DENSE:
      return WindowKind::kDenseRank;
    case ExpressionType::WINDOW_LEAD:
      return constant(call.offset_expr) ? WindowKind::kLead : WindowKind::kGeneral;
    case ExpressionType::WINDOW_LAG:
      return constant(call.offset_expr) ? WindowKind::kLag : WindowKind::kGeneral;
    case ExpressionType::WINDOW_FIRST_VALUE:
      return call.start == duckdb::WindowBoundary::UNBOUNDED_PRECEDING ? WindowKind::kFirstValue : WindowKind::kGeneral;
    default:
      return WindowKind::kGeneral;
  }
}

/// Calls whose result among peers depends on which peer comes first: the log's order decides.
bool peers_need_order(const duckdb::BoundWindowExpression& call) {
  using duckdb::ExpressionType;
  switch (call.GetExpressionType()) {
    case ExpressionType::WINDOW_RANK:
    case ExpressionType::WINDOW_RANK_DENSE:
    case ExpressionType::WINDOW_PERCENT_RANK:
    case ExpressionType::WINDOW_CUME_DIST:
      return false;
    case ExpressionType::WINDOW_AGGREGATE:
      return call.start == duckdb::WindowBoundary::CURRENT_ROW_ROWS || call.start == duckdb::WindowBoundary::EXPR_PRECEDING_ROWS ||
             call.start == duckdb::WindowBoundary::EXPR_FOLLOWING_ROWS || call.end == duckdb::WindowBoundary::CURRENT_ROW_ROWS ||
             call.end == duckdb::WindowBoundary::EXPR_PRECEDING_ROWS || call.end == duckdb::WindowBoundary::EXPR_FOLLOWING_ROWS;
    default:
      return true;
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

}  // namespace

// ---- GROUP BY

std::optional<plan::WindowBound> Translator::window_bound(duckdb::LogicalAggregate& op) {
  for (uint32_t i = 0; i < op.groups.size(); ++i) {
    const auto* function = trace_bound(*op.children[0], *op.groups[i]);
    if (!function) continue;
    plan::WindowBound bound;
    bound.group_index = i;
    if (function->function.name == kWindowStartFunction) bound.end_offset = Duration{constant_micros(*function->children[1])};
    bound.allowed_lateness = options_.allowed_lateness;
    bound.emit_on_close = options_.emit_on_window_close;
    return bound;
  }
  return std::nullopt;
}

plan::AggregateCall Translator::aggregate_call(const duckdb::BoundAggregateExpression& call, PreProjection& columns,
                                               bool input_append_only) {
  plan::AggregateCall result;
  result.kind = fast_kind(call, input_append_only);
  result.result = batch::Type(call.return_type);
  result.text = call.GetName();
  if (result.kind == plan::AggregateKind::kGeneral) return result;
  if (!call.children.empty()) result.argument = static_cast<int32_t>(columns.column(*call.children[0]));
  if (call.filter) result.filter = static_cast<int32_t>(columns.column(*call.filter));
  return result;
}

void Translator::make_general(plan::Aggregate& result, std::vector<duckdb::unique_ptr<duckdb::Expression>> calls,
                              uint32_t input) {
  const plan::Node& from = nodes_[input];
  std::vector<uint32_t>& used = result.general_columns;
  for (auto& call : calls) {
    auto& aggregate = call->Cast<duckdb::BoundAggregateExpression>();
    bool ordered = aggregate.function.order_dependent == duckdb::AggregateOrderDependent::ORDER_DEPENDENT;
    if (ordered && from.order_column >= 0) {
      if (!aggregate.order_bys) aggregate.order_bys = duckdb::make_uniq<duckdb::BoundOrderModifier>();
      aggregate.order_bys->orders.emplace_back(
          duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST,
          reference(from.order_column, from.output[from.order_column].type.duckdb_type()));
    }
    for_each_child(aggregate, [&](duckdb::unique_ptr<duckdb::Expression>& child) {
      for_each_reference(*child, [&](duckdb::BoundReferenceExpression& column) {
        auto index = static_cast<uint32_t>(column.index);
        if (std::find(used.begin(), used.end(), index) == used.end()) used.push_back(index);
      });
    });
  }
  std::sort(used.begin(), used.end());
  std::vector<batch::Type> types{batch::Type(batch::TypeId::kBigint)};
  for (uint32_t column : used) types.push_back(from.output[column].type);
  std::vector<std::shared_ptr<const duckdb::Expression>> expressions;
  for (auto& call : calls) {
    for_each_child(call->Cast<duckdb::BoundAggregateExpression>(), [&](duckdb::unique_ptr<duckdb::Expression>& child) {
      for_each_reference(*child, [&](duckdb::BoundReferenceExpression& column) {
        auto at = std::find(used.begin(), used.end(), static_cast<uint32_t>(column.index));
        column.index = static_cast<duckdb::idx_t>(at - used.begin()) + 1;
      });
    });
    expressions.push_back(std::shared_ptr<const duckdb::Expression>(call.release()));
  }
  result.general = batch::Fragment(batch::FragmentKind::kAggregate, std::move(types), std::move(expressions));
}

uint32_t Translator::aggregate(duckdb::LogicalAggregate& op) {
  if (op.grouping_sets.size() > 1 || !op.grouping_functions.empty()) {
    refuse("GROUPING SETS, ROLLUP and CUBE", "write one view for each grouping and join them with UNION ALL");
  }
  std::optional<plan::WindowBound> bound = window_bound(op);
  has_window_bound_ |= bound.has_value();
  uint32_t input = translate(*op.children[0], Needs{true, bound.has_value()});
  if (bound && nodes_[input].watermark_column < 0 && options_.emit_on_window_close) {
    refuse("EMIT ON WINDOW CLOSE over a window whose rows carry no watermark", "apply tumble() to a stream, not to a view");
  }
  PreProjection columns(*this, input);
  plan::Aggregate result;
  result.window = bound;
  bool general = false;
  bool append_only = nodes_[input].append_only;
  std::vector<duckdb::unique_ptr<duckdb::Expression>> calls;
  for (auto& group : op.groups) result.group_columns.push_back(columns.column(*group));
  for (auto& expression : op.expressions) {
    auto call = expression->Copy();
    auto& aggregate = call->Cast<duckdb::BoundAggregateExpression>();
    result.calls.push_back(aggregate_call(aggregate, columns, append_only));
    general |= result.calls.back().kind == plan::AggregateKind::kGeneral;
    for_each_child(aggregate, [&](duckdb::unique_ptr<duckdb::Expression>& child) {
      if (child->IsFoldable()) return;
      duckdb::LogicalType type = child->return_type;
      child = reference(columns.column(*child), type);
    });
    calls.push_back(std::move(call));
  }
  // Columns that only this operator computes are all known now, so indices stay; the hidden ones go behind them.
  uint32_t ready = columns.finish();
  if (general) make_general(result, std::move(calls), ready);

  plan::Node made;
  made.inputs = {ready};
  made.append_only = bound && bound->emit_on_close;
  for (uint32_t i = 0; i < result.group_columns.size(); ++i) {
    made.output.fields.push_back(nodes_[ready].output[result.group_columns[i]]);
    made.key.push_back(i);
  }
  for (const auto& call : result.calls) made.output.fields.push_back({call.text, call.result});
  made.operation = std::move(result);
  return add(std::move(made));
}

// ---- DISTINCT

uint32_t Translator::distinct_rows(uint32_t input, size_t columns) {
  plan::DistinctOn distinct;
  plan::Node made = nodes_[input];
  for (uint32_t i = 0; i < columns; ++i) distinct.key_columns.push_back(i);
  made.key = distinct.key_columns;
  made.inputs = {input};
  made.operation = std::move(distinct);
  return add(std::move(made));
}

uint32_t Translator::distinct(duckdb::LogicalDistinct& op, Needs needs) {
  if (op.distinct_type == duckdb::DistinctType::DISTINCT) {
    uint32_t input = without_hidden(translate(*op.children[0], Needs{}));
    return distinct_rows(input, visible(input));
  }
  needs.order = true;
  uint32_t input = translate(*op.children[0], needs);
  size_t columns = visible(input);
  PreProjection pre(*this, input);
  plan::DistinctOn distinct;
  for (auto& target : op.distinct_targets) distinct.key_columns.push_back(pre.column(*target));
  // The ORDER BY starts with the keys, which are equal within a group: only what follows decides.
  if (op.order_by) {
    duckdb::vector<duckdb::BoundOrderByNode> deciding;
    for (auto& order : op.order_by->orders) {
      bool is_key = std::any_of(op.distinct_targets.begin(), op.distinct_targets.end(),
                                [&](auto& target) { return target->Equals(*order.expression); });
      if (!is_key) deciding.push_back(order.Copy());
    }
    if (!deciding.empty()) distinct.sort_key = static_cast<int32_t>(pre.column(*sort_key(deciding)));
  }
  uint32_t ready = pre.finish();
  plan::Node made = nodes_[ready];
  made.inputs = {ready};
  made.append_only = false;
  made.key = distinct.key_columns;
  made.operation = std::move(distinct);
  std::vector<uint32_t> kept(columns);
  for (uint32_t i = 0; i < columns; ++i) kept[i] = i;
  return keep(add(std::move(made)), kept);
}

// ---- OVER

plan::WindowCall Translator::window_call(const duckdb::BoundWindowExpression& call, PreProjection& columns) {
  plan::WindowCall result;
  result.kind = window_kind(call);
  result.result = batch::Type(call.return_type);
  result.text = call.GetName();
  if (result.kind == plan::WindowKind::kGeneral) return result;
  if (!call.children.empty()) result.argument = static_cast<int32_t>(columns.column(*call.children[0]));
  if (call.offset_expr) {
    result.offset = call.offset_expr->Cast<duckdb::BoundConstantExpression>().value.GetValue<int64_t>();
  }
  if (call.default_expr) result.default_column = static_cast<int32_t>(columns.column(*call.default_expr));
  return result;
}

uint32_t Translator::window_of_one_spec(std::vector<const duckdb::BoundWindowExpression*> calls, uint32_t input,
                                        size_t visible_columns) {
  PreProjection columns(*this, input);
  plan::Window result;
  const duckdb::BoundWindowExpression& first = *calls[0];
  for (auto& partition : first.partitions) result.partition_columns.push_back(columns.column(*partition));
  if (!first.orders.empty()) result.sort_key = static_cast<int32_t>(columns.column(*sort_key(first.orders)));
  bool general = false;
  std::vector<duckdb::unique_ptr<duckdb::Expression>> copies;
  for (const auto* call : calls) {
    result.calls.push_back(window_call(*call, columns));
    general |= result.calls.back().kind == plan::WindowKind::kGeneral;
    auto copy = call->Copy();
    copy->Cast<duckdb::BoundWindowExpression>().partitions.clear();
    duckdb::ExpressionIterator::EnumerateChildren(*copy, [&](duckdb::unique_ptr<duckdb::Expression>& child) {
      if (child->IsFoldable()) return;
      duckdb::LogicalType type = child->return_type;
      child = reference(columns.column(*child), type);
    });
    copies.push_back(std::move(copy));
  }
  uint32_t ready = columns.finish();
  if (general) {
    const plan::Node& from = nodes_[ready];
    std::vector<batch::Type> types{batch::Type(batch::TypeId::kBigint)};
    for (const auto& field : from.output.fields) types.push_back(field.type);
    std::vector<std::shared_ptr<const duckdb::Expression>> expressions;
    for (auto& copy : copies) {
      auto& call = copy->Cast<duckdb::BoundWindowExpression>();
      if (from.order_column >= 0 && peers_need_order(call)) {
        call.orders.emplace_back(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST,
                                 reference(from.order_column, from.output[from.order_column].type.duckdb_type()));
      }
      for_each_reference(*copy, [](duckdb::BoundReferenceExpression& column) { column.index += 1; });
      expressions.push_back(std::shared_ptr<const duckdb::Expression>(copy.release()));
    }
    result.general = batch::Fragment(batch::FragmentKind::kWindow, std::move(types), std::move(expressions));
  }

  const plan::Node& from = nodes_[ready];
  size_t below = visible(ready);
  plan::Node made;
  made.inputs = {ready};
  made.append_only = false;
  made.key = from.key;
  for (size_t i = 0; i < below; ++i) made.output.fields.push_back(from.output[i]);
  for (const auto& call : result.calls) made.output.fields.push_back({call.text, call.result});
  auto carry = [&](int32_t column) {
    if (column < 0) return -1;
    made.output.fields.push_back(from.output[column]);
    return static_cast<int32_t>(made.output.size() - 1);
  };
  made.order_column = carry(from.order_column);
  made.watermark_column = carry(from.watermark_column);
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < visible_columns; ++i) kept.push_back(i);
  for (uint32_t i = 0; i < calls.size(); ++i) kept.push_back(static_cast<uint32_t>(below) + i);
  made.operation = std::move(result);
  return keep(add(std::move(made)), kept);
}

uint32_t Translator::window(duckdb::LogicalWindow& op) {
  uint32_t at = translate(*op.children[0], Needs{true, false});
  size_t below = visible(at);
  // One node a specification; `places` remembers where each call's column ends up.
  std::vector<uint32_t> places(op.expressions.size(), 0);
  std::vector<bool> done(op.expressions.size(), false);
  size_t columns = below;
  for (size_t i = 0; i < op.expressions.size(); ++i) {
    if (done[i]) continue;
    auto& first = op.expressions[i]->Cast<duckdb::BoundWindowExpression>();
    std::vector<const duckdb::BoundWindowExpression*> calls;
    for (size_t j = i; j < op.expressions.size(); ++j) {
      auto& call = op.expressions[j]->Cast<duckdb::BoundWindowExpression>();
      if (done[j] || !same_specification(first, call)) continue;
      done[j] = true;
      places[j] = static_cast<uint32_t>(columns + calls.size());
      calls.push_back(&call);
    }
    at = window_of_one_spec(calls, at, columns);
    columns += calls.size();
  }
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < below; ++i) kept.push_back(i);
  kept.insert(kept.end(), places.begin(), places.end());
  return keep(at, kept);
}

// ---- joins

namespace {

plan::JoinType join_type(duckdb::JoinType type) {
  switch (type) {
    case duckdb::JoinType::INNER: return plan::JoinType::kInner;
    case duckdb::JoinType::LEFT: return plan::JoinType::kLeft;
    case duckdb::JoinType::RIGHT: return plan::JoinType::kRight;
    case duckdb::JoinType::OUTER: return plan::JoinType::kFull;
    case duckdb::JoinType::SEMI: return plan::JoinType::kSemi;
    case duckdb::JoinType::ANTI: return plan::JoinType::kAnti;
    default:
      refuse("this kind of subquery (" + duckdb::StringUtil::Lower(duckdb::EnumUtil::ToString(type)) + " join)",
             "write it as a join, or as EXISTS / IN with an equality");
  }
}

bool is_key_comparison(duckdb::ExpressionType comparison) {
  return comparison == duckdb::ExpressionType::COMPARE_EQUAL || comparison == duckdb::ExpressionType::COMPARE_NOT_DISTINCT_FROM;
}

/// Reads only columns [first, end).
bool reads_only(duckdb::Expression& expression, size_t first, size_t end) {
  bool all = true;
  for_each_reference(expression, [&](duckdb::BoundReferenceExpression& column) { all &= column.index >= first && column.index < end; });
  return all;
}

std::vector<uint32_t> mapped(const duckdb::vector<duckdb::idx_t>& map, size_t count) {
  std::vector<uint32_t> columns(map.begin(), map.end());
  for (uint32_t i = 0; map.empty() && i < count; ++i) columns.push_back(i);
  return columns;
}

}  // namespace

Translator::JoinParts Translator::parts_of(duckdb::LogicalComparisonJoin& op) {
  JoinParts parts;
  parts.type = join_type(op.join_type);
  for (auto& condition : op.conditions) {
    parts.conditions.push_back({condition.left->Copy(), condition.right->Copy(), condition.comparison});
  }
  if (op.predicate) parts.residual.push_back(op.predicate->Copy());
  return parts;
}

/// DuckDB keeps the ON clause of an outer join whole when a part of it is no comparison of the two sides: take the equalities out.
Translator::JoinParts Translator::parts_of(duckdb::LogicalAnyJoin& op) {
  JoinParts parts;
  parts.type = join_type(op.join_type);
  size_t left = op.children[0]->types.size();
  size_t all = left + op.children[1]->types.size();
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> pieces;
  pieces.push_back(op.condition->Copy());
  duckdb::LogicalFilter::SplitPredicates(pieces);
  for (auto& piece : pieces) {
    if (piece->GetExpressionClass() == duckdb::ExpressionClass::BOUND_COMPARISON && is_key_comparison(piece->GetExpressionType())) {
      auto& comparison = piece->Cast<duckdb::BoundComparisonExpression>();
      bool straight = reads_only(*comparison.left, 0, left) && reads_only(*comparison.right, left, all);
      bool crossed = reads_only(*comparison.left, left, all) && reads_only(*comparison.right, 0, left);
      if (straight || crossed) {
        auto& right = straight ? comparison.right : comparison.left;
        for_each_reference(*right, [&](duckdb::BoundReferenceExpression& column) { column.index -= left; });
        parts.conditions.push_back({std::move(straight ? comparison.left : comparison.right), std::move(right), piece->GetExpressionType()});
        continue;
      }
    }
    parts.residual.push_back(std::move(piece));
  }
  return parts;
}

uint32_t Translator::join(duckdb::LogicalJoin& op, JoinParts parts, Needs needs) {
  plan::Join result;
  result.type = parts.type;
  uint32_t left = translate(*op.children[0], needs);
  uint32_t right = without_hidden(translate(*op.children[1], Needs{}));
  size_t left_columns = visible(left);
  size_t right_columns = visible(right);
  PreProjection left_pre(*this, left);
  PreProjection right_pre(*this, right);
  struct Comparison {
    uint32_t left, right;
    duckdb::ExpressionType kind;
    duckdb::LogicalType left_type, right_type;
  };
  std::vector<Comparison> comparisons;
  for (auto& condition : parts.conditions) {
    uint32_t l = left_pre.column(*condition.left);
    uint32_t r = right_pre.column(*condition.right);
    if (!is_key_comparison(condition.comparison)) {
      comparisons.push_back({l, r, condition.comparison, condition.left->return_type, condition.right->return_type});
      continue;
    }
    result.left_keys.push_back(l);
    result.right_keys.push_back(r);
    result.null_equals_null.push_back(condition.comparison == duckdb::ExpressionType::COMPARE_NOT_DISTINCT_FROM);
  }
  if (result.left_keys.empty() && (result.type != plan::JoinType::kInner || !comparisons.empty())) {
    refuse("a join without an equality", "add an equality between the two sides to the ON clause");
  }
  left = left_pre.finish();
  right = right_pre.finish();
  // A residual reads all left columns, then all right ones; PreProjections may have widened the left.
  auto offset = static_cast<uint32_t>(nodes_[left].output.size());
  for (const Comparison& at : comparisons) {
    duckdb::BoundComparisonExpression comparison(at.kind, reference(at.left, at.left_type), reference(offset + at.right, at.right_type));
    result.residual.push_back(copy_expression(comparison));
  }
  for (auto& residual : parts.residual) {
    for_each_reference(*residual, [&](duckdb::BoundReferenceExpression& column) {
      if (column.index >= left_columns) column.index = column.index - left_columns + offset;
    });
    result.residual.push_back(copy_expression(*residual));
  }
  result.left_output = mapped(op.left_projection_map, left_columns);
  bool left_only = result.type == plan::JoinType::kSemi || result.type == plan::JoinType::kAnti;
  if (!left_only) result.right_output = mapped(op.right_projection_map, right_columns);
  return add_join(std::move(result), left, right);
}

uint32_t Translator::add_join(plan::Join join, uint32_t left, uint32_t right) {
  using plan::JoinType;
  const plan::Node& l = nodes_[left];
  const plan::Node& r = nodes_[right];
  size_t left_visible = join.left_output.size();
  plan::Node made;
  made.inputs = {left, right};
  made.append_only = join.type == JoinType::kInner && l.append_only && r.append_only;
  // The left row's hidden columns stand for the pair; where rows may have no left side there are none.
  bool keep_hidden = join.type != JoinType::kRight && join.type != JoinType::kFull;
  bool has_order = keep_hidden && l.order_column >= 0;
  bool has_watermark = keep_hidden && l.watermark_column >= 0;
  if (has_order) join.left_output.push_back(static_cast<uint32_t>(l.order_column));
  if (has_watermark) join.left_output.push_back(static_cast<uint32_t>(l.watermark_column));
  for (uint32_t column : join.left_output) made.output.fields.push_back(l.output[column]);
  for (uint32_t column : join.right_output) made.output.fields.push_back(r.output[column]);

  bool left_only = join.type == JoinType::kSemi || join.type == JoinType::kAnti;
  bool right_unique = !r.key.empty() && std::all_of(r.key.begin(), r.key.end(), [&](uint32_t column) {
    return std::find(join.right_keys.begin(), join.right_keys.end(), column) != join.right_keys.end();
  });
  bool one_row_each = left_only || (right_unique && (join.type == JoinType::kInner || join.type == JoinType::kLeft));
  auto left_end = join.left_output.begin() + static_cast<int64_t>(left_visible);
  for (uint32_t column : l.key) {
    auto at = std::find(join.left_output.begin(), left_end, column);
    if (one_row_each && at != left_end) made.key.push_back(static_cast<uint32_t>(at - join.left_output.begin()));
  }
  if (made.key.size() != l.key.size()) made.key.clear();
  bool hidden_last = join.right_output.empty();
  made.operation = std::move(join);
  uint32_t joined = add(std::move(made));
  if ((has_order || has_watermark) && !hidden_last) return move_hidden_last(joined, left_visible, has_order, has_watermark);
  if (has_order) nodes_[joined].order_column = static_cast<int32_t>(left_visible);
  if (has_watermark) nodes_[joined].watermark_column = static_cast<int32_t>(left_visible + has_order);
  return joined;
}

uint32_t Translator::move_hidden_last(uint32_t input, size_t first_hidden, bool has_order, bool has_watermark) {
  plan::Node moved;
  moved.inputs = {input};
  moved.append_only = nodes_[input].append_only;
  size_t hidden = size_t{has_order} + size_t{has_watermark};
  plan::Project order;
  auto take = [&](size_t column) {
    const batch::Field& field = nodes_[input].output[column];
    order.expressions.push_back(batch::Expression::column(static_cast<uint32_t>(column), field.type, field.name));
    moved.output.fields.push_back(field);
    return static_cast<int32_t>(moved.output.size() - 1);
  };
  for (size_t i = 0; i < nodes_[input].output.size(); ++i) {
    if (i < first_hidden || i >= first_hidden + hidden) take(i);
  }
  for (uint32_t column : nodes_[input].key) {
    moved.key.push_back(static_cast<uint32_t>(column < first_hidden ? column : column - hidden));
  }
  if (has_order) moved.order_column = take(first_hidden);
  if (has_watermark) moved.watermark_column = take(first_hidden + has_order);
  moved.operation = std::move(order);
  return add(std::move(moved));
}

uint32_t Translator::cross_product(duckdb::LogicalOperator& op, Needs needs) {
  duckdb::LogicalComparisonJoin as_join(duckdb::JoinType::INNER);
  as_join.children = std::move(op.children);
  return join(as_join, JoinParts(), needs);
}

}  // namespace millrace::sql
