// How far the frame of an OVER call reaches, for calls that DuckDB computes. Private to sql/.
#pragma once

#include <optional>
#include <vector>

#include "duckdb.hpp"
#include "duckdb/planner/expression/bound_window_expression.hpp"
#include "plan/plan.h"

namespace millrace::sql {

/// A result depends on the rows of a bounded frame alone.
struct WindowFrame {
  plan::FrameReach reach;  ///< but for ranges
  /// The values, in terms of the one ORDER BY expression, between which RANGE takes rows; nullptr: the row's own.
  struct Range {
    const duckdb::Expression* first = nullptr;
    const duckdb::Expression* last = nullptr;
  };
  std::optional<Range> range;
  /// Of the rows between, those in which this is not NULL count: so many of them, instead of rows.
  const duckdb::Expression* value = nullptr;
};
std::optional<WindowFrame> bounded_frame(const duckdb::BoundWindowExpression& call);

/// Refuses a frame that no row can have: NULL or a negative number of rows.
void check_frame(const duckdb::BoundWindowExpression& call);

/// Makes RANGE BETWEEN 0 FOLLOWING … and … AND 0 PRECEDING what they are, CURRENT ROW with its peers: DuckDB 1.4
/// leaves out peers that it happens to put before, or behind, the row.
void begin_and_end_at_peers(duckdb::BoundWindowExpression& call);

/// Tells rows that SQL leaves in any order apart by `position`, a column: within ORDER BY, or where that would make
/// other peers, within the call's own ORDER BY.
void order_by_position(duckdb::BoundWindowExpression& call, const duckdb::Expression& position);

/// Peers are told apart by where they stand and are excluded together: no one order of DuckDB says both.
bool needs_peers_and_places(const duckdb::BoundWindowExpression& call);

}  // namespace millrace::sql
