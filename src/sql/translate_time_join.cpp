// The Translator's joins that the watermark bounds (docs/adr/0016): which columns carry a watermark, and what the
// conditions say about how far apart in time partners are.
#include <algorithm>
#include <limits>

#include "duckdb/planner/expression/bound_between_expression.hpp"
#include "duckdb/planner/expression/bound_comparison_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression/bound_unnest_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/relation_function.h"
#include "sql/time_windows.h"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

using duckdb::ExpressionClass;
using duckdb::ExpressionType;

constexpr int64_t kOffsetMax = int64_t{400} * 366 * 86400 * 1000000;

/// A fixed length; nothing for months and for lengths beyond centuries.
std::optional<int64_t> fixed_length(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) return std::nullopt;
  const duckdb::Value& value = expression.Cast<duckdb::BoundConstantExpression>().value;
  if (value.IsNull() || value.type().id() != duckdb::LogicalTypeId::INTERVAL) return std::nullopt;
  const auto interval = value.GetValue<duckdb::interval_t>();
  if (interval.months != 0 || std::abs(interval.days) > 100000 || std::abs(interval.micros) > kOffsetMax) return {};
  return interval.micros + interval.days * int64_t{86400000000};
}

struct Shifted {
  const duckdb::Expression* base;
  int64_t by = 0;  // the expression's value is base + by
};

/// Takes constants off: ts + INTERVAL 5 MINUTE - INTERVAL 1 SECOND.
std::optional<Shifted> unshift(const duckdb::Expression& expression) {
  if (expression.return_type.id() != duckdb::LogicalTypeId::TIMESTAMP) return std::nullopt;
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return Shifted{&expression, 0};
  const auto& call = expression.Cast<duckdb::BoundFunctionExpression>();
  const bool minus = call.function.name == "-";
  if ((!minus && call.function.name != "+") || call.children.size() != 2) return Shifted{&expression, 0};
  const bool swapped = !minus && call.children[0]->return_type.id() == duckdb::LogicalTypeId::INTERVAL;
  const std::optional<int64_t> length = fixed_length(*call.children[swapped ? 0 : 1]);
  if (!length) return std::nullopt;
  std::optional<Shifted> inner = unshift(*call.children[swapped ? 1 : 0]);
  if (inner) inner->by += minus ? -*length : *length;
  return inner;
}

/// How to get from a column's value to a time that the watermark is about: the time itself, or a window's last moment.
struct Watermarked {
  int64_t offset = 0;
  bool by_aggregate = false;  // a window that closed below: its rows come once, all in time
};

std::optional<Watermarked> trace(duckdb::LogicalOperator& op, const duckdb::Expression& expression, bool on_close);

std::optional<Watermarked> trace_function(duckdb::LogicalOperator& op, const duckdb::BoundFunctionExpression& call,
                                          bool on_close) {
  const WindowBoundKind kind = window_bound_kind(call);
  if (kind == WindowBoundKind::kNone) return std::nullopt;
  std::optional<Watermarked> time = trace(op, *call.children[0], on_close);
  if (!time || time->offset != 0) return std::nullopt;
  time->offset = -1;
  if (kind == WindowBoundKind::kStart) {
    const std::optional<int64_t> size = fixed_length(*call.children[1]);
    if (!size) return std::nullopt;
    time->offset += *size;
  }
  return time;
}

std::optional<Watermarked> trace_get(duckdb::LogicalGet& get, duckdb::idx_t column) {
  auto* data = dynamic_cast<RelationBindData*>(get.bind_data.get());
  if (!data || !data->relation.has_positions()) return std::nullopt;
  const auto& ids = get.GetColumnIds();
  const duckdb::column_t id = ids[get.projection_ids.empty() ? column : get.projection_ids[column]].GetPrimaryIndex();
  const int32_t declared = data->relation.watermark_column;
  const bool carries =
      declared >= 0 ? id == static_cast<duckdb::column_t>(declared) : id == meta_column_id(0);  // the append time
  return carries ? std::optional<Watermarked>(Watermarked{}) : std::nullopt;
}

std::optional<Watermarked> trace(duckdb::LogicalOperator& op, const duckdb::Expression& expression, bool on_close) {
  using Kind = duckdb::LogicalOperatorType;
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_FUNCTION)
    return trace_function(op, expression.Cast<duckdb::BoundFunctionExpression>(), on_close);
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_REF) return std::nullopt;
  const duckdb::idx_t column = expression.Cast<duckdb::BoundReferenceExpression>().index;
  auto below = [&](duckdb::idx_t at) {
    return trace(*op.children[0], duckdb::BoundReferenceExpression(expression.return_type, at), on_close);
  };
  switch (op.type) {
    case Kind::LOGICAL_PROJECTION: return trace(*op.children[0], *op.expressions[column], on_close);
    case Kind::LOGICAL_FILTER: {
      const auto& map = op.Cast<duckdb::LogicalFilter>().projection_map;
      return below(map.empty() ? column : map[column]);
    }
    case Kind::LOGICAL_UNNEST: {
      const duckdb::idx_t kept = op.children[0]->types.size();
      if (column < kept) return below(column);
      return trace(*op.children[0], *op.expressions[column - kept]->Cast<duckdb::BoundUnnestExpression>().child,
                   on_close);
    }
    case Kind::LOGICAL_ASOF_JOIN:
    case Kind::LOGICAL_COMPARISON_JOIN: {  // whether its left rows stand for ever is asked of the node made of it
      const auto& join = op.Cast<duckdb::LogicalComparisonJoin>();
      const bool left_stands = join.join_type == duckdb::JoinType::INNER || join.join_type == duckdb::JoinType::SEMI ||
                               join.join_type == duckdb::JoinType::LEFT;
      const auto& map = join.left_projection_map;
      const duckdb::idx_t columns = map.empty() ? op.children[0]->types.size() : map.size();
      if (!left_stands || column >= columns) return std::nullopt;
      return below(map.empty() ? column : map[column]);
    }
    case Kind::LOGICAL_AGGREGATE_AND_GROUP_BY: {
      const auto& aggregate = op.Cast<duckdb::LogicalAggregate>();
      if (!on_close || column >= aggregate.groups.size()) return std::nullopt;
      std::optional<Watermarked> window = trace(*op.children[0], *aggregate.groups[column], on_close);
      if (!window || window->offset == 0) return std::nullopt;  // not a window's bound
      window->by_aggregate = true;
      return window;
    }
    case Kind::LOGICAL_GET: return trace_get(op.Cast<duckdb::LogicalGet>(), column);
    default: return std::nullopt;
  }
}

/// What the conditions say about one pair of columns: lower <= right time - left time <= upper.
struct Bounds {
  uint32_t left, right;
  Watermarked left_time, right_time;
  int64_t lower = std::numeric_limits<int64_t>::min();
  int64_t upper = std::numeric_limits<int64_t>::max();
  bool complete() const {
    return lower != std::numeric_limits<int64_t>::min() && upper != std::numeric_limits<int64_t>::max();
  }
};

class BoundFinder {
 public:
  BoundFinder(duckdb::LogicalOperator& left, duckdb::LogicalOperator& right, bool on_close)
      : left_(left), right_(right), left_columns_(left.types.size()), on_close_(on_close) {}

  /// `left` and `right` read the columns of their own side.
  void compare(const duckdb::Expression& left, const duckdb::Expression& right, ExpressionType comparison) {
    const std::optional<Shifted> l = unshift(left);
    const std::optional<Shifted> r = unshift(right);
    if (!l || !r || !is_column(*l->base) || !is_column(*r->base)) return;
    const auto left_column = static_cast<uint32_t>(l->base->Cast<duckdb::BoundReferenceExpression>().index);
    const auto right_column = static_cast<uint32_t>(r->base->Cast<duckdb::BoundReferenceExpression>().index);
    Bounds* bounds = find(left_column, right_column, *l->base, *r->base);
    if (!bounds) return;
    // left + l.by OP right + r.by
    const int64_t apart = l->by - r->by + bounds->right_time.offset - bounds->left_time.offset;
    const bool equal = comparison == ExpressionType::COMPARE_EQUAL;
    if (equal || comparison == ExpressionType::COMPARE_LESSTHANOREQUALTO ||
        comparison == ExpressionType::COMPARE_LESSTHAN)
      bounds->lower = std::max(bounds->lower, apart);
    if (equal || comparison == ExpressionType::COMPARE_GREATERTHANOREQUALTO ||
        comparison == ExpressionType::COMPARE_GREATERTHAN)
      bounds->upper = std::min(bounds->upper, apart);
  }

  /// Both sides read the columns of the left, then those of the right.
  void compare_mixed(const duckdb::Expression& a, const duckdb::Expression& b, ExpressionType comparison) {
    const bool a_left = is_left(a);
    if (a_left == is_left(b)) return;
    auto right = (a_left ? b : a).Copy();
    for_each_reference(*right, [&](duckdb::BoundReferenceExpression& column) { column.index -= left_columns_; });
    compare(a_left ? a : b, *right, a_left ? comparison : duckdb::FlipComparisonExpression(comparison));
  }

  void residual(const duckdb::Expression& expression) {
    if (expression.GetExpressionClass() == ExpressionClass::BOUND_COMPARISON) {
      const auto& comparison = expression.Cast<duckdb::BoundComparisonExpression>();
      compare_mixed(*comparison.left, *comparison.right, comparison.GetExpressionType());
    } else if (expression.GetExpressionClass() == ExpressionClass::BOUND_BETWEEN) {
      const auto& between = expression.Cast<duckdb::BoundBetweenExpression>();
      compare_mixed(*between.input, *between.lower, ExpressionType::COMPARE_GREATERTHANOREQUALTO);
      compare_mixed(*between.input, *between.upper, ExpressionType::COMPARE_LESSTHANOREQUALTO);
    } else if (expression.GetExpressionType() == ExpressionType::CONJUNCTION_AND) {
      duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> pieces;
      pieces.push_back(expression.Copy());
      duckdb::LogicalFilter::SplitPredicates(pieces);
      for (const auto& piece : pieces) residual(*piece);
    }
  }

  const Bounds* complete() const {
    for (const Bounds& bounds : found_) {
      if (bounds.complete()) return &bounds;
    }
    return nullptr;
  }

 private:
  static bool is_column(const duckdb::Expression& expression) {
    return expression.GetExpressionClass() == ExpressionClass::BOUND_REF;
  }
  bool is_left(const duckdb::Expression& expression) const {
    bool left = true;
    auto copy = expression.Copy();
    for_each_reference(*copy, [&](duckdb::BoundReferenceExpression& column) { left &= column.index < left_columns_; });
    return left;
  }
  Bounds* find(uint32_t left, uint32_t right, const duckdb::Expression& left_base,
               const duckdb::Expression& right_base) {
    for (Bounds& bounds : found_) {
      if (bounds.left == left && bounds.right == right) return &bounds;
    }
    const std::optional<Watermarked> left_time = trace(left_, left_base, on_close_);
    const std::optional<Watermarked> right_time = trace(right_, right_base, on_close_);
    if (!left_time || !right_time) return nullptr;
    found_.push_back(Bounds{left, right, *left_time, *right_time});
    return &found_.back();
  }

  duckdb::LogicalOperator& left_;
  duckdb::LogicalOperator& right_;
  size_t left_columns_;
  bool on_close_;
  std::vector<Bounds> found_;
};

}  // namespace

std::optional<plan::TimeJoin> Translator::time_bound(duckdb::LogicalJoin& op, const JoinParts& parts) const {
  BoundFinder finder(*op.children[0], *op.children[1], options_.emit_on_window_close);
  bool has_equality = false;
  for (const auto& condition : parts.conditions) {
    finder.compare(*condition.left, *condition.right, condition.comparison);
    has_equality |= condition.comparison == ExpressionType::COMPARE_EQUAL ||
                    condition.comparison == ExpressionType::COMPARE_NOT_DISTINCT_FROM;
  }
  for (const auto& residual : parts.residual) finder.residual(*residual);
  const Bounds* bounds = finder.complete();
  if (!bounds || !has_equality) return std::nullopt;
  plan::TimeJoin result;
  result.left_time = bounds->left;
  result.right_time = bounds->right;
  result.left_offset = Duration{bounds->left_time.offset};
  result.right_offset = Duration{bounds->right_time.offset};
  result.lower = Duration{bounds->lower};
  result.upper = Duration{bounds->upper};
  result.allowed_lateness = options_.allowed_lateness;
  result.emit_on_close = options_.emit_on_window_close;
  return result;
}

bool Translator::carries_watermark(duckdb::LogicalOperator& op, const duckdb::Expression& expression) const {
  const std::optional<Watermarked> time = trace(op, expression, options_.emit_on_window_close);
  return time && time->offset == 0;
}

}  // namespace millrace::sql
