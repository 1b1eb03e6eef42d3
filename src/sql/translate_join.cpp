// The Translator's joins.
#include <algorithm>

#include "duckdb/planner/expression/bound_comparison_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/as_of.h"
#include "sql/bind_failure.h"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

plan::JoinType join_type(duckdb::JoinType type) {
  switch (type) {
    case duckdb::JoinType::INNER: return plan::JoinType::kInner;
    case duckdb::JoinType::LEFT: return plan::JoinType::kLeft;
    case duckdb::JoinType::RIGHT: return plan::JoinType::kRight;
    case duckdb::JoinType::OUTER: return plan::JoinType::kFull;
    case duckdb::JoinType::SEMI: return plan::JoinType::kSemi;
    case duckdb::JoinType::ANTI: return plan::JoinType::kAnti;
    case duckdb::JoinType::MARK: return plan::JoinType::kMark;
    case duckdb::JoinType::SINGLE: return plan::JoinType::kLeft;
    default:
      refuse("this kind of join (" + duckdb::StringUtil::Lower(duckdb::EnumUtil::ToString(type)) + ")",
             "write it with JOIN, LEFT JOIN or EXISTS", {"JOIN", "IN", "EXISTS"});
  }
}

bool is_key_comparison(duckdb::ExpressionType comparison) {
  return comparison == duckdb::ExpressionType::COMPARE_EQUAL ||
         comparison == duckdb::ExpressionType::COMPARE_NOT_DISTINCT_FROM;
}

/// Reads only columns [first, end).
bool reads_only(duckdb::Expression& expression, size_t first, size_t end) {
  bool all = true;
  for_each_reference(expression, [&](duckdb::BoundReferenceExpression& column) {
    all &= column.index >= first && column.index < end;
  });
  return all;
}

std::vector<uint32_t> mapped(const duckdb::vector<duckdb::idx_t>& map, size_t count) {
  std::vector<uint32_t> columns(map.begin(), map.end());
  for (uint32_t i = 0; map.empty() && i < count; ++i) columns.push_back(i);
  return columns;
}

}  // namespace

bool right_is_unique(const plan::Join& join, const plan::Node& right) {
  return !right.key.empty() && std::all_of(right.key.begin(), right.key.end(), [&](uint32_t column) {
    return std::find(join.right_keys.begin(), join.right_keys.end(), column) != join.right_keys.end();
  });
}

bool Translator::JoinParts::Condition::is_key() const { return is_key_comparison(comparison); }

bool Translator::JoinParts::Condition::can_be_null() const {
  return comparison != duckdb::ExpressionType::COMPARE_NOT_DISTINCT_FROM &&
         comparison != duckdb::ExpressionType::COMPARE_DISTINCT_FROM;
}

Translator::JoinParts Translator::parts_of(duckdb::LogicalComparisonJoin& op) {
  JoinParts parts;
  parts.type = join_type(op.join_type);
  parts.is_single = op.join_type == duckdb::JoinType::SINGLE;
  for (auto& condition : op.conditions) {
    parts.conditions.push_back({condition.left->Copy(), condition.right->Copy(), condition.comparison});
  }
  if (op.predicate) parts.residual.push_back(op.predicate->Copy());
  return parts;
}

/// DuckDB keeps the ON clause of an outer join whole when a part of it is no comparison of the two sides: take the
/// equalities out.
Translator::JoinParts Translator::parts_of(duckdb::LogicalAnyJoin& op) {
  JoinParts parts;
  parts.type = join_type(op.join_type);
  parts.is_single = op.join_type == duckdb::JoinType::SINGLE;
  size_t left = op.children[0]->types.size();
  size_t all = left + op.children[1]->types.size();
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> pieces;
  pieces.push_back(op.condition->Copy());
  duckdb::LogicalFilter::SplitPredicates(pieces);
  for (auto& piece : pieces) {
    if (piece->GetExpressionClass() == duckdb::ExpressionClass::BOUND_COMPARISON &&
        is_key_comparison(piece->GetExpressionType())) {
      auto& comparison = piece->Cast<duckdb::BoundComparisonExpression>();
      bool straight = reads_only(*comparison.left, 0, left) && reads_only(*comparison.right, left, all);
      bool crossed = reads_only(*comparison.left, left, all) && reads_only(*comparison.right, 0, left);
      if (straight || crossed) {
        auto& right = straight ? comparison.right : comparison.left;
        for_each_reference(*right, [&](duckdb::BoundReferenceExpression& column) { column.index -= left; });
        parts.conditions.push_back(
            {std::move(straight ? comparison.left : comparison.right), std::move(right), piece->GetExpressionType()});
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
  const bool is_correlated = op.type == duckdb::LogicalOperatorType::LOGICAL_DELIM_JOIN;
  const bool is_plain = !is_correlated && !parts.is_single && parts.type != plan::JoinType::kMark;
  JoinForm form;
  const RelationBindData* as_of = as_of_relation(*op.children[1]);
  form.lookup = is_plain && as_of && as_of->as_of == AsOf::kNow;
  std::optional<plan::TimeJoin>& bound = form.bound;
  if (is_plain && !form.lookup) bound = time_bound(op, parts);
  uint32_t left = translate(*op.children[0], bound ? Needs{true, true} : needs);
  if (is_correlated) domains_.push_back(domain_of(static_cast<duckdb::LogicalComparisonJoin&>(op), left));
  uint32_t right = form.lookup ? translate_as_of(*op.children[1], Needs{})
                               : translate(*op.children[1], bound ? Needs{true, true} : Needs{});
  if (is_correlated) domains_.pop_back();
  if (bound && !(nodes_[left].append_only && nodes_[right].append_only)) bound.reset();
  if (!bound) right = without_hidden(right);
  if (form.lookup && !nodes_[left].append_only) {
    refuse("FOR SYSTEM_TIME AS OF now() for rows that are taken back",
           "the left side must only ever add rows: a stream; or leave FOR SYSTEM_TIME out", {"AT"});
  }
  has_window_bound_ |= bound.has_value();
  size_t left_columns = visible(left);
  size_t right_columns = visible(right);
  PreProjection left_pre(*this, left);
  PreProjection right_pre(*this, right);
  for (auto& condition : parts.conditions) {
    condition.left_column = left_pre.column(*condition.left);
    condition.right_column = right_pre.column(*condition.right);
    if (!condition.is_key()) continue;
    result.left_keys.push_back(condition.left_column);
    result.right_keys.push_back(condition.right_column);
    result.null_equals_null.push_back(condition.comparison == duckdb::ExpressionType::COMPARE_NOT_DISTINCT_FROM);
  }
  left = left_pre.finish();
  right = right_pre.finish();
  // A residual reads all left columns, then all right ones; PreProjections may have widened the left.
  auto offset = static_cast<uint32_t>(nodes_[left].output.size());
  for (const JoinParts::Condition& at : parts.conditions) {
    if (at.is_key()) continue;
    duckdb::BoundComparisonExpression comparison(at.comparison, reference(at.left_column, at.left->return_type),
                                                 reference(offset + at.right_column, at.right->return_type));
    result.residual.push_back(copy_expression(comparison));
  }
  for (auto& residual : parts.residual) {
    for_each_reference(*residual, [&](duckdb::BoundReferenceExpression& column) {
      if (column.index >= left_columns) column.index = column.index - left_columns + offset;
    });
    result.residual.push_back(copy_expression(*residual));
  }
  if (result.type == plan::JoinType::kMark) {
    return mark_join(op, std::move(result), parts, left, right, left_columns);
  }
  result.left_output = mapped(op.left_projection_map, left_columns);
  bool left_only = result.type == plan::JoinType::kSemi || result.type == plan::JoinType::kAnti;
  if (!left_only) result.right_output = mapped(op.right_projection_map, right_columns);
  if (parts.is_single) return single_join(std::move(result), left, right);
  return add_join(std::move(result), std::move(form), needs, left, right);
}

uint32_t Translator::add_join(plan::Join join, JoinForm form, Needs needs, uint32_t left, uint32_t right) {
  std::optional<plan::TimeJoin>& bound = form.bound;
  using plan::JoinType;
  const plan::Node& l = nodes_[left];
  const plan::Node& r = nodes_[right];
  size_t left_visible = join.left_output.size();
  plan::Node made;
  made.inputs = {left, right};
  made.append_only = form.lookup || (join.type == JoinType::kInner && l.append_only && r.append_only);
  if (bound) made.append_only |= bound->emit_on_close || join.type == JoinType::kSemi;
  // The left row's hidden columns stand for the pair; where rows may have no left side there are none.
  bool keep_hidden = join.type != JoinType::kRight && join.type != JoinType::kFull;
  bool has_order = keep_hidden && l.order_column >= 0 && (needs.order || !bound);
  bool has_watermark = keep_hidden && l.watermark_column >= 0 && (needs.watermark || !bound);
  if (has_order) join.left_output.push_back(static_cast<uint32_t>(l.order_column));
  if (has_watermark) join.left_output.push_back(static_cast<uint32_t>(l.watermark_column));
  for (uint32_t column : join.left_output) made.output.fields.push_back(l.output[column]);
  for (uint32_t column : join.right_output) made.output.fields.push_back(r.output[column]);
  if (join.type == JoinType::kMark) made.output.fields.push_back({"mark", batch::Type(batch::TypeId::kBoolean)});

  bool left_only = join.type == JoinType::kSemi || join.type == JoinType::kAnti || join.type == JoinType::kMark;
  bool one_row_each =
      left_only || (right_is_unique(join, r) && (join.type == JoinType::kInner || join.type == JoinType::kLeft));
  auto left_end = join.left_output.begin() + static_cast<int64_t>(left_visible);
  for (uint32_t column : l.key) {
    auto at = std::find(join.left_output.begin(), left_end, column);
    if (one_row_each && at != left_end) made.key.push_back(static_cast<uint32_t>(at - join.left_output.begin()));
  }
  if (made.key.size() != l.key.size()) made.key.clear();
  bool hidden_last = join.right_output.empty() && join.type != JoinType::kMark;
  if (bound) {
    bound->join = std::move(join);
    made.operation = *std::move(bound);
  } else if (form.lookup) {
    made.operation = plan::LookupJoin{std::move(join)};
  } else {
    made.operation = std::move(join);
  }
  uint32_t joined = add(std::move(made));
  if ((has_order || has_watermark) && !hidden_last)
    return move_hidden_last(joined, left_visible, has_order, has_watermark);
  if (has_order) nodes_[joined].order_column = static_cast<int32_t>(left_visible);
  if (has_watermark) nodes_[joined].watermark_column = static_cast<int32_t>(left_visible + has_order);
  return joined;
}

uint32_t Translator::cross_product(duckdb::LogicalOperator& op, Needs needs) {
  duckdb::LogicalComparisonJoin as_join(duckdb::JoinType::INNER);
  as_join.children = std::move(op.children);
  return join(as_join, JoinParts(), needs);
}

}  // namespace millrace::sql
