// Windows of time: tumble, hop and cumulate as table functions that bind to a SELECT over their relation, with the
// columns window_start and window_end, and the scalar functions that compute these.
//
// A row whose time is NULL or infinite is in one window whose bounds are that time.
#pragma once

#include <string>

#include "duckdb/main/client_context.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"

namespace millrace::sql {

/// A scalar function that gives a bound of a row's window or, as a list, of its windows. The arguments of all:
/// (ts TIMESTAMP, size INTERVAL, offset INTERVAL [, step INTERVAL]).
enum class WindowBoundKind : uint8_t { kNone, kStart, kEnd };
WindowBoundKind window_bound_kind(const duckdb::BoundFunctionExpression& function);

/// Whether a table function of this name is a window of time.
bool is_time_window(const std::string& name);

void register_time_windows(duckdb::ClientContext& context);

}  // namespace millrace::sql
