// The Translator's ASOF joins.
#include "duckdb/planner/expression/bound_case_expression.hpp"
#include "duckdb/planner/expression/bound_conjunction_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_operator_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

using Bound = duckdb::unique_ptr<duckdb::Expression>;
using duckdb::ExpressionType;

plan::JoinType asof_type(duckdb::JoinType type) {
  switch (type) {
    case duckdb::JoinType::INNER: return plan::JoinType::kInner;
    case duckdb::JoinType::LEFT: return plan::JoinType::kLeft;
    case duckdb::JoinType::SEMI: return plan::JoinType::kSemi;
    case duckdb::JoinType::ANTI: return plan::JoinType::kAnti;
    default:
      refuse("ASOF RIGHT JOIN and ASOF FULL JOIN", "use ASOF JOIN or ASOF LEFT JOIN, the changing side on the right");
  }
}

/// NULL where a row cannot meet any: the compared value is NULL, or `condition` is not true.
Bound null_unless(const duckdb::Expression& value, const duckdb::Expression* condition, Bound key) {
  Bound test = duckdb::make_uniq<duckdb::BoundOperatorExpression>(ExpressionType::OPERATOR_IS_NOT_NULL,
                                                                  duckdb::LogicalType::BOOLEAN);
  test->Cast<duckdb::BoundOperatorExpression>().children.push_back(value.Copy());
  if (condition) {
    test = duckdb::make_uniq<duckdb::BoundConjunctionExpression>(ExpressionType::CONJUNCTION_AND, std::move(test),
                                                                 condition->Copy());
  }
  const duckdb::LogicalType type = key->return_type;
  return duckdb::make_uniq<duckdb::BoundCaseExpression>(
      std::move(test), std::move(key), duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value(type)));
}

void check_predicate(duckdb::LogicalComparisonJoin& op, size_t left_columns) {
  if (!op.predicate) return;
  for_each_reference(*op.predicate, [&](duckdb::BoundReferenceExpression& column) {
    if (column.index >= left_columns)
      refuse("an ASOF join with a further condition on its right side", "put it into a subquery on the right");
  });
}

}  // namespace

uint32_t Translator::asof_join(duckdb::LogicalComparisonJoin& op, Needs needs) {
  plan::AsofJoin join;
  join.type = asof_type(op.join_type);
  uint32_t left = translate(*op.children[0], needs);
  uint32_t right = translate(*op.children[1], Needs{true, false});
  const size_t left_columns = visible(left);
  const size_t right_columns = visible(right);
  check_predicate(op, left_columns);
  PreProjection left_pre(*this, left);
  PreProjection right_pre(*this, right);
  const auto key_of = [&](const duckdb::Expression& value, bool descending, const duckdb::Expression* condition) {
    duckdb::vector<duckdb::BoundOrderByNode> order;
    order.emplace_back(descending ? duckdb::OrderType::DESCENDING : duckdb::OrderType::ASCENDING,
                       duckdb::OrderByNullType::NULLS_LAST, value.Copy());
    return null_unless(value, condition, sort_key(order));
  };
  for (auto& condition : op.conditions) {
    switch (condition.comparison) {
      case ExpressionType::COMPARE_EQUAL:
      case ExpressionType::COMPARE_NOT_DISTINCT_FROM:
        join.left_keys.push_back(left_pre.column(*condition.left));
        join.right_keys.push_back(right_pre.column(*condition.right));
        join.null_equals_null.push_back(condition.comparison == ExpressionType::COMPARE_NOT_DISTINCT_FROM);
        break;
      default: {
        // The nearest row above, turned round, is the nearest below.
        const bool descending = condition.comparison == ExpressionType::COMPARE_LESSTHAN ||
                                condition.comparison == ExpressionType::COMPARE_LESSTHANOREQUALTO;
        join.strict = condition.comparison == ExpressionType::COMPARE_LESSTHAN ||
                      condition.comparison == ExpressionType::COMPARE_GREATERTHAN;
        join.left_sort_key = left_pre.column(*key_of(*condition.left, descending, op.predicate.get()));
        join.right_sort_key = right_pre.column(*key_of(*condition.right, descending, nullptr));
      }
    }
  }
  left = left_pre.finish();
  right = right_pre.finish();
  const plan::Node& l = nodes_[left];
  const plan::Node& r = nodes_[right];
  const auto shown = [](const duckdb::vector<duckdb::idx_t>& map, size_t count) {
    std::vector<uint32_t> columns(map.begin(), map.end());
    for (uint32_t i = 0; map.empty() && i < count; ++i) columns.push_back(i);
    return columns;
  };
  join.left_output = shown(op.left_projection_map, left_columns);
  const bool left_only = join.type == plan::JoinType::kSemi || join.type == plan::JoinType::kAnti;
  if (!left_only) join.right_output = shown(op.right_projection_map, right_columns);
  plan::Node made;
  made.inputs = {left, right};
  made.append_only = false;
  const size_t left_visible = join.left_output.size();
  for (uint32_t column : l.key) {
    for (uint32_t i = 0; i < left_visible; ++i) {
      if (join.left_output[i] == column) made.key.push_back(i);
    }
  }
  if (made.key.size() != l.key.size()) made.key.clear();
  for (int32_t hidden : {l.order_column, l.watermark_column}) {
    if (hidden >= 0) join.left_output.push_back(static_cast<uint32_t>(hidden));
  }
  const bool has_order = l.order_column >= 0, has_watermark = l.watermark_column >= 0;
  for (uint32_t column : join.left_output) made.output.fields.push_back(l.output[column]);
  for (uint32_t column : join.right_output) made.output.fields.push_back(r.output[column]);
  made.operation = std::move(join);
  uint32_t joined = add(std::move(made));
  return has_order || has_watermark ? move_hidden_last(joined, left_visible, has_order, has_watermark) : joined;
}

}  // namespace millrace::sql
