// Where a materialized view begins to read its streams (WITH (start = …)): found once, when it is made, and kept in the
// catalog as offsets, so that the view is the same after every restart.
#pragma once

#include <string>
#include <vector>

#include "engine/node_state.h"
#include "sql/catalog.h"

namespace millrace::engine {

/// For the streams that the plan reads itself; tables and views that it reads are read whole. Fails at the option where
/// it names what is not there, a position that is not kept or not yet there, a time to come, or when no stream is read.
Result<std::vector<sql::StreamStart>> find_starts(NodeState& node, const sql::Catalog& catalog, const plan::Plan& plan,
                                                  const std::vector<sql::Option>& options);

/// `plays from 0:120, 1:98`, for those that do not begin at the beginning; else the name alone.
std::string describe_start(const sql::CatalogObject& view, StreamId stream, const std::string& name);

}  // namespace millrace::engine
