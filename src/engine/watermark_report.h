// SHOW WATERMARKS: how far each stream, partition and view is, and what holds it back.
#pragma once

#include "engine/node_state.h"

namespace millrace::engine {

/// Takes the step lock.
StatementResult show_watermarks(NodeState& node);

}  // namespace millrace::engine
