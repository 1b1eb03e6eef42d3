// The Translator's GROUP BY.
#include <algorithm>
#include <numeric>

#include "duckdb/function/function_binder.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression/bound_unnest_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/fast_aggregate.h"
#include "sql/session_groups.h"
#include "sql/time_windows.h"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

/// ExpressionIterator leaves out the ORDER BY of an aggregate; this does not.
void for_each_child(duckdb::BoundAggregateExpression& call,
                    const std::function<void(duckdb::unique_ptr<duckdb::Expression>&)>& visit) {
  for (auto& child : call.children) visit(child);
  if (call.filter) visit(call.filter);
  if (call.order_bys) {
    for (auto& order : call.order_bys->orders) visit(order.expression);
  }
}

/// The window bound function that computes output column `column` of `op`, looked for below projections and filters.
const duckdb::BoundFunctionExpression* trace_bound(duckdb::LogicalOperator& op, const duckdb::Expression& expression,
                                                   bool* through_join) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION) {
    auto& function = expression.Cast<duckdb::BoundFunctionExpression>();
    return window_bound_kind(function) != WindowBoundKind::kNone ? &function : nullptr;
  }
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_REF) return nullptr;
  duckdb::idx_t column = expression.Cast<duckdb::BoundReferenceExpression>().index;
  using Kind = duckdb::LogicalOperatorType;
  if (op.type == Kind::LOGICAL_PROJECTION) return trace_bound(*op.children[0], *op.expressions[column], through_join);
  if (op.type == Kind::LOGICAL_FILTER) {
    auto& map = op.Cast<duckdb::LogicalFilter>().projection_map;
    duckdb::BoundReferenceExpression below(expression.return_type, map.empty() ? column : map[column]);
    return trace_bound(*op.children[0], below, through_join);
  }
  if (op.type == Kind::LOGICAL_UNNEST) {
    duckdb::idx_t below = op.children[0]->types.size();
    if (column < below) return trace_bound(*op.children[0], expression, through_join);
    return trace_bound(*op.children[0], *op.expressions[column - below]->Cast<duckdb::BoundUnnestExpression>().child,
                       through_join);
  }
  const bool is_join = op.type == Kind::LOGICAL_COMPARISON_JOIN || op.type == Kind::LOGICAL_ASOF_JOIN;
  if (is_join && through_join) {
    auto& map = op.Cast<duckdb::LogicalComparisonJoin>().left_projection_map;
    if (column >= (map.empty() ? op.children[0]->types.size() : map.size())) return nullptr;
    *through_join = true;
    duckdb::BoundReferenceExpression below(expression.return_type, map.empty() ? column : map[column]);
    return trace_bound(*op.children[0], below, through_join);
  }
  return nullptr;
}

int64_t constant_micros(const duckdb::Expression& expression) {
  auto interval = expression.Cast<duckdb::BoundConstantExpression>().value.GetValue<duckdb::interval_t>();
  return interval.micros + interval.days * 86400000000;
}

}  // namespace

/// `groups`: places in the operator's list of those that the aggregate has.
std::optional<plan::WindowBound> Translator::window_bound(duckdb::LogicalAggregate& op,
                                                          const std::vector<uint32_t>& groups, bool* through_join) {
  std::optional<plan::WindowBound> found;
  for (uint32_t i = 0; i < groups.size(); ++i) {
    bool joined = false;
    const auto* function = trace_bound(*op.children[0], *op.groups[groups[i]], through_join ? &joined : nullptr);
    if (!function) continue;
    if (joined) *through_join = true;
    bool is_end = window_bound_kind(*function) == WindowBoundKind::kEnd;
    if (found && !is_end) continue;  // windows of cumulate begin together: the end says when one closes
    found.emplace();
    found->group_index = i;
    if (!is_end) found->end_offset = Duration{constant_micros(*function->children[1])};
    found->allowed_lateness = options_.allowed_lateness;
    found->emit_on_close = options_.emit_on_window_close;
  }
  return found;
}

bool Translator::comes_in_time(uint32_t index) const {
  const plan::Node& node = nodes_[index];
  const plan::Operation& of = node.operation;
  if (!node.append_only || std::holds_alternative<plan::Source>(of)) return node.append_only;
  const bool passes = std::holds_alternative<plan::Project>(of) || std::holds_alternative<plan::Filter>(of) ||
                      std::holds_alternative<plan::Unnest>(of) || std::holds_alternative<plan::TimeJoin>(of) ||
                      std::holds_alternative<plan::TemporalJoin>(of) || std::holds_alternative<plan::LookupJoin>(of);
  return passes && comes_in_time(node.inputs[0]);
}

/// As DuckDB's sketches hash.
duckdb::unique_ptr<duckdb::Expression> Translator::hash_of(duckdb::unique_ptr<duckdb::Expression> value) {
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> arguments;
  arguments.push_back(std::move(value));
  duckdb::ErrorData error;
  duckdb::FunctionBinder binder(context_);
  auto hash = binder.BindScalarFunction(DEFAULT_SCHEMA, "hash", std::move(arguments), error, false);
  if (!hash) error.Throw();
  return hash;
}

plan::AggregateCall Translator::aggregate_call(const duckdb::BoundAggregateExpression& call, PreProjection& columns,
                                               bool input_append_only) {
  plan::AggregateCall result;
  result.kind = fast_kind(call, input_append_only);
  result.result = batch::Type(call.return_type);
  result.text = call.GetName();
  if (result.kind == plan::AggregateKind::kGeneral) return result;
  FastArguments reads = fast_arguments(call, result.kind);
  if (result.kind == plan::AggregateKind::kApproxCountDistinct) reads.argument = hash_of(std::move(reads.argument));
  if (reads.argument) result.argument = static_cast<int32_t>(columns.column(*reads.argument));
  if (result.kind == plan::AggregateKind::kStringAgg) result.separator = separator_of(call);
  if (reads.filter) result.filter = static_cast<int32_t>(columns.column(*reads.filter));
  if (!reads.orders.empty()) result.sort_key = static_cast<int32_t>(columns.column(*sort_key(reads.orders)));
  return result;
}

namespace {

/// Makes the order of the values sure, of which the result is made: behind the order that is asked for they stand as
/// they came. DuckDB takes what orders the values of a DISTINCT as part of them: there it must be the values alone.
void order_values(duckdb::BoundAggregateExpression& call, const plan::Node& from) {
  if (call.function.order_dependent != duckdb::AggregateOrderDependent::ORDER_DEPENDENT) return;
  std::vector<duckdb::unique_ptr<duckdb::Expression>> by;
  if (!call.IsDistinct()) {
    if (from.order_column < 0) return;
    by.push_back(reference(from.order_column, from.output[from.order_column].type.duckdb_type()));
  } else {
    for (const auto& argument : call.children) {
      if (!argument->IsFoldable()) by.push_back(argument->Copy());
    }
  }
  if (!call.order_bys) call.order_bys = duckdb::make_uniq<duckdb::BoundOrderModifier>();
  for (auto& value : by) {
    call.order_bys->orders.emplace_back(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST,
                                        std::move(value));
  }
}

}  // namespace

void Translator::make_general(plan::Aggregate& result, std::vector<duckdb::unique_ptr<duckdb::Expression>> calls,
                              uint32_t input) {
  const plan::Node& from = nodes_[input];
  std::vector<uint32_t>& used = result.general_columns;
  for (auto& call : calls) {
    auto& aggregate = call->Cast<duckdb::BoundAggregateExpression>();
    order_values(aggregate, from);
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

Translator::GroupedCalls Translator::grouped_calls(duckdb::LogicalAggregate& op, PreProjection& columns,
                                                   bool append_only) {
  GroupedCalls result;
  for (auto& group : op.groups) result.group_columns.push_back(columns.column(*group));
  for (auto& expression : op.expressions) {
    auto call = expression->Copy();
    auto& bound = call->Cast<duckdb::BoundAggregateExpression>();
    result.aggregate.calls.push_back(aggregate_call(bound, columns, append_only));
    if (result.aggregate.calls.back().kind != plan::AggregateKind::kGeneral) continue;
    for_each_child(bound, [&](duckdb::unique_ptr<duckdb::Expression>& child) {
      if (child->IsFoldable()) return;
      const duckdb::LogicalType type = child->return_type;
      child = reference(columns.column(*child), type);
    });
    result.general.push_back(std::move(call));
  }
  return result;
}

/// Its output is the group columns and the results, nothing hidden.
uint32_t Translator::add_aggregate(plan::Aggregate aggregate, uint32_t input) {
  plan::Node made;
  made.inputs = {input};
  made.append_only = aggregate.window && aggregate.window->emit_on_close;
  for (uint32_t i = 0; i < aggregate.group_columns.size(); ++i) {
    made.output.fields.push_back(nodes_[input].output[aggregate.group_columns[i]]);
    made.key.push_back(i);
  }
  for (const auto& call : aggregate.calls) made.output.fields.push_back({call.text, call.result});
  made.operation = std::move(aggregate);
  return add(std::move(made));
}

void Translator::check_watermark(const std::optional<plan::WindowBound>& bound, uint32_t input) const {
  if (!bound || nodes_[input].watermark_column >= 0 || !options_.emit_on_window_close) return;
  refuse("EMIT ON WINDOW CLOSE over a window whose rows carry no watermark",
         "apply tumble() to a stream, not to a view", {"TUMBLE", "HOP", "CUMULATE"});
}

uint32_t Translator::aggregate(duckdb::LogicalAggregate& op) {
  if (op.grouping_sets.size() > 1 || !op.grouping_functions.empty()) return grouping_sets(op);
  std::vector<uint32_t> all_groups(op.groups.size());
  std::iota(all_groups.begin(), all_groups.end(), 0);
  bool through_join = false;
  std::optional<plan::WindowBound> bound = window_bound(op, all_groups, &through_join);
  const std::optional<SessionGroups> sessions = session_groups(op);
  const bool ends_are_results = sessions && sessions->ends_are_results() && !options_.emit_on_window_close;
  if (ends_are_results) ends_by_row_ = sessions->window;
  const uint32_t input = translate(*op.children[0], Needs{true, bound.has_value()});
  if (sessions) bound = session_bound(*sessions);
  if (through_join && !comes_in_time(input)) {
    if (options_.emit_on_window_close) {
      refuse("EMIT ON WINDOW CLOSE over a window behind a join that time does not bound",
             "bound the join by the columns of the watermarks, or join FOR SYSTEM_TIME AS OF", {"TUMBLE", "HOP", "CUMULATE", "SESSION"});
    }
    bound.reset();
  }
  has_window_bound_ |= bound.has_value();
  check_watermark(bound, input);
  PreProjection columns(*this, input);
  GroupedCalls calls = grouped_calls(op, columns, nodes_[input].append_only);
  plan::Aggregate& result = calls.aggregate;
  result.window = bound;
  std::vector<uint32_t> places;
  if (ends_are_results) {
    places = end_as_result(*sessions, result, calls.group_columns);
  } else {
    result.group_columns = std::move(calls.group_columns);
  }
  // Columns that only this operator computes are all known now, so indices stay; the hidden ones go behind them.
  const uint32_t ready = columns.finish();
  if (!calls.general.empty()) make_general(result, std::move(calls.general), ready);
  const uint32_t made = add_aggregate(std::move(result), ready);
  return places.empty() ? made : keep(made, places);
}

// ---- GROUPING SETS, ROLLUP, CUBE: an aggregate for each set, over one input

std::vector<std::optional<plan::WindowBound>> Translator::window_bounds(
    duckdb::LogicalAggregate& op, const std::vector<std::vector<uint32_t>>& sets) {
  std::vector<std::optional<plan::WindowBound>> bounds;
  for (const std::vector<uint32_t>& set : sets) {
    bounds.push_back(window_bound(op, set));
    has_window_bound_ |= bounds.back().has_value();
    if (!bounds.back()) continue;
    // The first aggregate over a window says which rows are late for it; the others would say it again.
    for (size_t before = 0; before + 1 < bounds.size(); ++before) {
      if (!bounds[before]) continue;
      const bool same_column = sets[before][bounds[before]->group_index] == set[bounds.back()->group_index];
      if (same_column) bounds.back()->close = plan::WindowClose::kRowsBeside;
    }
  }
  const bool all_close = std::all_of(bounds.begin(), bounds.end(), [](const auto& bound) { return bound.has_value(); });
  if (options_.emit_on_window_close && !all_close) {
    refuse("EMIT ON WINDOW CLOSE with a grouping set that has no window of time: it never closes",
           "put the window's bounds before the sets: GROUP BY window_start, window_end, ROLLUP (…)",
           {"GROUPING", "ROLLUP", "CUBE"});
  }
  return bounds;
}

/// The columns of the whole operator: NULL for groups that are not of the set, then what GROUPING() says of it.
uint32_t Translator::as_one_of_sets(const duckdb::LogicalAggregate& op, const std::vector<uint32_t>& set,
                                    uint32_t aggregate) {
  const batch::Schema output = nodes_[aggregate].output;
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  const auto add_column = [&](size_t column) {
    const batch::Field& field = output[column];
    expressions.push_back(batch::Expression::column(static_cast<uint32_t>(column), field.type, field.name));
    names.push_back(field.name);
  };
  const auto add_constant = [&](duckdb::Value value, std::string name) {
    expressions.push_back(copy_expression(duckdb::BoundConstantExpression(std::move(value))));
    names.push_back(std::move(name));
  };
  for (uint32_t group = 0; group < op.groups.size(); ++group) {
    const auto at = std::find(set.begin(), set.end(), group);
    if (at != set.end()) {
      add_column(static_cast<size_t>(at - set.begin()));
    } else {
      add_constant(duckdb::Value(op.groups[group]->return_type), op.groups[group]->GetName());
    }
  }
  for (size_t call = 0; call < op.expressions.size(); ++call) add_column(set.size() + call);
  for (const auto& groups : op.grouping_functions) {
    int64_t bits = 0;  // the last argument's is the lowest; set: it is not of the set
    for (const duckdb::idx_t group : groups) {
      bits = bits * 2 + (std::find(set.begin(), set.end(), group) == set.end() ? 1 : 0);
    }
    add_constant(duckdb::Value::BIGINT(bits), "GROUPING");
  }
  return only(aggregate, std::move(expressions), std::move(names));
}

uint32_t Translator::grouping_sets(duckdb::LogicalAggregate& op) {
  if (session_groups(op)) {
    refuse("GROUPING SETS, ROLLUP and CUBE over session windows",
           "write one view for each grouping and join them with UNION ALL",
           {"GROUPING", "ROLLUP", "CUBE"});
  }
  std::vector<std::vector<uint32_t>> sets;
  for (const auto& set : op.grouping_sets) sets.emplace_back(set.begin(), set.end());
  const std::vector<std::optional<plan::WindowBound>> bounds = window_bounds(op, sets);
  const bool windows = std::any_of(bounds.begin(), bounds.end(), [](const auto& bound) { return bound.has_value(); });
  const uint32_t input = translate(*op.children[0], Needs{true, windows});
  for (const auto& bound : bounds) check_watermark(bound, input);
  PreProjection columns(*this, input);
  GroupedCalls calls = grouped_calls(op, columns, nodes_[input].append_only);
  const uint32_t ready = columns.finish();
  if (!calls.general.empty()) make_general(calls.aggregate, std::move(calls.general), ready);
  std::vector<uint32_t> results;
  for (size_t i = 0; i < sets.size(); ++i) {
    plan::Aggregate aggregate = calls.aggregate;
    aggregate.window = bounds[i];
    for (const uint32_t group : sets[i]) aggregate.group_columns.push_back(calls.group_columns[group]);
    results.push_back(as_one_of_sets(op, sets[i], add_aggregate(std::move(aggregate), ready)));
  }
  return results.size() == 1 ? results[0] : union_of(std::move(results));
}

}  // namespace millrace::sql
