#include "sql/fast_aggregate.h"

#include "duckdb/planner/expression/bound_cast_expression.hpp"

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
  if (call.children.size() != 1) return AggregateKind::kGeneral;
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
  const bool exact = &before_cast(*call.children[0]) != call.children[0].get();
  return exact || append_only ? variance_kind(name) : AggregateKind::kGeneral;
}

const duckdb::Expression& fast_argument(const duckdb::BoundAggregateExpression& call, plan::AggregateKind kind) {
  const duckdb::Expression& argument = *call.children[0];
  return kind >= plan::AggregateKind::kVarSamp ? before_cast(argument) : argument;
}

}  // namespace millrace::sql
