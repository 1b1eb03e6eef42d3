// What a node reports as JSON, in the shape of GET /v1/status and GET /v1/ledger, for a data directory without a
// server.
#pragma once

#include <string>

#include "engine/node.h"

namespace millrace::app {

std::string status_json(const engine::NodeStatus& status);
std::string ledger_json(const ledger::Report& report);

}  // namespace millrace::app
