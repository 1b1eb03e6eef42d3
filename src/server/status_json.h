// What a node reports of itself as JSON: the answer of GET /v1/status, and of `millrace status --data` without a
// server.
#pragma once

#include <string>

#include "base/time.h"
#include "engine/node.h"

namespace millrace::server {

std::string status_json(const engine::NodeStatus& status, bool insecure, Timestamp now);

}  // namespace millrace::server
