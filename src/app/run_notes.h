// What a person should hear of a run: inputs that could not be read or not as a whole, records and rows that are dead
// letters. Lines for standard error; none when all is well.
#pragma once

#include <string>
#include <vector>

#include "engine/node.h"

namespace millrace::app {

/// Of bounded inputs that ended: each is the same line at every call.
std::vector<std::string> load_notes(const engine::NodeStatus& status);
/// Of streams, tables and sinks, at the end of a run.
std::vector<std::string> dead_notes(const engine::NodeStatus& status);

}  // namespace millrace::app
