// What a node's status says, as OpenMetrics: made anew whenever somebody asks, so that what was dropped is gone.
#pragma once

#include <string>

#include "engine/node.h"

namespace millrace::server {

/// Ends without `# EOF`: the other metrics follow.
std::string status_metrics(const engine::NodeStatus& status);

}  // namespace millrace::server
