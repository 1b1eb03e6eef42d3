// The Translator's DISTINCT and OVER.
#include <algorithm>

#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression/bound_window_expression.hpp"
#include "duckdb/planner/expression_iterator.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/session_groups.h"
#include "sql/translate.h"
#include "sql/window_kernel.h"

namespace millrace::sql {
namespace {

/// Calls whose result among peers depends on which peer comes first: the log's order decides.
bool peers_need_order(const duckdb::BoundWindowExpression& call) {
  using duckdb::ExpressionType;
  switch (call.GetExpressionType()) {
    case ExpressionType::WINDOW_RANK:
    case ExpressionType::WINDOW_RANK_DENSE:
    case ExpressionType::WINDOW_PERCENT_RANK:
    case ExpressionType::WINDOW_CUME_DIST: return false;
    case ExpressionType::WINDOW_AGGREGATE:
      return call.start == duckdb::WindowBoundary::CURRENT_ROW_ROWS ||
             call.start == duckdb::WindowBoundary::EXPR_PRECEDING_ROWS ||
             call.start == duckdb::WindowBoundary::EXPR_FOLLOWING_ROWS ||
             call.end == duckdb::WindowBoundary::CURRENT_ROW_ROWS ||
             call.end == duckdb::WindowBoundary::EXPR_PRECEDING_ROWS ||
             call.end == duckdb::WindowBoundary::EXPR_FOLLOWING_ROWS;
    default: return true;
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
  std::vector<uint32_t> kept(columns);
  for (uint32_t i = 0; i < columns; ++i) kept[i] = i;
  return keep(first_rows(std::move(distinct), ready), kept);
}

// ---- OVER

plan::WindowCall Translator::window_call(const duckdb::BoundWindowExpression& call, PreProjection& columns) {
  plan::WindowCall result;
  const WindowKernel kernel = window_kernel(call);
  result.kind = kernel.kind;
  result.to_peers = kernel.to_peers;
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
  const bool sessions = std::any_of(op.expressions.begin(), op.expressions.end(), [](const auto& call) {
    return session_call(call->template Cast<duckdb::BoundWindowExpression>()) != SessionCall::kNone;
  });
  uint32_t at = translate(*op.children[0], Needs{true, sessions});
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
      if (done[j] || !same_specification(first, call) || (!sessions && !share_a_node(calls, call))) continue;
      done[j] = true;
      places[j] = static_cast<uint32_t>(columns + calls.size());
      calls.push_back(&call);
    }
    at = sessions ? session_of_one_spec(calls, at, columns, ends_by_row_ == &op)
                  : window_of_one_spec(calls, at, columns);
    columns += calls.size();
  }
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < below; ++i) kept.push_back(i);
  kept.insert(kept.end(), places.begin(), places.end());
  return keep(at, kept);
}

}  // namespace millrace::sql
