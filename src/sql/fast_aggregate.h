// Which calls of GROUP BY have a fast form (src/dataflow/aggregate_fast.cpp). Private to sql/.
#pragma once

#include "duckdb.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "plan/plan.h"

namespace millrace::sql {

/// kGeneral when it has none.
plan::AggregateKind fast_kind(const duckdb::BoundAggregateExpression& call, bool append_only);

/// What the fast form of a call with an argument reads: for variances the number before it was made a DOUBLE.
const duckdb::Expression& fast_argument(const duckdb::BoundAggregateExpression& call, plan::AggregateKind kind);

}  // namespace millrace::sql
