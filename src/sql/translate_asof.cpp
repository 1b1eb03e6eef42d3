// The Translator's ASOF joins, and those FOR SYSTEM_TIME AS OF a column, which DuckDB binds as such.
#include <set>
#include <utility>

#include "duckdb/planner/expression/bound_case_expression.hpp"
#include "duckdb/planner/expression/bound_conjunction_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_operator_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/as_of.h"
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
      refuse("ASOF RIGHT JOIN and ASOF FULL JOIN", "use ASOF JOIN or ASOF LEFT JOIN, the changing side on the right",
             {"ASOF"});
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
      refuse("an ASOF join with a further condition on its right side", "put it into a subquery on the right", {"ASOF"});
  });
}

}  // namespace

uint32_t Translator::asof_join(duckdb::LogicalComparisonJoin& op, Needs needs) {
  if (as_of_relation(*op.children[1])) return temporal_join(op);
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
  return add_one_partner_join(op, std::move(join), false, left, right, {left_columns, right_columns});
}

template <typename OnePartner>
uint32_t Translator::add_one_partner_join(duckdb::LogicalComparisonJoin& op, OnePartner join, bool append_only,
                                          uint32_t left, uint32_t right, std::pair<size_t, size_t> columns) {
  const plan::Node& l = nodes_[left];
  const plan::Node& r = nodes_[right];
  const auto shown = [](const duckdb::vector<duckdb::idx_t>& map, size_t count) {
    std::vector<uint32_t> all(map.begin(), map.end());
    for (uint32_t i = 0; map.empty() && i < count; ++i) all.push_back(i);
    return all;
  };
  join.left_output = shown(op.left_projection_map, columns.first);
  const bool left_only = join.type == plan::JoinType::kSemi || join.type == plan::JoinType::kAnti;
  if (!left_only) join.right_output = shown(op.right_projection_map, columns.second);
  plan::Node made;
  made.inputs = {left, right};
  made.append_only = append_only;
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

// ---- FOR SYSTEM_TIME AS OF a column

uint32_t Translator::translate_as_of(duckdb::LogicalOperator& right, Needs needs) {
  const bool before = std::exchange(in_as_of_, true);
  const uint32_t translated = translate(right, needs);
  in_as_of_ = before;
  return translated;
}

namespace {

/// The columns of the operator that the equalities of the join read.
std::set<uint64_t> key_references(const duckdb::LogicalComparisonJoin& op) {
  std::set<uint64_t> columns;
  for (const auto& condition : op.conditions) {
    if (condition.comparison == ExpressionType::COMPARE_GREATERTHANOREQUALTO) continue;
    auto right = condition.right->Copy();
    for_each_reference(*right, [&](duckdb::BoundReferenceExpression& column) { columns.insert(column.index); });
  }
  return columns;
}

/// A version that a condition takes out would let the one before it live on. One on the key takes out whole keys.
void check_versions_whole(const duckdb::LogicalComparisonJoin& op) {
  duckdb::LogicalOperator& right = *op.children[1];
  if (right.type == duckdb::LogicalOperatorType::LOGICAL_GET) return;
  const std::set<uint64_t> keys = key_references(op);
  bool keys_only = right.type == duckdb::LogicalOperatorType::LOGICAL_FILTER &&
                   right.children[0]->type == duckdb::LogicalOperatorType::LOGICAL_GET;
  if (keys_only) {
    const auto& map = right.Cast<duckdb::LogicalFilter>().projection_map;
    std::set<uint64_t> below;
    for (uint64_t key : keys) below.insert(map.empty() ? key : map[key]);
    for (const auto& predicate : right.expressions) {
      auto copy = predicate->Copy();
      for_each_reference(*copy,
                         [&](duckdb::BoundReferenceExpression& column) { keys_only &= below.contains(column.index); });
    }
  }
  if (keys_only) return;
  refuse("FOR SYSTEM_TIME AS OF with a further condition on its right side", "put the condition into WHERE", {"AT"});
}

/// A version replaces the one before it of the same primary key: the join must be about that.
void check_version_key(const RelationInfo& relation, const plan::TemporalJoin& join, const plan::Node& right) {
  if (!relation.has_deletes) return;
  std::set<std::string> wanted, given;
  for (uint32_t column : relation.version_key) wanted.insert(relation.schema[column].name);
  for (uint32_t column : join.right_keys) given.insert(right.output[column].name);
  if (wanted == given) return;
  std::string names;
  for (const std::string& name : wanted) names += (names.empty() ? "" : ", ") + name;
  refuse("FOR SYSTEM_TIME AS OF a table by other columns than its primary key",
         "write ON with an equality for each of: " + names + "; put other conditions into WHERE", {"AT"});
}

}  // namespace

uint32_t Translator::temporal_join(duckdb::LogicalComparisonJoin& op) {
  plan::TemporalJoin join;
  join.type = asof_type(op.join_type);
  join.allowed_lateness = options_.allowed_lateness;
  check_versions_whole(op);
  const RelationInfo relation = as_of_relation(*op.children[1])->relation;
  uint32_t left = translate(*op.children[0], Needs{true, true});
  uint32_t right = translate_as_of(*op.children[1], Needs{true, true});
  const size_t left_columns = visible(left), right_columns = visible(right);
  check_predicate(op, left_columns);
  if (!nodes_[left].append_only) {
    refuse("FOR SYSTEM_TIME AS OF for rows that are taken back", "the left side must only ever add rows: a stream",
           {"AT"});
  }
  PreProjection left_pre(*this, left);
  PreProjection right_pre(*this, right);
  for (auto& condition : op.conditions) {
    const bool with_null = condition.comparison == ExpressionType::COMPARE_NOT_DISTINCT_FROM;
    if (with_null || condition.comparison == ExpressionType::COMPARE_EQUAL) {
      join.left_keys.push_back(left_pre.column(*condition.left));
      join.right_keys.push_back(right_pre.column(*condition.right));
      join.null_equals_null.push_back(with_null);
      continue;
    }
    const VersionCall version = version_call(*condition.right);
    if (!version.time || !carries_watermark(*op.children[0], *condition.left)) {
      refuse("FOR SYSTEM_TIME AS OF a column without watermark",
             "name the column of WATERMARK FOR, or _append_time where there is none, of a stream on the left", {"AT"});
    }
    const bool has_condition = op.predicate != nullptr;
    join.left_time = left_pre.column(
        has_condition ? *null_unless(*condition.left, op.predicate.get(), condition.left->Copy()) : *condition.left);
    join.right_time = right_pre.column(*version.time);
    if (relation.has_deletes) join.right_deleted = static_cast<int32_t>(right_pre.column(*version.deleted));
  }
  left = left_pre.finish();
  right = right_pre.finish();
  if (join.left_keys.empty()) refuse("FOR SYSTEM_TIME AS OF without an equality", "write ON left.key = right.key", {"AT"});
  check_version_key(relation, join, nodes_[right]);
  has_window_bound_ = true;
  return add_one_partner_join(op, std::move(join), true, left, right, {left_columns, right_columns});
}

}  // namespace millrace::sql
