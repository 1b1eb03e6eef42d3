// The Translator's first rows: ORDER BY … LIMIT, and filters that bound a rank.
#include <algorithm>

#include "duckdb/planner/expression/bound_between_expression.hpp"
#include "duckdb/planner/expression/bound_comparison_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression/bound_window_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

std::optional<plan::WindowKind> rank_kind(const duckdb::Expression& expression) {
  const auto& call = expression.Cast<duckdb::BoundWindowExpression>();
  const bool plain = call.arg_orders.empty() && !call.filter_expr;
  if (!plain || call.orders.empty()) return std::nullopt;
  switch (call.GetExpressionType()) {
    case duckdb::ExpressionType::WINDOW_ROW_NUMBER: return plan::WindowKind::kRowNumber;
    case duckdb::ExpressionType::WINDOW_RANK: return plan::WindowKind::kRank;
    case duckdb::ExpressionType::WINDOW_RANK_DENSE: return plan::WindowKind::kDenseRank;
    default: return std::nullopt;
  }
}

std::optional<int64_t> whole_number(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) return std::nullopt;
  const duckdb::Value& value = expression.Cast<duckdb::BoundConstantExpression>().value;
  if (value.IsNull() || value.type().id() != duckdb::LogicalTypeId::BIGINT) return std::nullopt;
  return value.GetValue<int64_t>();
}

/// All compute the same: DuckDB binds a call anew wherever QUALIFY or another column names its alias.
bool are_one_call(const duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& calls) {
  return std::all_of(calls.begin(), calls.end(), [&](const auto& call) { return call->Equals(*calls[0]); });
}

bool is_column_from(const duckdb::Expression& expression, duckdb::idx_t first) {
  return expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_REF &&
         expression.Cast<duckdb::BoundReferenceExpression>().index >= first;
}

/// The highest value of the columns from `first` on, all the same rank, on which the predicate can be true. `exact`: it
/// is true on all from 1 up to it.
struct Bound {
  int64_t highest;
  bool exact;
};
std::optional<Bound> bound_of(const duckdb::Expression& predicate, duckdb::idx_t first) {
  using duckdb::ExpressionType;
  if (predicate.GetExpressionClass() == duckdb::ExpressionClass::BOUND_BETWEEN) {
    const auto& between = predicate.Cast<duckdb::BoundBetweenExpression>();
    const auto lower = whole_number(*between.lower), upper = whole_number(*between.upper);
    if (!is_column_from(*between.input, first) || !upper) return std::nullopt;
    const int64_t highest = between.upper_inclusive ? *upper : *upper - 1;
    return Bound{highest, lower && *lower <= (between.lower_inclusive ? 1 : 0)};
  }
  if (predicate.GetExpressionClass() != duckdb::ExpressionClass::BOUND_COMPARISON) return std::nullopt;
  const auto& comparison = predicate.Cast<duckdb::BoundComparisonExpression>();
  ExpressionType kind = comparison.GetExpressionType();
  const duckdb::Expression* other = comparison.right.get();
  if (!is_column_from(*comparison.left, first)) {
    if (!is_column_from(*comparison.right, first)) return std::nullopt;
    other = comparison.left.get();
    kind = duckdb::FlipComparisonExpression(kind);
  }
  const std::optional<int64_t> number = whole_number(*other);
  if (!number || *number < 1) return std::nullopt;
  switch (kind) {
    case ExpressionType::COMPARE_LESSTHAN: return Bound{*number - 1, true};
    case ExpressionType::COMPARE_LESSTHANOREQUALTO: return Bound{*number, true};
    case ExpressionType::COMPARE_EQUAL: return Bound{*number, *number == 1};
    default: return std::nullopt;
  }
}

std::vector<uint32_t> identity(size_t count) {
  std::vector<uint32_t> columns(count);
  for (uint32_t i = 0; i < count; ++i) columns[i] = i;
  return columns;
}

}  // namespace

uint32_t Translator::top_n(duckdb::LogicalTopN& op) {
  uint32_t input = translate(*op.children[0], Needs{true, false});
  size_t columns = visible(input);
  auto key = sort_key(op.orders);
  PreProjection pre(*this, input);
  plan::TopN top;
  top.sort_key = static_cast<int32_t>(pre.column(*key));
  top.offset = static_cast<int64_t>(op.offset);
  if (__builtin_add_overflow(static_cast<int64_t>(op.limit), top.offset, &top.limit)) top.limit = INT64_MAX;
  uint32_t ready = pre.finish();
  plan::Node made = nodes_[ready];
  made.inputs = {ready};
  made.append_only = false;
  made.operation = std::move(top);
  return keep(add(std::move(made)), identity(columns));
}

std::optional<uint32_t> Translator::top_n_of_ranks(duckdb::LogicalFilter& op) {
  auto& window = op.children[0]->Cast<duckdb::LogicalWindow>();
  const size_t below = window.children[0]->types.size();
  const size_t calls = window.expressions.size();
  if (!are_one_call(window.expressions)) return std::nullopt;
  const std::optional<plan::WindowKind> rank = rank_kind(*window.expressions[0]);
  if (!rank) return std::nullopt;
  std::optional<int64_t> highest;
  std::vector<batch::Expression> rest;
  for (auto& predicate : op.expressions) {
    const std::optional<Bound> bound = bound_of(*predicate, below);
    if (bound) highest = std::min(bound->highest, highest.value_or(bound->highest));
    if (!bound || !bound->exact) rest.push_back(copy_expression(*predicate));
  }
  if (!highest || *highest < 1) return std::nullopt;

  const std::vector<uint32_t> kept = op.projection_map.empty()
                                         ? identity(below + calls)
                                         : std::vector<uint32_t>(op.projection_map.begin(), op.projection_map.end());
  plan::TopN top;
  top.rank = *rank;
  top.limit = *highest;
  const auto is_rank = [&](uint32_t column) { return column >= below; };
  const bool gives_rank = !rest.empty() || std::any_of(kept.begin(), kept.end(), is_rank);
  top.gives_rank = gives_rank;
  uint32_t result = ranked(window, std::move(top));
  if (gives_rank && calls > 1) {
    std::vector<uint32_t> again = identity(below);
    again.insert(again.end(), calls, static_cast<uint32_t>(below));
    result = keep(result, again);
  }
  if (!rest.empty()) {
    plan::Node made = nodes_[result];
    made.inputs = {result};
    made.operation = plan::Filter{std::move(rest)};
    result = add(std::move(made));
  }
  return keep(result, kept);
}

/// The window's input columns, then the rank when `top` gives it.
uint32_t Translator::ranked(duckdb::LogicalWindow& window, plan::TopN top) {
  auto& call = window.expressions[0]->Cast<duckdb::BoundWindowExpression>();
  uint32_t input = translate(*window.children[0], Needs{true, false});
  const size_t columns = visible(input);
  PreProjection pre(*this, input);
  for (auto& partition : call.partitions) top.partition_columns.push_back(pre.column(*partition));
  top.sort_key = static_cast<int32_t>(pre.column(*sort_key(call.orders)));
  uint32_t ready = pre.finish();
  const bool first_only = top.rank == plan::WindowKind::kRowNumber && top.limit == 1 && nodes_[ready].append_only;
  const bool gives_rank = top.gives_rank;
  if (first_only) {
    uint32_t first = first_rows(plan::DistinctOn{top.partition_columns, top.sort_key}, ready);
    first = keep(first, identity(columns));
    if (!gives_rank) return first;
    std::vector<batch::Expression> expressions;
    std::vector<std::string> names;
    for (uint32_t i = 0; i < columns; ++i) {
      const batch::Field& field = nodes_[first].output[i];
      expressions.push_back(batch::Expression::column(i, field.type, field.name));
      names.push_back(field.name);
    }
    duckdb::BoundConstantExpression one(duckdb::Value::BIGINT(1));
    expressions.push_back(copy_expression(one));
    names.push_back(call.GetName());
    return project(first, std::move(expressions), std::move(names));
  }
  const plan::Node& from = nodes_[ready];
  const size_t wide = visible(ready);
  plan::Node made;
  made.inputs = {ready};
  made.append_only = false;
  // One row number a partition is one row; otherwise what tells rows apart below does so here.
  made.key = top.rank == plan::WindowKind::kRowNumber && top.limit == 1 ? top.partition_columns : from.key;
  for (size_t i = 0; i < wide; ++i) made.output.fields.push_back(from.output[i]);
  if (gives_rank) made.output.fields.push_back({call.GetName(), batch::Type(batch::TypeId::kBigint)});
  auto carry = [&](int32_t column) {
    if (column < 0) return -1;
    made.output.fields.push_back(from.output[static_cast<size_t>(column)]);
    return static_cast<int32_t>(made.output.size() - 1);
  };
  made.order_column = carry(from.order_column);
  made.watermark_column = carry(from.watermark_column);
  if (made.key.empty() && gives_rank && top.rank == plan::WindowKind::kRowNumber) {
    made.key = top.partition_columns;
    made.key.push_back(static_cast<uint32_t>(wide));
  }
  made.operation = std::move(top);
  std::vector<uint32_t> kept = identity(columns);
  if (gives_rank) kept.push_back(static_cast<uint32_t>(wide));
  return keep(add(std::move(made)), kept);
}

uint32_t Translator::first_rows(plan::DistinctOn distinct, uint32_t input) {
  plan::Node made = nodes_[input];
  made.inputs = {input};
  made.append_only = false;
  made.key = distinct.key_columns;
  made.operation = std::move(distinct);
  return add(std::move(made));
}

}  // namespace millrace::sql
