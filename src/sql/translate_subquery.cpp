// The Translator's subqueries: what DuckDB leaves as correlated (DELIM), MARK and SINGLE joins.
//
//  * A correlated subquery runs once for each distinct value of the outer columns that it reads: its domain. The domain
//    is a DISTINCT of the outer side, and the subquery's result is joined to the outer side by those columns.
//  * x IN (…), x = ANY (…): plan::JoinType::kMark says which rows have an equal one. Where none has, the answer is NULL
//    if x is NULL or one of the others is, and there are others; else false. Two facts of each correlated group, "has
//    rows" and "has NULLs", tell that; they change at most twice, however many rows come.
//  * A scalar subquery's value is its one row; a second row makes the rows that ask for it fail, as error() does.
#include <algorithm>

#include "duckdb/catalog/catalog.hpp"
#include "duckdb/catalog/catalog_entry/aggregate_function_catalog_entry.hpp"
#include "duckdb/function/function_binder.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "duckdb/planner/expression/bound_case_expression.hpp"
#include "duckdb/planner/expression/bound_comparison_expression.hpp"
#include "duckdb/planner/expression/bound_conjunction_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_operator_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/translate.h"

namespace millrace::sql {
namespace {

using Bound = duckdb::unique_ptr<duckdb::Expression>;

Bound is_null(Bound expression) {
  auto result = duckdb::make_uniq<duckdb::BoundOperatorExpression>(duckdb::ExpressionType::OPERATOR_IS_NULL,
                                                                   duckdb::LogicalType::BOOLEAN);
  result->children.push_back(std::move(expression));
  return result;
}

Bound any_of(std::vector<Bound> terms) {
  if (terms.size() == 1) return std::move(terms[0]);
  auto result = duckdb::make_uniq<duckdb::BoundConjunctionExpression>(duckdb::ExpressionType::CONJUNCTION_OR);
  for (Bound& term : terms) result->children.push_back(std::move(term));
  return result;
}

Bound boolean(std::optional<bool> value) {
  return duckdb::make_uniq<duckdb::BoundConstantExpression>(value ? duckdb::Value::BOOLEAN(*value)
                                                                  : duckdb::Value(duckdb::LogicalType::BOOLEAN));
}

Bound when(Bound condition, Bound then, Bound otherwise) {
  return duckdb::make_uniq<duckdb::BoundCaseExpression>(std::move(condition), std::move(then), std::move(otherwise));
}

std::vector<uint32_t> first_columns(size_t count) {
  std::vector<uint32_t> columns(count);
  for (uint32_t i = 0; i < count; ++i) columns[i] = i;
  return columns;
}

}  // namespace

uint32_t Translator::only(uint32_t input, std::vector<batch::Expression> expressions, std::vector<std::string> names) {
  plan::Node made;
  made.inputs = {input};
  made.append_only = nodes_[input].append_only;
  for (size_t i = 0; i < expressions.size(); ++i) made.output.fields.push_back({names[i], expressions[i].type()});
  for (uint32_t column : nodes_[input].key) {
    for (uint32_t i = 0; i < expressions.size(); ++i) {
      if (expressions[i].column_index() != static_cast<int>(column)) continue;
      made.key.push_back(i);
      break;
    }
  }
  if (made.key.size() != nodes_[input].key.size()) made.key.clear();
  made.operation = plan::Project{std::move(expressions)};
  return add(std::move(made));
}

uint32_t Translator::domain_of(duckdb::LogicalComparisonJoin& op, uint32_t left) {
  if (op.delim_flipped) refuse("this correlated subquery", "write it as a join", {"EXISTS", "IN", "ANY", "ALL"});
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  for (auto& column : op.duplicate_eliminated_columns) {
    expressions.push_back(copy_expression(*column));
    names.push_back(column->GetName());
  }
  const size_t columns = expressions.size();
  return distinct_rows(only(left, std::move(expressions), std::move(names)), columns);
}

// ---- MARK

uint32_t Translator::mark_join(duckdb::LogicalJoin& op, plan::Join join, const JoinParts& parts, uint32_t left,
                               uint32_t right, size_t left_columns) {
  if (!parts.residual.empty()) refuse("this kind of IN or EXISTS", "write it as a join", {"EXISTS", "IN", "ANY", "ALL"});
  std::vector<uint32_t> shown(op.left_projection_map.begin(), op.left_projection_map.end());
  if (shown.empty()) shown = first_columns(left_columns);
  const bool two_valued = std::none_of(parts.conditions.begin(), parts.conditions.end(),
                                       [](const auto& condition) { return condition.can_be_null(); });
  if (two_valued) {
    join.left_output = std::move(shown);
    return add_join(std::move(join), left, right);
  }
  const auto wide = static_cast<uint32_t>(visible(left));
  join.left_output = first_columns(wide);
  uint32_t marked = add_join(std::move(join), left, right);

  uint32_t nulls = null_marks(parts, right);
  plan::Join with_nulls;
  std::vector<Bound> unknown;
  for (const auto& condition : parts.conditions) {
    if (condition.can_be_null()) {
      unknown.push_back(is_null(reference(condition.left_column, condition.left->return_type)));
    } else if (condition.is_key()) {
      with_nulls.right_keys.push_back(static_cast<uint32_t>(with_nulls.left_keys.size()));
      with_nulls.left_keys.push_back(condition.left_column);
      with_nulls.null_equals_null.push_back(true);
    }
  }
  // Without groups there is always one row of `nulls`.
  with_nulls.type = with_nulls.left_keys.empty() ? plan::JoinType::kInner : plan::JoinType::kLeft;
  with_nulls.left_output = first_columns(wide + 1);
  with_nulls.right_output = {static_cast<uint32_t>(with_nulls.left_keys.size())};
  uint32_t joined = add_join(std::move(with_nulls), marked, nulls);

  const duckdb::LogicalType type = duckdb::LogicalType::BOOLEAN;
  unknown.push_back(reference(wide + 1, type));
  Bound without_match = when(is_null(reference(wide + 1, type)), boolean(false),
                             when(any_of(std::move(unknown)), boolean(std::nullopt), boolean(false)));
  Bound mark = when(reference(wide, type), boolean(true), std::move(without_match));
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  for (uint32_t column : shown) {
    const batch::Field& field = nodes_[joined].output[column];
    expressions.push_back(batch::Expression::column(column, field.type, field.name));
    names.push_back(field.name);
  }
  expressions.push_back(copy_expression(*mark));
  names.push_back("mark");
  return project(joined, std::move(expressions), std::move(names));
}

/// The correlated columns, then whether a row of the group has a NULL in what is compared. No groups: one row, NULL
/// when there are no rows.
uint32_t Translator::null_marks(const JoinParts& parts, uint32_t right) {
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  std::vector<Bound> nulls;
  plan::Aggregate marks;
  for (const auto& condition : parts.conditions) {
    const uint32_t column = condition.right_column;
    if (condition.can_be_null()) {
      nulls.push_back(is_null(reference(column, condition.right->return_type)));
    } else if (condition.is_key()) {
      marks.group_columns.push_back(static_cast<uint32_t>(expressions.size()));
      expressions.push_back(batch::Expression::column(column, nodes_[right].output[column].type));
      names.push_back(nodes_[right].output[column].name);
    }
  }
  const auto groups = static_cast<uint32_t>(expressions.size());
  expressions.push_back(copy_expression(*any_of(std::move(nulls))));
  names.push_back("has_null");
  uint32_t facts = distinct_rows(only(right, std::move(expressions), std::move(names)), groups + 1);

  plan::AggregateCall any;
  any.kind = plan::AggregateKind::kMax;
  any.argument = static_cast<int32_t>(groups);
  any.result = batch::Type(batch::TypeId::kBoolean);
  any.text = "max(has_null)";
  plan::Node made;
  made.inputs = {facts};
  made.append_only = false;
  made.key = marks.group_columns;
  for (uint32_t i = 0; i <= groups; ++i) made.output.fields.push_back(nodes_[facts].output[i]);
  marks.calls.push_back(std::move(any));
  made.operation = std::move(marks);
  return add(std::move(made));
}

// ---- SINGLE

uint32_t Translator::single_join(plan::Join join, uint32_t left, uint32_t right) {
  if (right_is_unique(join, nodes_[right])) return add_join(std::move(join), left, right);
  const auto values = static_cast<uint32_t>(join.right_output.size());
  if (!join.residual.empty()) right = pairs_with_domain(join, left, right);
  const auto keys = static_cast<uint32_t>(join.right_keys.size());
  right = one_row_each(right, join.right_keys, join.right_output);
  join.right_keys = first_columns(keys);
  join.right_output.clear();
  for (uint32_t i = 0; i <= values; ++i) join.right_output.push_back(keys + i);
  const auto shown = static_cast<uint32_t>(join.left_output.size());
  uint32_t joined = add_join(std::move(join), left, right);

  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  for (uint32_t column = 0; column < shown + 1 + values; ++column) {
    if (column == shown) continue;
    const batch::Field field = nodes_[joined].output[column];
    names.push_back(field.name);
    if (column < shown) {
      expressions.push_back(batch::Expression::column(column, field.type, field.name));
      continue;
    }
    duckdb::vector<Bound> message;
    message.push_back(duckdb::make_uniq<duckdb::BoundConstantExpression>(
        duckdb::Value("More than one row returned by a subquery used as an expression")));
    duckdb::ErrorData error;
    Bound fail =
        duckdb::FunctionBinder(context_).BindScalarFunction(DEFAULT_SCHEMA, "error", std::move(message), error, false);
    if (!fail) error.Throw();
    fail->return_type = field.type.duckdb_type();
    Bound too_many = duckdb::make_uniq<duckdb::BoundComparisonExpression>(
        duckdb::ExpressionType::COMPARE_GREATERTHAN, reference(shown, duckdb::LogicalType::BIGINT),
        duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value::BIGINT(1)));
    Bound value = when(std::move(too_many), std::move(fail), reference(column, field.type.duckdb_type()));
    expressions.push_back(copy_expression(*value));
  }
  return project(joined, std::move(expressions), std::move(names));
}

/// The rows of `right` that meet each distinct value of the left columns that the conditions read. `join` is then an
/// equality of those columns with the first ones of the result.
uint32_t Translator::pairs_with_domain(plan::Join& join, uint32_t left, uint32_t right) {
  const auto offset = static_cast<uint32_t>(nodes_[left].output.size());
  std::vector<uint32_t> used = join.left_keys;
  for (const batch::Expression& residual : join.residual) {
    for (uint32_t column : residual.columns_read()) {
      if (column < offset) used.push_back(column);
    }
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  const auto place = [&](uint32_t column) {
    return static_cast<uint32_t>(std::lower_bound(used.begin(), used.end(), column) - used.begin());
  };
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  for (uint32_t column : used) {
    const batch::Field& field = nodes_[left].output[column];
    expressions.push_back(batch::Expression::column(column, field.type, field.name));
    names.push_back(field.name);
  }
  const auto domain_columns = static_cast<uint32_t>(used.size());
  uint32_t domain = distinct_rows(only(left, std::move(expressions), std::move(names)), domain_columns);

  plan::Join pairs;
  for (uint32_t key : join.left_keys) pairs.left_keys.push_back(place(key));
  pairs.right_keys = join.right_keys;
  pairs.null_equals_null = join.null_equals_null;
  std::vector<uint32_t> places;
  for (uint32_t column = 0; column < offset; ++column) places.push_back(place(column));
  for (uint32_t column = 0; column < nodes_[right].output.size(); ++column) places.push_back(domain_columns + column);
  for (const batch::Expression& residual : join.residual) pairs.residual.push_back(residual.with_columns(places));
  pairs.left_output = first_columns(domain_columns);
  pairs.right_output = join.right_output;

  join.left_keys = used;
  join.right_keys = first_columns(domain_columns);
  join.null_equals_null.assign(domain_columns, true);
  join.residual.clear();
  for (uint32_t i = 0; i < join.right_output.size(); ++i) join.right_output[i] = domain_columns + i;
  return add_join(std::move(pairs), domain, right);
}

/// One row for each value of `groups`: they, how many rows there are, and the values of one of these.
uint32_t Translator::one_row_each(uint32_t input, const std::vector<uint32_t>& groups,
                                  const std::vector<uint32_t>& values) {
  plan::Aggregate result;
  result.group_columns = groups;
  const bool general = std::any_of(values.begin(), values.end(), [&](uint32_t column) {
    return nodes_[input].output[column].type.duckdb_type().IsNested();
  });
  plan::Node made;
  made.inputs = {input};
  made.append_only = false;
  made.key = first_columns(groups.size());
  for (uint32_t column : groups) made.output.fields.push_back(nodes_[input].output[column]);
  std::vector<Bound> calls;
  const auto call = [&](const char* name, plan::AggregateKind kind, int32_t argument, const batch::Type& type,
                        const std::string& column) {
    result.calls.push_back({general ? plan::AggregateKind::kGeneral : kind, general ? -1 : argument, -1, type, name});
    made.output.fields.push_back({column, type});
    if (!general) return;
    auto& entry = duckdb::Catalog::GetSystemCatalog(context_).GetEntry<duckdb::AggregateFunctionCatalogEntry>(
        context_, DEFAULT_SCHEMA, name);
    duckdb::vector<Bound> arguments;
    duckdb::vector<duckdb::LogicalType> types;
    if (argument >= 0) {
      arguments.push_back(reference(static_cast<uint32_t>(argument), type.duckdb_type()));
      types.push_back(type.duckdb_type());
    }
    calls.push_back(duckdb::FunctionBinder(context_).BindAggregateFunction(
        entry.functions.GetFunctionByArguments(context_, types), std::move(arguments), nullptr,
        duckdb::AggregateType::NON_DISTINCT));
  };
  call("count_star", plan::AggregateKind::kCountStar, -1, batch::Type(batch::TypeId::kBigint), "rows");
  for (uint32_t column : values) {
    const batch::Field field = nodes_[input].output[column];
    call("first", plan::AggregateKind::kMin, static_cast<int32_t>(column), field.type, field.name);
  }
  if (general) make_general(result, std::move(calls), input);
  made.operation = std::move(result);
  return add(std::move(made));
}

}  // namespace millrace::sql
