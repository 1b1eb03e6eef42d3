// Which calls of OVER have kernels (src/dataflow/window_kernels.cpp). Private to sql/.
#pragma once

#include <vector>

#include "duckdb.hpp"
#include "duckdb/planner/expression/bound_window_expression.hpp"
#include "plan/plan.h"

namespace millrace::sql {

struct WindowKernel {
  plan::WindowKind kind = plan::WindowKind::kGeneral;
  bool to_peers = false;
};
WindowKernel window_kernel(const duckdb::BoundWindowExpression& call);

/// One node may compute the call with these, which are over the same specification: one call without a kernel does not
/// make the others general, and one that looks ahead does not make sums start from the partition's first row.
bool share_a_node(const std::vector<const duckdb::BoundWindowExpression*>& calls,
                  const duckdb::BoundWindowExpression& call);

}  // namespace millrace::sql
