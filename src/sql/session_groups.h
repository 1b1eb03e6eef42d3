// What GROUP BY asks of session windows. Private to sql/.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "duckdb.hpp"
#include "duckdb/planner/operator/logical_aggregate.hpp"
#include "duckdb/planner/operator/logical_window.hpp"

namespace millrace::sql {

/// The aggregates, never run, by which a plan marks session windows: (ts TIMESTAMP, gap INTERVAL).
inline constexpr const char* kSessionStart = "millrace_session_start";
inline constexpr const char* kSessionEnd = "millrace_session_end";

enum class SessionCall : uint8_t { kNone, kStart, kEnd };
SessionCall session_call(const duckdb::BoundWindowExpression& call);

/// A GROUP BY right above session windows; only projections and filters lie between.
struct SessionGroups {
  const duckdb::LogicalWindow* window = nullptr;
  std::vector<uint32_t> starts, ends;  ///< which of the groups are the sessions' bounds
  bool whole_session = false;          ///< the groups hold all of the sessions' keys
  bool end_is_read = false;            ///< by something else than GROUP BY
  /// The end can be a result, the greatest end of the group's rows alone, instead of a key.
  bool ends_are_results() const { return !starts.empty() && !ends.empty() && whole_session && !end_is_read; }
  /// All rows of a group are of one session, or of sessions that end together.
  bool one_end() const { return !ends.empty() || (!starts.empty() && whole_session); }
};
std::optional<SessionGroups> session_groups(const duckdb::LogicalAggregate& op);

}  // namespace millrace::sql
