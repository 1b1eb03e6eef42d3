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
  bool ends_before = false;
};
WindowKernel window_kernel(const duckdb::BoundWindowExpression& call);

/// The argument of a call with a kernel: NULL where its FILTER is not true, which every such aggregate passes over.
/// nullptr: count(*).
duckdb::unique_ptr<duckdb::Expression> window_argument(const duckdb::BoundWindowExpression& call);

/// What computes a call.
enum class WindowForm : uint8_t {
  kKernel,   ///< plan::Window with kernels
  kRunning,  ///< plan::FramedWindow of running calls
  kFrame,    ///< plan::FramedWindow that DuckDB computes
  kGeneral   ///< plan::Window that DuckDB computes, whole partitions at a time
};

/// The forms of the calls of one OVER after another. A running sum that could be taken back goes along with calls over
/// the same specification that cannot.
std::vector<WindowForm> window_forms(const std::vector<duckdb::unique_ptr<duckdb::Expression>>& calls);

/// The same PARTITION BY and ORDER BY.
bool same_specification(const duckdb::BoundWindowExpression& a, const duckdb::BoundWindowExpression& b);

}  // namespace millrace::sql
