#include "sql/fast_aggregate.h"

#include <optional>

#include "duckdb/common/serializer/binary_deserializer.hpp"
#include "duckdb/common/serializer/binary_serializer.hpp"
#include "duckdb/common/serializer/memory_stream.hpp"
#include "duckdb/planner/expression/bound_cast_expression.hpp"
#include "duckdb/planner/expression/bound_conjunction_expression.hpp"
#include "duckdb/planner/expression/bound_operator_expression.hpp"

namespace millrace::sql {
namespace {

bool is_floating(const duckdb::LogicalType& type) {
  return type.id() == duckdb::LogicalTypeId::DOUBLE || type.id() == duckdb::LogicalTypeId::FLOAT;
}

bool is_exact_number(const duckdb::LogicalType& type) {
  return type.IsIntegral() || type.id() == duckdb::LogicalTypeId::DECIMAL;
}

/// DOUBLE from a number that 64 bits hold exactly: what of it is a running sum takes retractions.
const duckdb::Expression& before_cast(const duckdb::Expression& argument) {
  if (argument.GetExpressionClass() != duckdb::ExpressionClass::BOUND_CAST) return argument;
  const auto& cast = argument.Cast<duckdb::BoundCastExpression>();
  const duckdb::LogicalType& from = cast.child->return_type;
  const bool wide = from.InternalType() == duckdb::PhysicalType::INT128 ||
                    from.InternalType() == duckdb::PhysicalType::UINT128 ||
                    from.InternalType() == duckdb::PhysicalType::UINT64;
  return !cast.try_cast && is_exact_number(from) && !wide ? *cast.child : argument;
}

plan::AggregateKind variance_kind(const std::string& name) {
  using plan::AggregateKind;
  if (name == "var_samp" || name == "variance") return AggregateKind::kVarSamp;
  if (name == "var_pop") return AggregateKind::kVarPop;
  if (name == "stddev_samp" || name == "stddev") return AggregateKind::kStddevSamp;
  return name == "stddev_pop" ? AggregateKind::kStddevPop : AggregateKind::kGeneral;
}

bool is_variance(plan::AggregateKind kind) {
  return kind >= plan::AggregateKind::kVarSamp && kind <= plan::AggregateKind::kStddevPop;
}

/// A call whose result is that of one row.
struct FirstCall {
  plan::AggregateKind kind = plan::AggregateKind::kFirst;
  bool skips_null = false;              // rows whose argument is NULL do not count
  std::optional<duckdb::OrderType> by;  // the order of the second argument; rows where that is NULL do not count
};

std::optional<FirstCall> first_call(const std::string& name) {
  using duckdb::OrderType;
  using plan::AggregateKind;
  if (name == "first" || name == "arbitrary") return FirstCall{};
  if (name == "last") return FirstCall{AggregateKind::kLast, false, {}};
  if (name == "any_value") return FirstCall{AggregateKind::kFirst, true, {}};
  const bool least = name == "arg_min" || name == "argmin" || name == "min_by";
  if (least || name == "arg_min_null") return FirstCall{AggregateKind::kFirst, least, OrderType::ASCENDING};
  const bool most = name == "arg_max" || name == "argmax" || name == "max_by";
  if (most || name == "arg_max_null") return FirstCall{AggregateKind::kFirst, most, OrderType::DESCENDING};
  return std::nullopt;
}

plan::AggregateKind first_kind(const duckdb::BoundAggregateExpression& call) {
  const std::optional<FirstCall> first = first_call(call.function.name);
  const bool fits = first && call.children.size() == (first->by ? 2U : 1U) && !(first->by && call.order_bys) &&
                    call.children[0]->return_type == call.return_type;
  return fits && !call.IsDistinct() ? first->kind : plan::AggregateKind::kGeneral;
}

/// A call whose result is made of the values of all rows.
plan::AggregateKind listed_kind(const duckdb::BoundAggregateExpression& call) {
  using plan::AggregateKind;
  const std::string& name = call.function.name;
  if (call.IsDistinct() || call.children.size() != 1) return AggregateKind::kGeneral;
  if (name == "list" || name == "array_agg") return AggregateKind::kList;
  const bool is_text = name == "string_agg" || name == "group_concat" || name == "listagg";
  return is_text && call.bind_info && call.function.serialize ? AggregateKind::kStringAgg : AggregateKind::kGeneral;
}

/// `filter` is true only where the expression is not NULL.
void add_not_null(const duckdb::Expression& expression, duckdb::unique_ptr<duckdb::Expression>& filter) {
  auto test = duckdb::make_uniq<duckdb::BoundOperatorExpression>(duckdb::ExpressionType::OPERATOR_IS_NOT_NULL,
                                                                 duckdb::LogicalType::BOOLEAN);
  test->children.push_back(expression.Copy());
  if (!filter) {
    filter = std::move(test);
    return;
  }
  filter = duckdb::make_uniq<duckdb::BoundConjunctionExpression>(duckdb::ExpressionType::CONJUNCTION_AND,
                                                                 std::move(filter), std::move(test));
}

/// Of a call with DISTINCT.
plan::AggregateKind fast_kind_of_distinct(const std::string& name, const duckdb::LogicalType& argument) {
  using plan::AggregateKind;
  const bool number = is_exact_number(argument) && argument.InternalType() != duckdb::PhysicalType::UINT128;
  if (name == "count") return AggregateKind::kCountDistinct;
  if (name == "sum" && number) return AggregateKind::kSumDistinct;
  return name == "avg" && number ? AggregateKind::kAvgDistinct : AggregateKind::kGeneral;
}

}  // namespace

plan::AggregateKind fast_kind(const duckdb::BoundAggregateExpression& call, bool append_only) {
  using plan::AggregateKind;
  const std::string& name = call.function.name;
  if (name == "count_star" && call.children.empty()) return AggregateKind::kCountStar;
  if (first_call(name)) return first_kind(call);
  if (call.children.size() != 1) return AggregateKind::kGeneral;
  if (const AggregateKind listed = listed_kind(call); listed != AggregateKind::kGeneral) return listed;
  const duckdb::LogicalType& argument = call.children[0]->return_type;
  if (name == "min" && !argument.IsNested()) return AggregateKind::kMin;
  if (name == "max" && !argument.IsNested()) return AggregateKind::kMax;
  if (name == "bool_and") return AggregateKind::kBoolAnd;
  if (name == "bool_or") return AggregateKind::kBoolOr;
  if (call.IsDistinct()) return fast_kind_of_distinct(name, argument);
  const bool number = (is_exact_number(argument) && argument.InternalType() != duckdb::PhysicalType::UINT128) ||
                      (is_floating(argument) && append_only);
  if (name == "count") return AggregateKind::kCount;
  if (name == "sum" && number) return AggregateKind::kSum;
  if (name == "avg" && number) return AggregateKind::kAvg;
  if (name == "approx_count_distinct" && append_only) return AggregateKind::kApproxCountDistinct;
  const bool exact = &before_cast(*call.children[0]) != call.children[0].get();
  return exact || append_only ? variance_kind(name) : AggregateKind::kGeneral;
}

FastArguments fast_arguments(const duckdb::BoundAggregateExpression& call, plan::AggregateKind kind) {
  FastArguments result;
  if (call.filter) result.filter = call.filter->Copy();
  if (call.children.empty()) return result;
  const duckdb::Expression& argument = *call.children[0];
  result.argument = is_variance(kind) ? before_cast(argument).Copy() : argument.Copy();
  if (kind == plan::AggregateKind::kApproxCountDistinct) add_not_null(argument, result.filter);
  const bool is_listed = kind == plan::AggregateKind::kList || kind == plan::AggregateKind::kStringAgg;
  if (kind != plan::AggregateKind::kFirst && kind != plan::AggregateKind::kLast && !is_listed) return result;
  const std::optional<FirstCall> first = first_call(call.function.name);
  if (first && first->skips_null) add_not_null(argument, result.filter);
  if (first && first->by) {
    add_not_null(*call.children[1], result.filter);
    result.orders.emplace_back(*first->by, duckdb::OrderByNullType::NULLS_LAST, call.children[1]->Copy());
  } else if (call.order_bys) {
    for (const auto& order : call.order_bys->orders) result.orders.push_back(order.Copy());
  }
  return result;
}

/// DuckDB keeps it in a class of its own; how it writes that down is public.
std::string separator_of(const duckdb::BoundAggregateExpression& call) {
  constexpr duckdb::field_id_t kSeparator = 100;
  duckdb::MemoryStream stream;
  duckdb::BinarySerializer out(stream);
  out.Begin();
  call.function.serialize(out, call.bind_info.get(), call.function);
  out.End();
  stream.Rewind();
  duckdb::BinaryDeserializer in(stream);
  in.Begin();
  return in.ReadProperty<std::string>(kSeparator, "separator");
}

}  // namespace millrace::sql
