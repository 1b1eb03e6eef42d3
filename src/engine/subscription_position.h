// Positions in the changes of a view, as `_position` shows them: "<view>.<commit>-<row of the commit, from 1>", or
// "<view>.<commit>" behind all of a commit. The view is its id in the catalog, which is never used twice.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/node_state.h"

namespace millrace::engine {

std::string position_text(StreamId view, Epoch commit, uint64_t row);

/// Where a reader of a changelog begins.
struct ChangelogPlace {
  Offset offset;
  Epoch commit;       ///< of the row before it, when that is of the same commit as the next may be
  uint64_t rows = 0;  ///< how many rows of that commit are before it
};

/// Where a reader goes on that saw all up to the position. Refused when it is of another view, or when what comes
/// behind it is no longer kept. Readers' lock held.
Result<ChangelogPlace> place_behind(NodeState& node, const PipelineView& view, std::string_view position);

}  // namespace millrace::engine
