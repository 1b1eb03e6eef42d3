// A node in safe mode: after starts that failed again and again it changes nothing, serves what can be read, and says
// why.
#pragma once

#include <memory>
#include <string>

#include "engine/node.h"

namespace millrace::engine {

/// Opens what opens of the directory: the log and the catalog, but no state, so streams can be read and views cannot.
/// Always succeeds; what did not open is told with the reason, which NodeStatus::safe_mode has.
std::unique_ptr<Node> make_safe_node(Env& env, Metrics& metrics, NodeOptions options, std::unique_ptr<FileLock> lock,
                                     std::string reason);

}  // namespace millrace::engine
