// The Translator's UNION, INTERSECT, EXCEPT, and relations of constants.
#include "duckdb/execution/column_binding_resolver.hpp"
#include "duckdb/function/function_binder.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "duckdb/planner/expression/bound_case_expression.hpp"
#include "duckdb/planner/expression/bound_comparison_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/operator/list.hpp"
#include "sql/translate.h"

namespace millrace::sql {

uint32_t Translator::set_operation(duckdb::LogicalSetOperation& op, Needs needs) {
  if (op.type != duckdb::LogicalOperatorType::LOGICAL_UNION) return intersect_or_except(op);
  std::vector<uint32_t> inputs;
  for (auto& child : op.children) inputs.push_back(translate(*child, needs));
  uint32_t result = union_of(std::move(inputs));
  return op.setop_all ? result : distinct_rows(result, op.column_count);
}

/// All inputs must have the same columns in the same places: hidden columns that not all have are cut off.
uint32_t Translator::union_of(std::vector<uint32_t> inputs) {
  bool order = nodes_[inputs[0]].order_column >= 0;
  bool watermark = nodes_[inputs[0]].watermark_column >= 0;
  bool uniform = true;
  for (uint32_t input : inputs) {
    uniform &= (nodes_[input].order_column >= 0) == order && (nodes_[input].watermark_column >= 0) == watermark;
  }
  plan::Node made;
  for (uint32_t& input : inputs) {
    if (!uniform) input = without_hidden(input);
    made.append_only &= nodes_[input].append_only;
  }
  made.output = nodes_[inputs[0]].output;
  made.order_column = nodes_[inputs[0]].order_column;
  made.watermark_column = nodes_[inputs[0]].watermark_column;
  made.inputs = std::move(inputs);
  made.operation = plan::UnionAll{};
  return add(std::move(made));
}

uint32_t Translator::intersect_or_except(duckdb::LogicalSetOperation& op) {
  const bool intersect = op.type == duckdb::LogicalOperatorType::LOGICAL_INTERSECT;
  plan::SetOperation set;
  if (intersect) {
    set.kind = op.setop_all ? plan::SetKind::kIntersectAll : plan::SetKind::kIntersect;
  } else {
    set.kind = op.setop_all ? plan::SetKind::kExceptAll : plan::SetKind::kExcept;
  }
  uint32_t result = without_hidden(translate(*op.children[0], Needs{}));
  for (size_t i = 1; i < op.children.size(); ++i) {
    uint32_t other = without_hidden(translate(*op.children[i], Needs{}));
    plan::Node made;
    made.inputs = {result, other};
    made.output = nodes_[result].output;
    made.append_only = intersect && nodes_[result].append_only && nodes_[other].append_only;
    for (uint32_t column = 0; !op.setop_all && column < made.output.size(); ++column) made.key.push_back(column);
    made.operation = set;
    result = add(std::move(made));
  }
  return result;
}

uint32_t Translator::constant(uint32_t rows, std::vector<batch::Expression> expressions,
                              const duckdb::vector<duckdb::LogicalType>& types) {
  plan::Node made;
  for (const auto& type : types) made.output.fields.push_back({"constant", batch::Type(type)});
  made.operation = plan::Constant{std::move(expressions), rows};
  return add(std::move(made));
}

/// VALUES: rows of expressions over the child's columns, which a lateral one reads.
uint32_t Translator::values(duckdb::LogicalExpressionGet& op) {
  if (op.children[0]->type == duckdb::LogicalOperatorType::LOGICAL_DUMMY_SCAN) {
    std::vector<batch::Expression> expressions;
    for (auto& row : op.expressions) {
      for (auto& expression : row) expressions.push_back(copy_expression(*expression));
    }
    return constant(static_cast<uint32_t>(op.expressions.size()), std::move(expressions), op.types);
  }
  uint32_t input = translate(*op.children[0], Needs{});
  std::vector<uint32_t> rows;
  for (auto& row : op.expressions) {
    std::vector<batch::Expression> expressions;
    std::vector<std::string> names;
    for (auto& expression : row) {
      expressions.push_back(copy_expression(*expression));
      names.push_back(expression->GetName());
    }
    rows.push_back(only(input, std::move(expressions), std::move(names)));
  }
  return rows.size() == 1 ? rows[0] : union_of(std::move(rows));
}

/// range(), generate_series() and unnest() in FROM: a list of constants, or of what a lateral one reads, unnested.
std::optional<uint32_t> Translator::list_function(duckdb::LogicalGet& get, Needs needs) {
  const std::string& name = get.function.name;
  if (name != "range" && name != "generate_series" && name != "unnest") return std::nullopt;
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> arguments;
  for (const auto& value : get.parameters) {
    arguments.push_back(duckdb::make_uniq<duckdb::BoundConstantExpression>(value));
  }
  uint32_t input = 0;
  if (get.children.empty()) {
    duckdb::BoundConstantExpression nothing{duckdb::Value(duckdb::LogicalType::INTEGER)};
    input = constant(1, {copy_expression(nothing)}, {duckdb::LogicalType::INTEGER});
  } else {
    // DuckDB's resolver stops at a table function.
    duckdb::ColumnBindingResolver().VisitOperator(*get.children[0]);
    input = translate(*get.children[0], needs);
    for (uint32_t i = 0; i < get.input_table_types.size(); ++i) {
      arguments.push_back(reference(i, get.children[0]->types[i]));
    }
  }
  if (arguments.empty()) return std::nullopt;
  duckdb::unique_ptr<duckdb::Expression> list;
  if (name == "unnest") {
    list = std::move(arguments[0]);
  } else {
    duckdb::ErrorData error;
    list =
        duckdb::FunctionBinder(context_).BindScalarFunction(DEFAULT_SCHEMA, name, std::move(arguments), error, false);
    if (!list) error.Throw();
  }
  if (list->return_type.id() != duckdb::LogicalTypeId::LIST) return std::nullopt;
  return unnested_beside(get, input, *list);
}

duckdb::unique_ptr<duckdb::Expression> Translator::ordinals_of(const duckdb::Expression& list) {
  duckdb::FunctionBinder binder(context_);
  duckdb::ErrorData error;
  const auto call = [&](const char* name, auto... arguments) {
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> children;
    (children.push_back(std::move(arguments)), ...);
    auto bound = binder.BindScalarFunction(DEFAULT_SCHEMA, name, std::move(children), error, false);
    if (!bound) error.Throw();
    return bound;
  };
  const auto one = [] { return duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value::BIGINT(1)); };
  return call("generate_series", one(), call("len", list.Copy()));
}

/// The element, with its number where that is asked for, then those columns of the input that go on.
uint32_t Translator::unnested_beside(duckdb::LogicalGet& get, uint32_t input, const duckdb::Expression& list) {
  const batch::Type element{duckdb::ListType::GetChildType(list.return_type)};
  const bool numbered = get.ordinality_idx.IsValid();
  PreProjection columns(*this, input);
  plan::Unnest unnest{{get.projected_input.begin(), get.projected_input.end()}, {columns.column(list)}};
  if (numbered) unnest.list_columns.push_back(columns.column(*ordinals_of(list)));
  const uint32_t ready = columns.finish();
  const plan::Node& from = nodes_[ready];
  const bool has_order = from.order_column >= 0, has_watermark = from.watermark_column >= 0;
  const size_t kept = unnest.kept_columns.size();
  for (int32_t column : {from.order_column, from.watermark_column}) {
    if (column >= 0) unnest.kept_columns.push_back(static_cast<uint32_t>(column));
  }
  plan::Node made;
  made.inputs = {ready};
  made.append_only = from.append_only;
  for (uint32_t column : unnest.kept_columns) made.output.fields.push_back(from.output[column]);
  made.output.fields.push_back({get.function.name, element});
  if (numbered) made.output.fields.push_back({"ordinality", batch::Type(batch::TypeId::kBigint)});
  made.operation = std::move(unnest);
  uint32_t result = add(std::move(made));
  if (has_order || has_watermark) result = move_hidden_last(result, kept, has_order, has_watermark);

  // Those columns that are asked for: element, number, or a place holder of a query that reads none.
  const auto& ids = get.GetColumnIds();
  std::vector<batch::Expression> expressions;
  std::vector<std::string> names;
  for (uint32_t i = 0; i < get.types.size(); ++i) {
    const size_t own = get.types.size() - kept;
    const bool is_number = numbered && i < own && ids[i].GetPrimaryIndex() == get.ordinality_idx.GetIndex();
    const size_t place = i < own ? kept + (is_number ? 1 : 0) : i - own;
    const batch::Field& field = nodes_[result].output[place];
    names.push_back(field.name);
    if (i >= own || get.types[i] == field.type.duckdb_type()) {
      expressions.push_back(batch::Expression::column(static_cast<uint32_t>(place), field.type, field.name));
    } else {
      duckdb::BoundConstantExpression nothing{duckdb::Value(get.types[i])};
      expressions.push_back(copy_expression(nothing));
    }
  }
  return project(result, std::move(expressions), std::move(names));
}

/// EXISTS (…) of a subquery that reads nothing from outside: DuckDB counts its rows behind a LIMIT 1.
std::optional<uint32_t> Translator::exists(duckdb::LogicalAggregate& op) {
  if (op.children[0]->type != duckdb::LogicalOperatorType::LOGICAL_LIMIT) return std::nullopt;
  auto& limit = op.children[0]->Cast<duckdb::LogicalLimit>();
  const bool is_one = limit.limit_val.Type() == duckdb::LimitNodeType::CONSTANT_VALUE &&
                      limit.limit_val.GetConstantValue() == 1 &&
                      limit.offset_val.Type() == duckdb::LimitNodeType::UNSET;
  if (!is_one || !op.groups.empty() || op.expressions.size() != 1) return std::nullopt;
  const auto& call = op.expressions[0]->Cast<duckdb::BoundAggregateExpression>();
  if (call.function.name != "count_star" || call.filter) return std::nullopt;
  op.children[0] = std::move(limit.children[0]);
  uint32_t counted = aggregate(op);
  const duckdb::LogicalType bigint = duckdb::LogicalType::BIGINT;
  const auto number = [](int64_t value) {
    return duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value::BIGINT(value));
  };
  duckdb::BoundCaseExpression any(duckdb::make_uniq<duckdb::BoundComparisonExpression>(
                                      duckdb::ExpressionType::COMPARE_GREATERTHAN, reference(0, bigint), number(0)),
                                  number(1), number(0));
  // DISTINCT lets only a change of the answer through, not each change of the count.
  return distinct_rows(only(counted, {copy_expression(any)}, {"exists"}), 1);
}

}  // namespace millrace::sql
