// Which calls of GROUP BY have a fast form (src/dataflow/aggregate_fast.cpp). Private to sql/.
#pragma once

#include "duckdb.hpp"
#include "duckdb/planner/bound_result_modifier.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "plan/plan.h"

namespace millrace::sql {

/// kGeneral when it has none.
plan::AggregateKind fast_kind(const duckdb::BoundAggregateExpression& call, bool append_only);

/// What the fast form of a call reads.
struct FastArguments {
  duckdb::unique_ptr<duckdb::Expression> argument;  // null: none; of kApproxCountDistinct its hash is read
  duckdb::unique_ptr<duckdb::Expression> filter;    // null: none
  duckdb::vector<duckdb::BoundOrderByNode> orders;  // of kFirst, kLast, kList and kStringAgg: who is first
};
/// What kStringAgg puts between two texts.
std::string separator_of(const duckdb::BoundAggregateExpression& call);

FastArguments fast_arguments(const duckdb::BoundAggregateExpression& call, plan::AggregateKind kind);

}  // namespace millrace::sql
